/**
 * Runs a cell to its end, and reports what it does as it does it.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import {
  type CellId,
  type CellRequest,
  type Outcome,
  type OutputItem,
  Terminated,
  type Yielded
} from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import * as Outbox from "../../session/Outbox.ts"
import { Reporter } from "../report/Reporter.ts"
import { text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"

/**
 * How much is printed between two observations. Observed output no longer counts against what a cell may put out
 * without a reader; so what does count, in the end, is what waits for a slow pipe.
 */
const maxUnread = 1_000_000

const observe = (session: Runtime.SessionRuntime["Service"], cell: Runtime.Cell, options?: Runtime.ObserveOptions) =>
  session.observe(cell, options).pipe(
    // It was ended by us, and the one who ends a cell gets its outcome.
    Effect.catchTag("MissingCell", ({ cellId }) => Effect.succeed(Terminated.make({ cellId, items: [] }))),
    Effect.orDie
  )

/** Reports output as it is made, until the cell ends. */
export const watch = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"], cell: Runtime.Cell) {
  const reporter = yield* Reporter
  const outcome = yield* Deferred.make<Outcome>()
  const look = (options?: Runtime.ObserveOptions) =>
    Effect.flatMap(
      observe(session, cell, options),
      (event) => event._tag === "Yielded" ? Effect.void : Deferred.succeed(outcome, event)
    )

  let unread = 0
  const report = Effect.fnUntraced(function*(items: ReadonlyArray<OutputItem>) {
    yield* reporter.output(items)
    unread += items.reduce((sum, item) => sum + Outbox.textOf(item).length, 0)
    if (unread > maxUnread && !(yield* Deferred.isDone(outcome))) {
      unread = 0
      yield* look({ yieldAfter: 0 })
    }
  })

  yield* Stream.runForEachArray(session.output(cell), report).pipe(
    Effect.catchTag("MissingCell", Effect.die),
    Effect.catchTag(
      "Lagged",
      ({ capacity }) => Failure.toCell(text`the reader fell more than ${capacity} elements behind`)
    )
  )
  while (!(yield* Deferred.isDone(outcome))) {
    yield* look()
  }
  return yield* Deferred.await(outcome)
})

/** Reports output as a host would hear of it, in one piece with every event: until the end, or `once`. */
const follow = Effect.fnUntraced(function*(
  session: Runtime.SessionRuntime["Service"],
  cell: Runtime.Cell,
  yieldAfter: Duration.Duration,
  once: boolean
): Effect.fn.Return<Outcome | Yielded, Printer.OutputClosed | Failure.Failure, Reporter> {
  const reporter = yield* Reporter
  while (true) {
    const event = yield* observe(session, cell, { yieldAfter })
    yield* reporter.output(event.items)
    if (event._tag !== "Yielded") {
      return event
    }
    yield* reporter.yielded(cell.id)
    if (once) {
      return event
    }
  }
})

export interface Options {
  /** When to report what there is so far. Without it, output is reported as it is made. */
  readonly yieldAfter?: Duration.Duration | undefined
  /** Whether to stop at the first yield. */
  readonly once?: boolean | undefined
  /** Whether a cell that has not ended is left as it is, for a later process to go on with. */
  readonly isKept?: boolean | undefined
}

/** Waits until the cell waits for something that can never come, which may be so already. */
const stalls = (session: Runtime.SessionRuntime["Service"], id: Effect.Effect<CellId>) =>
  Effect.raceFirst(
    session.events.pipe(
      Stream.filter(({ _tag }) => _tag === "Stalled"),
      Stream.filterEffect(({ cellId }) => Effect.map(id, (id) => id === cellId)),
      Stream.runHead
    ),
    Effect.flatMap(Effect.all([id, session.cells]), ([id, cells]) =>
      cells.some(({ cell, status }) =>
          cell.id === id && status === "Stalled"
        )
        ? Effect.void
        : Effect.never)
  )

/**
 * Runs a cell to its end, or to its first yield, and ends it there, unless it is kept. One that waits for something that can
 * never come is ended, as `Terminated`.
 */
export const attend = Effect.fn("Execute.attend")(function*<E>(
  made: Effect.Effect<Runtime.Cell, E>,
  options: Options = {}
) {
  const session = yield* Runtime.SessionRuntime
  const reporter = yield* Reporter
  // Listens before there is a cell, so that it cannot miss it.
  const id = yield* Deferred.make<CellId>()
  const stalled = yield* Effect.forkChild(stalls(session, Deferred.await(id)), { startImmediately: true })
  const cell = yield* made
  yield* Deferred.succeed(id, cell.id)
  const end = Effect.ignore(session.terminate(cell))
  const leave = options.isKept === true ? Effect.void : end
  yield* reporter.started(cell.id)

  const reported = options.yieldAfter === undefined
    ? watch(session, cell)
    : follow(session, cell, options.yieldAfter, options.once === true)
  const endedWhenStalled = Fiber.await(stalled).pipe(Effect.andThen(end), Effect.andThen(Effect.never))

  const event = yield* Effect.raceFirst(reported, Effect.raceFirst(endedWhenStalled, Printer.closed)).pipe(
    Effect.ensuring(Fiber.interrupt(stalled)),
    Effect.onInterrupt(() => leave)
  )
  if (event._tag === "Yielded") {
    yield* leave
  } else {
    yield* reporter.ended(event)
  }
  return event
})

/** Makes a cell, and attends it. */
export const execute = (request: CellRequest, options?: Options) =>
  Effect.flatMap(
    Runtime.SessionRuntime,
    (session) => attend(Effect.mapError(session.create(request), Failure.ofStart), options)
  )
