/**
 * A line on standard error for every tool call that is over, and for every notification.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Delegate } from "../Delegate.ts"
import * as Render from "./Render.ts"

const logged = (delegate: Delegate["Service"]) =>
  Delegate.of({
    tools: delegate.tools,
    invokeTool: Effect.fnUntraced(function*(call) {
      const { name, namespace } = call.toolName
      const start = yield* Clock.monotonicTimeNanos
      return yield* delegate.invokeTool(call).pipe(
        Effect.onExit(Effect.fnUntraced(function*(exit) {
          const millis = Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
          yield* Console.error(Render.toolCall(`${namespace ?? ""}${name}`, millis, exit))
        }))
      )
    }),
    notify: ({ text }) => Console.error(Render.notification(text))
  })

/** The delegate of `layer`, with a log. */
export const layer = <E, R>(layer: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate, E, R> =>
  Layer.effect(Delegate, Effect.map(Delegate, logged)).pipe(Layer.provide(layer))
