/** A delegate that notes what reaches it. */
import * as Delegate from "effect-code-mode/Delegate"
import type { NestedToolCall, ToolAnnotations, ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"

export const make = (
  answer: Effect.Effect<Schema.Json, ToolError> | ((call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>) =
    Effect.succeed(null),
  annotations: ToolAnnotations = {},
  names: ReadonlyArray<string> = ["a", "b"]
) => {
  const got: Array<NestedToolCall> = []
  const self = Delegate.Delegate.of({
    tools: names.map((name) => ({
      ...Delegate.definition(name, { description: "", inputSchema: true }),
      annotations
    })),
    invokeTool: (call) =>
      Effect.suspend(() => {
        got.push(call)
        return typeof answer === "function" ? answer(call) : answer
      }),
    notify: () => Effect.void
  })
  return { got, self }
}
