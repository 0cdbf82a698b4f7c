/**
 * What the tools of the proof change: outside of all hosts, so that it outlives them. It remembers what was performed under
 * which key.
 */
import { createServer, request } from "node:http"
import type * as Dice from "./Dice.ts"
import { valueOf } from "./Work.ts"

export interface Call {
  readonly tool: string
  readonly key: string
  readonly attempt: number
  readonly cell: string
  readonly n: number
}

export interface World {
  /** How many times each call was performed, by its key. */
  readonly performed: ReadonlyMap<string, { readonly tool: string; times: number }>
  /** The sequence numbers of the notifications of each cell, as they came. */
  readonly notified: ReadonlyMap<string, ReadonlyArray<number>>
  readonly close: () => void
}

export const serve = (path: string, dice: Dice.Dice): Promise<World> => {
  const performed = new Map<string, { readonly tool: string; times: number }>()
  const notified = new Map<string, Array<number>>()
  const done = new Set<string>()

  const perform = ({ cell, key, n, tool }: Call) => {
    const before = performed.get(key)
    if (before === undefined) {
      performed.set(key, { tool, times: 1 })
    } else {
      before.times++
    }
    if (tool === "once") {
      done.add(`${cell} ${n}`)
    }
  }

  const answer = ({ cell, n, tool }: Call) =>
    tool !== "status" ? { value: valueOf(n) } : done.has(`${cell} ${n}`) ? { value: valueOf(n) } : {}

  const server = createServer((incoming, response) => {
    let body = ""
    incoming.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
      const message = JSON.parse(body)
      if (message.tool === undefined) {
        notified.set(message.cell, [...(notified.get(message.cell) ?? []), message.sequence])
        response.end("{}")
        return
      }
      const isLate = dice.next() < 0.5
      if (!isLate) {
        perform(message)
      }
      setTimeout(() => {
        if (isLate) {
          perform(message)
        }
        response.end(JSON.stringify(answer(message)))
      }, dice.pick([0, 5, 20, 80, 300]))
    }).on("error", () => {})
  })
  return new Promise((resolve) => {
    server.listen(path, () => resolve({ performed, notified, close: () => server.close() }))
  })
}

/** Asks the world of that path. */
export const ask = (path: string, message: object, signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve, reject) => {
    // A connection that is kept would be gone after a freeze.
    request({ socketPath: path, method: "POST", agent: false, signal }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text) => body += text)
        .on("end", () => resolve(JSON.parse(body)))
        .on("error", reject)
    }).on("error", reject).end(JSON.stringify(message))
  })
