/**
 * Runs a cell to its end, and prints what it puts out as it is made.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { type Outcome, type OutputItem, Terminated } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Render from "./Render.ts"

/**
 * How much is printed between two observations. Observed output no longer counts against what a cell may put out
 * without a reader; so what does count, in the end, is what waits for a slow pipe.
 */
const maxUnread = 1_000_000

const sizeOf = (item: OutputItem): number =>
  (item.type === "input_text" ? item.text : item.type === "input_image" ? item.image_url : item.audio_url).length

/** Runs the source as a cell to its end. One that waits for something that can never come is ended, as `Terminated`. */
export const execute = Effect.fn("Execute.execute")(function*(source: string) {
  const session = yield* Runtime.SessionRuntime
  // Listens before there is a cell, so that it cannot miss it.
  const stalled = yield* Stream.filter(session.events, ({ _tag }) => _tag === "Stalled").pipe(
    Stream.runHead,
    Effect.forkChild({ startImmediately: true })
  )
  const cell = yield* session.create({ toolCallId: "run", source }).pipe(Effect.mapError(Failure.toStart))
  const outcome = yield* Deferred.make<Outcome>()

  const observe = (options?: Runtime.ObserveOptions) =>
    session.observe(cell, options).pipe(
      // It was ended below, and whoever ends a cell gets its outcome.
      Effect.catchTag("MissingCell", ({ cellId }) => Effect.succeed(Terminated.make({ cellId, items: [] }))),
      Effect.orDie,
      Effect.flatMap((event) => event._tag === "Yielded" ? Effect.void : Deferred.succeed(outcome, event))
    )

  let unread = 0
  const print = Effect.fnUntraced(function*(items: ReadonlyArray<OutputItem>) {
    yield* Output.print(items.map(Render.item).join(""))
    unread += items.reduce((sum, item) => sum + sizeOf(item), 0)
    if (unread > maxUnread && !(yield* Deferred.isDone(outcome))) {
      unread = 0
      yield* observe({ yieldAfter: 0 })
    }
  })

  const printed = Stream.runForEachArray(session.output(cell), print).pipe(
    Effect.catchTag("MissingCell", Effect.die),
    Effect.catchTag("Lagged", Failure.toCell)
  )
  const ended = Fiber.await(stalled).pipe(
    Effect.andThen(session.terminate(cell)),
    Effect.orDie,
    Effect.andThen(Effect.never)
  )
  yield* Effect.raceFirst(printed, ended)
  while (!(yield* Deferred.isDone(outcome))) {
    yield* observe()
  }
  return yield* Deferred.await(outcome)
})
