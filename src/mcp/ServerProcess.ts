/**
 * An MCP server as a child process: messages through its pipes, its last words, and its end.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { stripVTControlCharacters } from "node:util"
import * as ChildProcess from "../system/ChildProcess.ts"
import { Unanswered, unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"
import * as Lines from "./Lines.ts"
import * as Peer from "./Peer.ts"
import type { ServerConnection } from "./ServerConnection.ts"

const patience: ChildProcess.Patience = { endOfInput: "250 millis", terminate: "500 millis", kill: "1 second" }

/** How long the pipes of a process that is gone are still read: one that left its group can hold them open for ever. */
const drain = "100 millis"

/** How long the end of a process is waited for, once its pipes say that it is near. */
const nearEnd = "250 millis"

const mebibytes = (bytes: number) => `${bytes / 1024 / 1024} MiB`

const notRead = unanswered(
  `it does not read the answers to its own requests: ${mebibytes(Limits.maxQueuedReplyBytes)} wait for it already`
)

const isMessage = (value: unknown) => Array.isArray(value) || JsonRpc.fromValue(value) !== undefined

/**
 * Puts together messages that are printed over several lines: from a line that is `{` to the next that is `}`. A message
 * in between says that it was something else.
 */
const joined = (onText: (text: string) => void) => {
  let open: Array<string> = []
  let length = 0
  const flush = () => {
    const text = open.join("\n")
    open = []
    length = 0
    onText(text)
  }
  return (line: string) => {
    if (open.length === 0 && line.trimEnd() !== "{") {
      return onText(line)
    }
    if (open.length > 0 && JsonRpc.excess(line) === undefined && isMessage(JsonRpc.parse(line))) {
      flush()
      return onText(line)
    }
    open.push(line)
    length += line.length
    if (line.trimEnd() === "}" || length > Limits.maxMessageBytes) {
      flush()
    }
  }
}

/** Starts the process; the end of the scope is its end. */
export const make = Effect.fnUntraced(function*(
  command: ChildProcess.Command,
  handlers: Peer.Handlers
): Effect.fn.Return<ServerConnection, ChildProcess.NotStarted, Scope.Scope> {
  const child = yield* Effect.acquireRelease(
    ChildProcess.start(command),
    (child) => ChildProcess.end(child, patience)
  )
  const { stderr, stdin, stdout } = child.handle
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  let lastWords = ""
  let queuedReplies = 0

  const hear = (text: string) => {
    lastWords = (lastWords + text.slice(-Limits.maxLastWords)).slice(-Limits.maxLastWords)
  }
  stderr.setEncoding("utf8").on("data", hear)

  const send = (line: string, id: number | undefined): Effect.Effect<void, Unanswered> =>
    Effect.suspend(() => {
      const bytes = Buffer.byteLength(line) + 1
      if (id === undefined) {
        if (queuedReplies + bytes > Limits.maxQueuedReplyBytes) {
          return notRead
        }
        queuedReplies += bytes
        stdin.write(`${line}\n`, () => {
          queuedReplies -= bytes
        })
        return Effect.void
      }
      if (stdin.writableLength + bytes > Limits.maxQueuedBytes) {
        return unanswered(
          stdin.writableLength < bytes
            ? `the call is larger than ${mebibytes(Limits.maxQueuedBytes)}`
            : `it does not read what it is sent: ${mebibytes(Limits.maxQueuedBytes)} wait for it already`
        )
      }
      stdin.write(`${line}\n`)
      return Effect.void
    })

  const peer = yield* Peer.make({ send }, handlers)

  const isClosed = () => stdout.closed && stderr.closed && ChildProcess.isGone(child)

  /** The process says why it ended, if it has: so that is waited for a moment. */
  const close = (otherwise: string) =>
    Effect.suspend(() => isClosed() ? Effect.void : ChildProcess.once(child, "close")).pipe(
      Effect.timeoutOption(nearEnd),
      Effect.andThen(Effect.suspend(() => {
        const { exitCode, signalCode } = child.handle
        const text = signalCode !== null
          ? `it was ended by ${signalCode}`
          : exitCode !== null
          ? `it exited with status ${exitCode}`
          : otherwise
        return peer.close(new Unanswered({ connection: "closed", message: text }))
      }))
    )

  const tooLong = unanswered(
    `its answer is longer than ${mebibytes(Limits.maxMessageBytes)}, which is the most that a message may have`
  )

  /** Fails the call whose answer a piece of a message belongs to. */
  const failCallOf = (part: string, failure: Unanswered): boolean => {
    const affected = peer.answeredBy(part)
    if (affected !== undefined) {
      runFork(peer.fail(affected, failure))
    }
    return affected !== undefined
  }

  const onText = joined((text) => {
    const excess = JsonRpc.excess(text)
    if (excess !== undefined) {
      const failure = unanswered(excess)
      return failCallOf(text.slice(0, JsonRpc.looked), failure) || failCallOf(text.slice(-JsonRpc.looked), failure)
    }
    const value = JsonRpc.parse(text)
    if (isMessage(value)) {
      runFork(peer.receive(value))
    } else if (text.trim() !== "") {
      hear(`${text}\n`)
      runFork(peer.receiveNoise(text))
    }
  })

  let isAttributed = true

  stdout.on(
    "data",
    Lines.make({
      onLine: onText,
      onTooLong: (head) => {
        isAttributed = failCallOf(head, tooLong)
      },
      onSkipped: (tail) => {
        isAttributed ||= failCallOf(tail, tooLong)
      },
      onEndless: () => {
        stdout.destroy()
        runFork(peer.close(
          new Unanswered({
            connection: "closed",
            message: `it wrote a line of more than ${mebibytes(Limits.maxSkippedBytes)}`
          })
        ))
      }
    })
  )
  // A write to a process that is gone, or that hears nothing more.
  stdin.on("error", () => runFork(close("it closed its input")))
  stdout.once("close", () => runFork(close("it closed its output")))

  yield* ChildProcess.awaitExit(child).pipe(
    Effect.andThen(Effect.sleep(drain)),
    Effect.andThen(Effect.sync(() => {
      stdout.destroy()
      stderr.destroy()
    })),
    Effect.forkScoped
  )

  return {
    peer,
    lastWords: () => stripVTControlCharacters(lastWords).trim(),
    established: () => Effect.void
  }
})
