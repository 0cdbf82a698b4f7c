/**
 * An MCP server as a child process: its pipes as a transport, its last words, and its end.
 *
 * **Details**
 *
 * The process leads a process group of its own. So a Ctrl-C in the terminal reaches us alone, who then end the server
 * in order; and what the server started itself (`npx` starts a chain of them) ends with it.
 *
 * @internal
 */
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import {
  isJSONRPCErrorResponse,
  isJSONRPCResultResponse,
  type JSONRPCMessage
} from "@modelcontextprotocol/sdk/types.js"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { stripVTControlCharacters } from "node:util"
import type { Connection } from "./Connection.ts"

export interface Command {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
}

/** How long a server may take to leave after its input has ended, and again after it was told to. */
const patience = { endOfInput: "250 millis", terminate: "500 millis", kill: "1 second" } as const

/** How long the pipes of a process that is gone are still read. */
const drain = "100 millis"

const maxLastWords = 4096

const maxMessageLength = 64 * 1024 * 1024

// =============================================================================
// The process
// =============================================================================

const running = new Set<ChildProcessWithoutNullStreams>()

/** Takes the servers along where this process ends without further ado. */
const killAll = () => running.forEach((child) => signalGroup(child, "SIGKILL"))

const launch = (options: Command) =>
  Effect.callback<ChildProcessWithoutNullStreams, NodeJS.ErrnoException>((resume) => {
    const child = spawn(options.command, options.args ?? [], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true
    })
    child.on("error", (error) => resume(Effect.fail(error)))
    child.once("spawn", () => {
      running.add(child)
      process.off("exit", killAll).on("exit", killAll)
      resume(Effect.succeed(child))
    })
  })

const isGone = (child: ChildProcessWithoutNullStreams) => child.exitCode !== null || child.signalCode !== null

const signalGroup = (child: ChildProcessWithoutNullStreams, signal: NodeJS.Signals) => {
  try {
    process.kill(-child.pid!, signal)
  } catch {
    // There is nobody left in the group.
  }
}

const awaitEvent = (child: ChildProcessWithoutNullStreams, event: "exit" | "close") =>
  Effect.callback<void>((resume) => {
    const listener = () => resume(Effect.void)
    child.once(event, listener)
    return Effect.sync(() => child.off(event, listener))
  })

const exit = (child: ChildProcessWithoutNullStreams) =>
  Effect.suspend(() => isGone(child) ? Effect.void : awaitEvent(child, "exit"))

const exitsWithin = (child: ChildProcessWithoutNullStreams, duration: Duration.Input) =>
  exit(child).pipe(Effect.timeoutOption(duration), Effect.map(Option.isSome))

/** Asks the process to leave, ever less politely. Nothing of it is there when this is done. */
const end = Effect.fnUntraced(function*(child: ChildProcessWithoutNullStreams) {
  child.stdin.end()
  if (!(yield* exitsWithin(child, patience.endOfInput))) {
    signalGroup(child, "SIGTERM")
    if (!(yield* exitsWithin(child, patience.terminate))) {
      signalGroup(child, "SIGKILL")
      yield* exitsWithin(child, patience.kill)
    }
  }
  child.stdout.destroy()
  child.stderr.destroy()
  running.delete(child)
})

// =============================================================================
// Messages
// =============================================================================

/** Cuts a stream of text into its lines. */
const lines = (onLine: (line: string) => void, onTooLong: () => void) => {
  let parts: Array<string> = []
  let length = 0
  return (chunk: string) => {
    let start = 0
    for (let at = chunk.indexOf("\n"); at !== -1; at = chunk.indexOf("\n", start)) {
      const line = parts.join("") + chunk.slice(start, at)
      parts = []
      length = 0
      start = at + 1
      onLine(line)
    }
    parts.push(chunk.slice(start))
    length += chunk.length - start
    if (length > maxMessageLength) {
      parts = []
      length = 0
      onTooLong()
    }
  }
}

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/**
 * A response that the client would not recognise as one would leave its call without an answer, so it is turned into
 * an error that the client does recognise.
 */
const recognisable = (message: object): JSONRPCMessage =>
  Predicate.hasProperty(message, "method") || !Predicate.hasProperty(message, "id") ||
    isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)
    ? message as JSONRPCMessage
    : {
      jsonrpc: "2.0",
      id: message.id as string | number,
      error: { code: -32603, message: "the response is malformed" }
    }

// =============================================================================
// Both
// =============================================================================

/** Starts the process; the end of the scope is its end. */
export const make: (
  options: Command
) => Effect.Effect<Connection, NodeJS.ErrnoException, Scope.Scope> = Effect.fnUntraced(function*(options) {
  const child = yield* Effect.acquireRelease(launch(options), end)
  let isOpen = true
  let isClosed = false
  let isTooLong = false
  let lastWords = ""

  const hear = (text: string) => {
    lastWords = (lastWords + text).slice(-maxLastWords)
  }
  child.stderr.setEncoding("utf8").on("data", hear)

  const transport: Transport = {
    start: () => {
      child.stdout.setEncoding("utf8").on(
        "data",
        lines((line) => {
          const message = parse(line)
          if (Predicate.isObject(message)) {
            transport.onmessage?.(recognisable(message))
          } else if (line.trim() !== "") {
            hear(`${line}\n`)
          }
        }, () => {
          isTooLong = true
          child.stdout.destroy()
        })
      )
      return Promise.resolve()
    },
    send: (message) => {
      child.stdin.write(`${JSON.stringify(message)}\n`)
      return Promise.resolve()
    },
    close: () => {
      child.stdin.end()
      return Promise.resolve()
    }
  }

  // A write to a process that is gone: its end is what tells.
  child.stdin.on("error", () => {})
  child.stdout.once("close", () => {
    isOpen = false
    transport.onclose?.()
  })
  child.once("close", () => {
    isClosed = true
  })
  child.once("exit", () => signalGroup(child, "SIGKILL"))

  // A process that left the group can hold the pipes open for ever.
  yield* exit(child).pipe(
    Effect.andThen(Effect.sleep(drain)),
    Effect.andThen(Effect.sync(() => {
      child.stdout.destroy()
      child.stderr.destroy()
    })),
    Effect.forkScoped
  )

  return {
    transport,
    isOpen: () => isOpen,
    lastWords: () => stripVTControlCharacters(lastWords).trim(),
    ending: Effect.suspend(() => isClosed ? Effect.void : awaitEvent(child, "close")).pipe(
      Effect.timeoutOption("250 millis"),
      Effect.map(() =>
        isTooLong
          ? "it sent a message that is too long"
          : child.signalCode !== null
          ? `it was ended by ${child.signalCode}`
          : child.exitCode !== null
          ? `it exited with status ${child.exitCode}`
          : "it closed its output"
      )
    )
  }
})
