/** The host processes of the proof: started, asked, killed, frozen. */
import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { CellEvent, CellId, Epoch } from "../../dist/Protocol.js"

/** What a host is asked. */
export type Question =
  | { readonly op: "open" | "close" | "values"; readonly session: string }
  | { readonly op: "create"; readonly session: string; readonly key: string; readonly source: string }
  | {
    readonly op: "observe"
    readonly session: string
    readonly cell: CellId
    readonly key: string
    readonly wait: number
  }

export type Request = Question & { readonly id: number }

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

/** What a host tells by itself. */
export type Told =
  | { readonly told: "ready" }
  | { readonly told: "claim"; readonly session: string; readonly epoch: Epoch; readonly ended: number }
  | {
    readonly told: "append"
    readonly session: string
    readonly epoch: Epoch
    readonly began: number
    readonly records: number
  }

export type Value = CellEvent | CellId | Readonly<Record<string, unknown>> | null

/** What is compiled once: hosts are started all the time, and never end by themselves. */
const compiled = fileURLToPath(new URL("../../node_modules/.cache/prove-durable", import.meta.url))

/** The program of a host, as it is written, or as `bundle.mjs` has made one file of it. */
export const programOf = (isBundled: boolean): string =>
  isBundled ? join(compiled, "host.cjs") : fileURLToPath(new URL("host.ts", import.meta.url))

export class Host {
  readonly name: string
  private readonly child: ChildProcess
  private readonly waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }
  >()
  private asked = 0
  isAlive = true
  readonly ready: Promise<void>
  readonly ended: Promise<void>
  private complaints = ""

  constructor(name: string, program: string, args: ReadonlyArray<string>, onTold: (told: Told) => void) {
    this.name = name
    this.child = fork(program, args, {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, NODE_COMPILE_CACHE: compiled }
    })
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => this.complaints += text)
    this.ready = new Promise((resolve, reject) => {
      this.child.on("message", (message: Told | Answer) => {
        if ("told" in message) {
          if (message.told === "ready") resolve()
          onTold(message)
          return
        }
        const waiting = this.waiting.get(message.id)
        this.waiting.delete(message.id)
        if ("error" in message) {
          waiting?.reject(new Error(message.error))
        } else {
          waiting?.resolve(message.value as never)
        }
      })
      this.child.on("exit", () => reject(new Error(`a host ended before it was ready: ${this.complaints}`)))
    })
    this.ready.catch(() => {})
    this.ended = new Promise((resolve) =>
      this.child.on("exit", (code) => {
        this.isAlive = false
        if (code !== null) {
          console.error(`host ${this.name} ended by itself, with ${code}: ${this.complaints}`)
        }
        this.waiting.forEach(({ reject }) => reject(new Error("gone")))
        this.waiting.clear()
        resolve()
      })
    )
  }

  ask<A extends Value>(question: Question): Promise<A> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) {
        reject(new Error("gone"))
        return
      }
      const id = ++this.asked
      this.waiting.set(id, { resolve, reject })
      this.child.send({ ...question, id } satisfies Request, (error) => error && reject(new Error("gone")))
    })
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.child.kill(signal)
  }

  async end(): Promise<void> {
    this.signal("SIGKILL")
    await this.ended
  }
}
