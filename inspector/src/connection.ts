/** The way to the process: its messages, and what is asked of it. */
import type { Answer, CallValues, Message, Request, StoredView } from "../../src/inspector/PageMessage.ts"
import { store } from "./store.ts"

let source: EventSource | undefined
let shown: number | undefined
/** The cell that the process was asked to tell of. */
let asked: number | null = null
let pause = 250

const longestPause = 4000

const connect = (): void => {
  source?.close()
  const cell = selectedCell()
  asked = cell
  const opened = new EventSource(cell === null ? "./events" : `./events?cell=${cell}`)
  source = opened
  opened.addEventListener("message", ({ data }: MessageEvent<string>) => {
    pause = 250
    store.connection = "open"
    store.receive(JSON.parse(data) as Message)
    follow()
  })
  opened.addEventListener("error", () => {
    if (source !== opened) {
      return
    }
    opened.close()
    source = undefined
    store.connection = "lost"
    store.changed()
    void retry()
  })
}

/** A process that is there again and does not know us has another address. */
const retry = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, pause))
  pause = Math.min(longestPause, pause * 1.6)
  const status = await fetch("./page.css", { method: "GET" }).then(({ status }) => status, () => undefined)
  if (status === 404 || status === 403) {
    store.connection = "refused"
    store.changed()
  }
  if (status === undefined || status >= 400) {
    return retry()
  }
  connect()
}

const selectedCell = (): number | null => store.selection.kind === "cell" ? store.selection.key : null

/** Has the process tell of the cell that is chosen. */
const follow = (): void => {
  const cell = selectedCell()
  if (store.viewer !== undefined && store.connection === "open" && cell !== asked) {
    asked = cell
    void ask({ _tag: "Focus", viewer: store.viewer, cell })
  }
}

export const start = (): void => {
  const key = Number(/^#cell=(\d+)$/.exec(location.hash)?.[1])
  if (key > 0) {
    store.select({ kind: "cell", key })
  }
  store.subscribe(() => {
    follow()
    const cell = selectedCell()
    if (cell !== shown) {
      shown = cell ?? undefined
      history.replaceState(null, "", cell === null ? location.pathname : `#cell=${cell}`)
    }
  })
  connect()
}

/** Asks the process to do something. */
export const ask = (request: Request): Promise<Answer> =>
  fetch("./act", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request)
  }).then(
    (response) => response.ok ? response.json() as Promise<Answer> : { ok: false, text: "the process refuses this" },
    () => ({ ok: false, text: "the process does not answer" })
  )

const get = <A>(path: string): Promise<A | undefined> =>
  fetch(path).then((response) => response.ok ? response.json() as Promise<A> : undefined, () => undefined)

export const valuesOf = (cell: number, call: number): Promise<CallValues | undefined> =>
  get(`./values?cell=${cell}&call=${call}`)

export const storedOf = (session: number): Promise<StoredView | undefined> => get(`./stored?session=${session}`)
