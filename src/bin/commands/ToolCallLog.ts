/**
 * Tells the reporter of every tool call and notification.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Delegate } from "../../Delegate.ts"
import type { ToolDefinition, ToolName } from "../../Protocol.ts"
import * as Identifier from "../../text/Identifier.ts"
import { Reporter } from "../report/Reporter.ts"

/** What a cell calls a tool. Its name may be that of its server with something added to it. */
const namesOf = () => {
  let listed: ReadonlyArray<ToolDefinition> | undefined
  let names = new Map<string, string>()
  const keyOf = ({ name, namespace }: ToolName) => `${namespace ?? ""}\n${name}`
  return (tools: ReadonlyArray<ToolDefinition>, toolName: ToolName) => {
    if (tools !== listed) {
      listed = tools
      names = new Map(tools.map(({ name, toolName }) => [keyOf(toolName), name]))
    }
    return Identifier.fromName(names.get(keyOf(toolName)) ?? `${toolName.namespace ?? ""}${toolName.name}`)
  }
}

const logged = Effect.gen(function*() {
  const delegate = yield* Delegate
  const reporter = yield* Reporter
  const nameOf = namesOf()
  return Delegate.of({
    get tools() {
      return delegate.tools
    },
    invokeTool: Effect.fnUntraced(function*(call) {
      const reported = { id: call.toolCallId, tool: nameOf(delegate.tools, call.toolName), call }
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
