/**
 * Tells the reporter of every tool call and notification.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { type Delegate, mapLayer } from "../../Delegate.ts"
import * as Shape from "../../delegate/Shape.ts"
import * as Monotonic from "../../system/Monotonic.ts"
import { Reporter } from "../report/Reporter.ts"

const logged = (self: Delegate["Service"]) =>
  Effect.map(Reporter, (reporter) =>
    Shape.change(self, {
      invokeTool: Effect.fnUntraced(function*(call) {
        const reported = { id: call.toolCallId, tool: Shape.nameOf(call), call }
        const start = yield* Monotonic.millis
        yield* reporter.toolStarted(reported)
        return yield* self.invokeTool(call).pipe(
          Effect.onExit((exit) =>
            Effect.flatMap(Monotonic.millis, (now) => reporter.toolEnded(reported, now - start, exit))
          )
        )
      }),
      notify: ({ text }) => reporter.notification(text)
    }))

/** The delegate of a layer, with a log. */
export const layer: <E, R>(layer: Layer.Layer<Delegate, E, R>) => Layer.Layer<Delegate, E, R | Reporter> = mapLayer(
  logged
)
