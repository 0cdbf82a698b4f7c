/**
 * The MCP server at standard input and output: one client, until its input ends.
 *
 * **Details**
 *
 * Effect's `layerStdio` keeps a line that does not end for ever, and dies of one that is not JSON.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Buffer } from "node:buffer"
import * as Lines from "../mcp/Lines.ts"
import { Outgoing } from "../wire/Outgoing.ts"
import type { Transport } from "../wire/Transport.ts"
import * as Bounds from "./Bounds.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"
import type * as ProtocolEnd from "./ProtocolEnd.ts"

type Message = JsonRpcCodec.Incoming | JsonRpcCodec.Refusal

/** Lines as they come, each a message or what is answered in its place. */
const messagesOf = () => {
  let found: Array<Message> = []
  let isEndless = false
  const push = Lines.make({
    onLine: (line) => {
      if (line.trim() !== "") {
        found.push(JsonRpcCodec.decode(line))
      }
    },
    onTooLong: () => {
      found.push(JsonRpcCodec.tooLong)
    },
    onSkipped: () => {},
    onEndless: () => {
      isEndless = true
    }
  }, Bounds.maxMessageBytes)
  return (chunk: Uint8Array) => {
    found = []
    push(chunk)
    return { found, isEndless }
  }
}

/**
 * Serves the client at the other end, until it leaves. Nothing of it is left then. What `connect` waits for, such as the
 * start of servers, is over when the input is.
 */
export const serve = Effect.fnUntraced(function*<E, R>(
  transport: Transport,
  connect: (send: ProtocolEnd.Send) => Effect.Effect<ProtocolEnd.ProtocolEnd, E, R>
): Effect.fn.Return<void, E, Exclude<R, Scope.Scope>> {
  const outgoing = new Outgoing(Bounds.maxMessageBytes)
  const send: ProtocolEnd.Send = (message) =>
    Effect.andThen(
      outgoing.room,
      Effect.sync(() => {
        const line = JsonRpcCodec.encode(message)
        if (line !== undefined) {
          outgoing.post(Buffer.from(`${line}\n`))
        }
      })
    )
  const take = messagesOf()
  const ended = yield* Deferred.make<void>()
  // The end of the input is to be seen while a message waits.
  const chunks = yield* Queue.make<ReadonlyArray<Message>, Cause.Done>({ capacity: Bounds.maxChunksAhead })
  const reading = transport.input.pipe(
    Stream.map(take),
    Stream.takeUntil(({ isEndless }) => isEndless),
    Stream.runForEach(({ found }) => Queue.offer(chunks, found)),
    Effect.ignore,
    Effect.ensuring(Effect.andThen(Queue.end(chunks), Deferred.succeed(ended, undefined)))
  )
  const answering = Effect.scoped(Effect.gen(function*() {
    const { idle, receive } = yield* connect(send)
    yield* Stream.fromQueue(chunks).pipe(
      Stream.runForEach((messages) =>
        Effect.andThen(Effect.forEach(messages, receive, { discard: true }), outgoing.uncrowded)
      )
    )
    yield* idle
  }))

  yield* Effect.gen(function*() {
    const reader = yield* Effect.forkScoped(Effect.ignore(outgoing.writeTo(transport.output)), {
      startImmediately: true
    })
    yield* Effect.forkScoped(reading, { startImmediately: true })
    const late = Effect.andThen(Deferred.await(ended), Effect.sleep(Bounds.drain))
    // A client that does not read any more has left, too.
    yield* Effect.raceFirst(answering, Effect.raceFirst(late, Fiber.await(reader)))
    yield* Effect.timeoutOption(outgoing.flush, Bounds.farewell)
  }).pipe(Effect.scoped)
})
