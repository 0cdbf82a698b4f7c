/**
 * A session at the host that has it, opened again where it was lost.
 *
 * **Details**
 *
 * A host that was frozen may believe that it has a session which has moved. Its appends are refused, and with the first of
 * them it has lost the session. Before it opens one, it asks the database whether the session's shard is its own: otherwise
 * it would take it away from the host that goes on with it.
 *
 * While cells have not ended, the session keeps a message in the database. It wakes the session where it moves to, when
 * no one else asks for it.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Fenced, SessionSuspended, StoreFailure } from "../Protocol.ts"
import type { SessionRuntime } from "../Runtime.ts"

type Runtime = SessionRuntime["Service"]

/** The session from when it is opened until it is lost. */
export interface Opening {
  readonly runtime: Runtime
  readonly lost: Effect.Effect<void>
  /** Keeps the session awake while cells have not ended, and lets it go to rest then. */
  readonly stayAwake: Effect.Effect<void>
}

export interface HeldSession {
  /** The session, once it is open. */
  readonly opening: Effect.Effect<Opening>
  /** Asks the session. What fails because it is lost is asked again once it is open. */
  readonly use: <A, E>(ask: (runtime: Runtime) => Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Asks what changes nothing, and is asked again also where it had an answer. */
  readonly look: <A>(ask: (runtime: Runtime) => Effect.Effect<A>) => Effect.Effect<A>
}

export interface Options<E, R> {
  readonly session: string
  /** Whether the database says that the session is to be here. */
  readonly isOurs: Effect.Effect<boolean>
  readonly open: Effect.Effect<Runtime, E, R>
  /** Whether a message is kept that wakes the session elsewhere. */
  readonly keepAwake: (isAwake: boolean) => Effect.Effect<void>
}

const isLoss = (defect: unknown) =>
  defect instanceof Fenced || defect instanceof StoreFailure || defect instanceof SessionSuspended

const isLost = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some((reason) => Cause.isDieReason(reason) && isLoss(reason.defect))

const pause = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** Holds a session for as long as its scope. */
export const make = Effect.fnUntraced(function*<E, R>(
  { isOurs, keepAwake, open, session }: Options<E, R>
): Effect.fn.Return<HeldSession, never, Exclude<R, Scope.Scope> | Scope.Scope> {
  let next = Deferred.makeUnsafe<Opening>()

  const awakeWith = (runtime: Runtime): Effect.Effect<void> => {
    const one = Semaphore.makeUnsafe(1)
    let isAwake: boolean | undefined
    return Semaphore.withPermit(
      one,
      Effect.gen(function*() {
        const cells = yield* runtime.cells
        const isBusy = cells.some(({ status }) => status !== "Settled")
        if (isBusy !== isAwake) {
          yield* keepAwake(isBusy)
          isAwake = isBusy
        }
      })
    )
  }

  /** Opens the session, and waits until it is lost. */
  const once = Effect.gen(function*() {
    yield* Effect.repeat(isOurs, { until: (isOurs) => isOurs, schedule: Schedule.spaced("500 millis") })
    const runtime = yield* open
    const lost = Deferred.makeUnsafe<void>()
    const opening: Opening = { runtime, lost: Deferred.await(lost), stayAwake: awakeWith(runtime) }
    const watching = yield* Effect.forkScoped(
      // A reader that lags behind looks at all of the cells, too.
      Effect.repeat(
        Effect.ignore(Stream.runForEach(runtime.events, () => opening.stayAwake)),
        { while: () => runtime.isAlive }
      ),
      { startImmediately: true }
    )
    yield* opening.stayAwake
    Deferred.doneUnsafe(next, Effect.succeed(opening))
    yield* Effect.ensuring(
      Fiber.await(watching),
      Effect.suspend(() => {
        next = Deferred.makeUnsafe()
        Deferred.doneUnsafe(lost, Effect.void)
        return Effect.logInfo(`session ${session} is here no more`)
      })
    )
  })

  yield* Effect.forkScoped(
    Effect.scoped(once).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning(`session ${session} cannot be opened`, cause)
      ),
      Effect.sandbox,
      Effect.retry(pause),
      Effect.forever
    )
  )

  const opening = Effect.suspend(() => Deferred.await(next))

  const use: HeldSession["use"] = (ask) =>
    Effect.flatMap(opening, ({ lost, runtime }) =>
      Effect.matchCauseEffect(ask(runtime), {
        onSuccess: Effect.succeed,
        onFailure: (cause) =>
          Effect.flatMap(
            runtime.isAlive,
            // What a session says that is lost is no answer.
            (isAlive) =>
              isLost(cause) || !isAlive && !Cause.hasInterruptsOnly(cause)
                ? Effect.andThen(lost, use(ask))
                : Effect.failCause(cause)
          )
      }))

  const look: HeldSession["look"] = (ask) =>
    Effect.flatMap(opening, ({ lost, runtime }) =>
      Effect.flatMap(ask(runtime), (answer) =>
        Effect.flatMap(
          runtime.isAlive,
          (isAlive) => isAlive ? Effect.succeed(answer) : Effect.andThen(lost, look(ask))
        )))

  return { opening, use, look }
})
