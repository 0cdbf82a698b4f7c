/** Both ends of a connection in memory, which a test can hold up and cut. */
import type * as Way from "effect-code-mode/remote/Way"
import type { Transport } from "effect-code-mode/wire/Transport"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

export interface Direction {
  /** Nothing is read until it is let go on. */
  readonly hold: Effect.Effect<unknown>
  readonly release: Effect.Effect<unknown>
  /** Says anything, whether it is a message or not. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<unknown>
}

export interface Wire {
  readonly host: Transport
  readonly way: Way.Way
  readonly toHost: Direction
  readonly toClient: Direction
  /** The host goes away, for this reason. */
  readonly cut: (reason: string) => Effect.Effect<void>
  /** The client goes away. */
  readonly leave: Effect.Effect<unknown>
}

const makeDirection = Effect.gen(function*() {
  const bytes = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const open = Latch.makeUnsafe(true)
  const write = (piece: Uint8Array) => Queue.offer(bytes, piece)
  return {
    hold: open.close,
    release: open.open,
    write,
    end: Queue.end(bytes),
    input: Stream.fromQueue(bytes),
    output: Sink.forEach((piece: Uint8Array) => Effect.andThen(open.await, write(piece)))
  }
})

export const make: Effect.Effect<Wire> = Effect.gen(function*() {
  const toHost = yield* makeDirection
  const toClient = yield* makeDirection
  const gone = yield* Deferred.make<string>()
  return {
    host: { input: toHost.input, output: toClient.output },
    way: {
      transport: { input: toClient.input, output: toHost.output },
      gone: Effect.never,
      why: Deferred.await(gone)
    },
    toHost,
    toClient,
    cut: (reason) =>
      Effect.andThen(Deferred.succeed(gone, reason), Effect.andThen(toClient.end, Effect.asVoid(toHost.end))),
    leave: toHost.end
  }
})
