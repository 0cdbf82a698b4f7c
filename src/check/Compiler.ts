/**
 * The compiler of `typescript` 7 as a process that keeps what it knows, and answers what it is asked.
 *
 * **Details**
 *
 * It speaks JSON-RPC over its pipes, each message after a header with its length. It asks us for every file: it gets those
 * it is given and the libraries of the language, and nothing else of this machine.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { dirname } from "node:path"
import * as ChildProcess from "../system/ChildProcess.ts"
import * as Memory from "../system/Memory.ts"
import { isObject } from "../text/JsonValue.ts"

/** The compiler gives no answer. */
export class Silent extends Schema.TaggedError<Silent>("effect-code-mode/check/Silent")("Silent", {
  message: Schema.String
}) {}

export interface Compiler {
  readonly request: (method: string, params: Schema.Json) => Effect.Effect<unknown, Silent>
  /** Asks, and waits for no answer. */
  readonly tell: (method: string, params: Schema.Json) => void
  /** Fails as soon as the process takes more memory than it may. */
  readonly withinMemory: Effect.Effect<never, Silent>
  /** Ends it at once. The end of its scope ends it in order. */
  readonly kill: Effect.Effect<void>
}

/** The folder in which the given files lie, for the compiler. */
export const folder = "/check"

const patience: ChildProcess.Patience = { endOfInput: "250 millis", terminate: "250 millis", kill: "1 second" }

const mebibyte = 1024 * 1024
const maxMessageBytes = 4 * mebibyte

// =============================================================================
// Files
// =============================================================================

/** The libraries of the language; not those of browsers. They lie beside the compiler, or in it. */
const library = /\/lib\.(?:es|decorators)[\w.]*\.d\.ts$/

const ownLibraries = "bundled:///libs/"

/** What the compiler asks of a file system. `null` of `readFile` stands for the file that is there. */
const answers = (
  executable: string,
  files: ReadonlyMap<string, string>
): { readonly [method: string]: ((path: string) => Schema.Json) | undefined } => {
  const isLibrary = (path: string) =>
    library.test(path) && (path.startsWith(ownLibraries) || dirname(path) === dirname(executable))
  return {
    readFile: (path) => isLibrary(path) ? null : { content: files.get(path) ?? null },
    fileExists: (path) => files.has(path),
    directoryExists: (path) => path === folder,
    getAccessibleEntries: () => ({ files: [], directories: [] }),
    realpath: (path) => path
  }
}

const callbacks = ["readFile", "fileExists", "directoryExists", "getAccessibleEntries", "realpath"]

// =============================================================================
// Messages
// =============================================================================

const frame = (message: object): string => {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message })
  return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

const separator = Buffer.from("\r\n\r\n")
const maxHeaderBytes = 1024

/** Takes the bytes of a stream, and gives the messages in it. It throws at what is none. */
const reader = (onMessage: (message: unknown) => void) => {
  let chunks: Array<Buffer> = []
  let length = 0
  let needed = 0
  return (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    while (length > 0 && length >= needed) {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)
      chunks = [bytes]
      const end = bytes.subarray(0, maxHeaderBytes).indexOf(separator)
      const size = Number(/^Content-Length: *(\d+)/i.exec(bytes.toString("latin1", 0, Math.max(0, end)))?.[1])
      if (end === -1 ? length >= maxHeaderBytes : !(size <= maxMessageBytes)) {
        throw new Error("it says something that is not a message")
      }
      needed = end === -1 ? length + 1 : end + separator.length + size
      if (length < needed) {
        return
      }
      const rest = bytes.subarray(needed)
      onMessage(JSON.parse(bytes.toString("utf8", end + separator.length, needed)))
      chunks = [rest]
      length = rest.length
      needed = 0
    }
  }
}

// =============================================================================
// The process
// =============================================================================

/** Starts a compiler that may take so much memory. The map of files is looked at whenever it asks. */
export const start = Effect.fnUntraced(function*(
  executable: string,
  files: ReadonlyMap<string, string>,
  maxMemoryBytes: number,
  confinement: ChildProcess.Confinement
): Effect.fn.Return<Compiler, ChildProcess.NotStarted, Scope.Scope> {
  const [command, args] = confinement.command(executable, [
    "--api",
    "--async",
    "--cwd",
    folder,
    `--callbacks=${callbacks.join(",")}`
  ])
  const child = yield* Effect.acquireRelease(
    ChildProcess.start({
      command,
      args,
      cwd: dirname(executable),
      // From half of it on, it collects more often.
      env: { GOMEMLIMIT: `${Math.ceil(maxMemoryBytes / mebibyte / 2)}MiB` }
    }),
    (child) => ChildProcess.end(child, patience)
  )
  const { pid, stderr, stdin, stdout } = child.handle
  if (pid !== undefined) {
    confinement.adopt(pid)
  }
  const pending = new Map<number, Deferred.Deferred<unknown, Silent>>()
  const answer = answers(executable, files)
  let lastId = 0
  let closed: Silent | undefined

  const close = (message: string) => {
    closed ??= new Silent({ message })
    for (const [id, waiting] of pending) {
      pending.delete(id)
      Deferred.doneUnsafe(waiting, Exit.fail(closed))
    }
    ChildProcess.kill(child)
  }

  const onMessage = (message: unknown) => {
    if (!isObject(message)) {
      return
    }
    const { error, id, method, params, result } = message
    if (typeof method === "string") {
      const given = answer[method]
      const result = given === undefined || typeof params !== "string" ? null : given(params)
      stdin.write(frame({ id, result }))
      return
    }
    const waiting = pending.get(Number(id))
    if (waiting !== undefined) {
      pending.delete(Number(id))
      Deferred.doneUnsafe(
        waiting,
        error === undefined
          ? Exit.succeed(result)
          : Exit.fail(new Silent({ message: `it answers with an error: ${JSON.stringify(error).slice(0, 300)}` }))
      )
    }
  }

  const read = reader(onMessage)
  stdout.on("data", (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      close((error as Error).message)
    }
  })
  // What it says when it breaks down is a page for each of its threads.
  stderr.resume()
  stdin.on("error", () => close("it closed its input"))
  child.handle.once("exit", (code, signal) => close(`it ended with ${signal ?? `status ${code}`}`))

  const tell = (method: string, params: Schema.Json) => {
    const id = ++lastId
    stdin.write(frame({ id, method, params }))
    return id
  }

  const request: Compiler["request"] = (method, params) =>
    Effect.suspend(() => {
      if (closed !== undefined) {
        return closed
      }
      const waiting = Deferred.makeUnsafe<unknown, Silent>()
      pending.set(tell(method, params), waiting)
      return Deferred.await(waiting)
    })

  const withinMemory = Effect.sync(() => Memory.ofProcess(pid) > maxMemoryBytes).pipe(
    Effect.tap((isTooMuch) => isTooMuch ? Effect.void : Effect.sleep("50 millis")),
    Effect.repeat({ until: (isTooMuch) => isTooMuch }),
    Effect.andThen(new Silent({ message: `it took more than ${maxMemoryBytes / mebibyte} MiB of memory` }))
  )

  return { request, tell, withinMemory, kill: Effect.sync(() => close("it was ended")) }
})
