/**
 * What a delegate is, for what is built from delegates.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { NestedToolCall, Notification, NotifyError, ToolDefinition, ToolError } from "../Protocol.ts"

export interface Shape {
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly instructions?: ReadonlyMap<string, string>
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify: (notification: Notification) => Effect.Effect<void, NotifyError>
}

/** A list that is made anew only when the one it is made of is another one. */
const derived = <A, B>(source: () => A, make: (source: A) => B): () => B => {
  let made: { readonly of: A; readonly value: B } | undefined
  return () => {
    const of = source()
    if (made?.of !== of) {
      made = { of, value: make(of) }
    }
    return made.value
  }
}

/** The same delegate with other tools, which change when its own do. */
export const withTools = (
  self: Shape,
  make: (tools: ReadonlyArray<ToolDefinition>) => ReadonlyArray<ToolDefinition>,
  invokeTool: Shape["invokeTool"] = self.invokeTool
): Shape => {
  const tools = derived(() => self.tools, make)
  return Object.defineProperties({ ...self, invokeTool }, {
    tools: { get: tools, enumerable: true },
    instructions: { get: () => self.instructions, enumerable: true }
  })
}

/** The same delegate, whose calls go another way. */
export const withInvoke = (
  self: Shape,
  invokeTool: (call: NestedToolCall, definition: ToolDefinition | undefined) => ReturnType<Shape["invokeTool"]>
): Shape => {
  const byName = derived(() => self.tools, (tools) => new Map(tools.map((tool) => [tool.name, tool])))
  return withTools(self, (tools) => tools, (call) => invokeTool(call, byName().get(call.tool)))
}
