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
  readonly instructions?: ReadonlyMap<string, string> | undefined
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify: (notification: Notification) => Effect.Effect<void, NotifyError>
}

/** The tool of a call as a cell calls it. */
export const nameOf = ({ tool }: NestedToolCall): string => Identifier.fromName(tool)

/** A call that is not made. */
export const refuse = (text: string): Effect.Effect<never, ToolError> =>
  Effect.fail(new ToolError({ text, performed: false }))

export interface Change {
  readonly tools?: (tools: ReadonlyArray<ToolDefinition>) => ReadonlyArray<ToolDefinition>
  readonly instructions?: (instructions: ReadonlyMap<string, string>) => ReadonlyMap<string, string>
  readonly invokeTool?: Shape["invokeTool"]
  readonly notify?: Shape["notify"]
}

/** The same delegate, changed. Its tools become others when those of the delegate do, and only then. */
export const change = (self: Shape, { instructions, invokeTool, notify, tools }: Change): Shape => {
  const toolsOf = tools === undefined ? undefined : memoize(tools)
  const instructionsOf = instructions === undefined ? undefined : memoize(instructions)
  return {
    get tools() {
      return toolsOf === undefined ? self.tools : toolsOf(self.tools)
    },
    get instructions() {
      const own = self.instructions
      return own === undefined || instructionsOf === undefined ? own : instructionsOf(own)
    },
    invokeTool: invokeTool ?? ((call) => self.invokeTool(call)),
    notify: notify ?? ((notification) => self.notify(notification))
  }
}

/** The tools that cells may call. */
export const forCells: (tools: ReadonlyArray<ToolDefinition>) => ReadonlyArray<ToolDefinition> = memoize((tools) =>
  tools.some(isForModel) ? tools.filter((tool) => !isForModel(tool)) : tools
)

const isForModel = ({ annotations }: ToolDefinition): boolean => annotations?.callers === "model"

/** Whether calls of a tool may be made again, or not be made again: it changes nothing, or the same call changes nothing more. */
export const isRepeatable = ({ annotations }: ToolDefinition): boolean =>
  annotations?.readOnly === true || annotations?.idempotent === true

/** A way for calls that knows their tools. */
const calling = (
  self: Shape,
  invokeTool: (call: NestedToolCall, definition: ToolDefinition | undefined) => ReturnType<Shape["invokeTool"]>
): Shape["invokeTool"] => {
  const byName = memoize((tools: ReadonlyArray<ToolDefinition>) => new Map(tools.map((tool) => [tool.name, tool])))
  return (call) => invokeTool(call, byName(self.tools).get(call.tool))
}

/** The same delegate, whose calls go another way. */
export const withInvoke = (self: Shape, invokeTool: Parameters<typeof calling>[1]): Shape =>
  change(self, { invokeTool: calling(self, invokeTool) })
