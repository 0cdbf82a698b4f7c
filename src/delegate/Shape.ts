/**
 * What a delegate is, for what is built from delegates.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import type * as Schema from "effect/Schema"
import {
  type NestedToolCall,
  type Notification,
  type NotifyError,
  type ToolDefinition,
  ToolError
} from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

export interface Shape {
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly instructions?: ReadonlyMap<string, string>
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify: (notification: Notification) => Effect.Effect<void, NotifyError>
}

/** The tool of a call as a cell calls it. */
export const nameOf = ({ tool }: NestedToolCall): string => Identifier.fromName(tool)

/** A call that is not made. */
export const refuse = (text: string): Effect.Effect<never, ToolError> =>
  Effect.fail(new ToolError({ text, performed: false }))

/** The same delegate with other tools, which change when its own do, and only then. */
export const withTools = (
  self: Shape,
  make: (tools: ReadonlyArray<ToolDefinition>) => ReadonlyArray<ToolDefinition>,
  invokeTool: Shape["invokeTool"] = self.invokeTool
): Shape => {
  const toolsOf = memoize(make)
  return Object.defineProperties({ ...self, invokeTool }, {
    tools: { get: () => toolsOf(self.tools), enumerable: true },
    instructions: { get: () => self.instructions, enumerable: true }
  })
}

/** Whether calls of a tool may be made again, or not be made again: it changes nothing, or the same call changes nothing more. */
export const isRepeatable = ({ annotations }: ToolDefinition): boolean =>
  annotations?.readOnly === true || annotations?.idempotent === true

/** The same delegate, whose calls go another way. */
export const withInvoke = (
  self: Shape,
  invokeTool: (call: NestedToolCall, definition: ToolDefinition | undefined) => ReturnType<Shape["invokeTool"]>
): Shape => {
  const byName = memoize((tools: ReadonlyArray<ToolDefinition>) => new Map(tools.map((tool) => [tool.name, tool])))
  return withTools(self, (tools) => tools, (call) => invokeTool(call, byName(self.tools).get(call.tool)))
}
