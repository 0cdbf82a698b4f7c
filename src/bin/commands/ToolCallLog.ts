/**
 * Tells the reporter of every tool call and notification.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Delegate } from "../../Delegate.ts"
import * as Identifier from "../../text/Identifier.ts"
import { Reporter } from "../report/Reporter.ts"

const logged = Effect.gen(function*() {
  const delegate = yield* Delegate
  const reporter = yield* Reporter
  return Delegate.of({
    get tools() {
      return delegate.tools
    },
    invokeTool: Effect.fnUntraced(function*(call) {
      const reported = { id: call.toolCallId, tool: Identifier.fromName(call.tool), call }
      const start = yield* Clock.monotonicTimeNanos
      yield* reporter.toolStarted(reported)
      return yield* delegate.invokeTool(call).pipe(
        Effect.onExit(Effect.fnUntraced(function*(exit) {
          const millis = Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
          yield* reporter.toolEnded(reported, millis, exit)
        }))
      )
    }),
    notify: ({ text }) => reporter.notification(text)
  })
})

/** The delegate of `layer`, with a log. */
export const layer = <E, R>(layer: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate, E, R | Reporter> =>
  Layer.effect(Delegate, logged).pipe(Layer.provide(layer))
