/**
 * `--tool-timeout DURATION`: an end to waiting for a tool that does not answer.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Delegate } from "../../Delegate.ts"
import { ToolError } from "../../Protocol.ts"
import * as Identifier from "../../text/Identifier.ts"

const bounded = (timeout: Duration.Duration) => (delegate: Delegate["Service"]) =>
  Delegate.of({
    ...delegate,
    get tools() {
      return delegate.tools
    },
    invokeTool: (call) => {
      const { name, namespace } = call.toolName
      const tool = Identifier.fromName(`${namespace ?? ""}${name}`)
      return delegate.invokeTool(call).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(
              new ToolError({ text: `${tool}: no answer within ${Duration.format(timeout)}, the --tool-timeout` })
            )
        })
      )
    }
  })

/** The delegate of `layer`, with tool calls that fail when they take longer, and are cancelled then. */
export const layer = <E, R>(
  timeout: Duration.Duration,
  layer: Layer.Layer<Delegate, E, R>
): Layer.Layer<Delegate, E, R> =>
  Layer.effect(Delegate, Effect.map(Delegate, bounded(timeout))).pipe(Layer.provide(layer))
