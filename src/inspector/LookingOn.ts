/**
 * Brings what happens in sessions into the model: events, values and output, each as it comes.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Shape from "../delegate/Shape.ts"
import type { ActivityEvent, CellId } from "../Protocol.ts"
import type * as Onlooker from "../session/Onlooker.ts"
import type * as Model from "./Model.ts"

/** The call of this fiber, as the inspector knows it. */
export const LookedAt = Context.Reference<{ readonly cell: Model.Cell; readonly call: Model.Call } | undefined>(
  "effect-code-mode/inspector/LookedAt",
  { defaultValue: () => undefined }
)

const toText = (value: unknown): string => JSON.stringify(value ?? null) ?? "null"

/** Looks at every session for the model. `runFork` runs what goes on beside the sessions. */
export const make =
  (model: Model.Model, runFork: (effect: Effect.Effect<void>) => unknown): Onlooker.Onlooker => (name) => {
    const session = model.sessionBegan(name)
    const cellOf = (id: CellId) => session.cells.get(id)

    const around = (delegate: Shape.Shape): Shape.Shape =>
      Shape.change(delegate, {
        invokeTool: (call) =>
          Effect.suspend(() => {
            const cell = cellOf(call.cellId)
            if (cell === undefined) {
              return delegate.invokeTool(call)
            }
            const looked = model.callOf(cell, call.toolCallId, call.tool)
            if (call.input !== undefined) {
              model.valued(looked, "input", toText(call.input))
            }
            return delegate.invokeTool(call).pipe(
              Effect.provideService(LookedAt, { cell, call: looked }),
              Effect.onExit((exit) =>
                Effect.sync(() => {
                  if (Exit.isSuccess(exit)) {
                    model.valued(looked, "result", toText(exit.value))
                  } else {
                    const failure = Cause.findErrorOption(exit.cause)
                    model.valued(
                      looked,
                      "error",
                      Option.isSome(failure) ? failure.value.text : Cause.pretty(exit.cause)
                    )
                  }
                })
              )
            )
          }),
        notify: (notification) =>
          Effect.suspend(() => {
            model.notified(session, notification)
            return delegate.notify(notification)
          })
      })

    const happened = (event: ActivityEvent): void => {
      const cell = cellOf(event.cellId)
      if (cell === undefined) {
        return
      }
      switch (event._tag) {
        case "Admitted":
        case "Closed":
          return
        case "Stalled":
          return model.cellStands(cell, "Stalled", false, cell.degraded)
        case "Settled":
          return model.settled(cell, event.outcome)
        default:
          return model.happened(cell, event)
      }
    }

    /** What has ended while nothing was heard. */
    const catchUp = Effect.fnUntraced(function*(runtime: Onlooker.Session) {
      const running = new Set(
        (yield* runtime.cells).flatMap(({ cell, status }) => status === "Settled" ? [] : [cell.id])
      )
      for (const cell of Array.from(session.cells.values())) {
        const { id } = cell.ref
        const { calls } = yield* Effect.orElseSucceed(runtime.ledger(id), () => ({ calls: [] }))
        for (const { durationMillis, state, tool, toolCallId } of calls) {
          if (state === "Succeeded" || state === "Failed" || state === "Interrupted") {
            const call = model.callOf(cell, toolCallId, tool)
            model.callEnded(cell, call, state, call.startedAt + durationMillis)
          }
        }
        if (!running.has(id)) {
          model.callsEnded(cell)
          model.settled(cell, yield* Effect.orElseSucceed(runtime.awaitSettled(id), () => "Terminated" as const))
        }
      }
    })

    /**
     * Nothing here waits, so that it falls behind only where this process does. Then it listens again, and looks at what it
     * has not heard once it does.
     */
    const listen = (runtime: Onlooker.Session, begun: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.gen(function*() {
        const listening = yield* Stream.runForEachArray(
          runtime.activity,
          (events) => Effect.sync(() => events.forEach(happened))
        ).pipe(Effect.forkChild({ startImmediately: true }))
        yield* begun
        yield* Fiber.join(listening)
      }).pipe(Effect.catchTag("Lagged", () => listen(runtime, catchUp(runtime))))

    let runtime: Onlooker.Session | undefined

    return {
      around,
      begin: Effect.fnUntraced(function*(found, { isKept, processes }) {
        runtime = found
        session.live = { runtime, processes }
        yield* Effect.addFinalizer(() => Effect.sync(() => model.sessionEnded(session, isKept)))
        yield* Effect.forkScoped(listen(runtime, Effect.void), { startImmediately: true })
      }),
      onCell: (ref, kind, request) => {
        const cell = model.cellBegan(session, ref, kind, request)
        runFork(
          Stream.runForEachArray(
            runtime!.output(ref),
            (items) => Effect.sync(() => items.forEach((item) => model.output(cell, item)))
          ).pipe(
            Effect.ignore,
            Effect.andThen(Effect.sync(() => model.silent(cell)))
          )
        )
      },
      onLine: (id, call, tool, line) => {
        const cell = cellOf(id)
        if (cell !== undefined) {
          model.callOf(cell, call, tool).line = line
        }
      },
      onError: (id, error) => {
        const cell = cellOf(id)
        if (cell !== undefined) {
          model.failed(cell, error)
        }
      }
    }
  }
