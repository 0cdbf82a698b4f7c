import { CellId, type NestedToolCall, ToolCallId, type ToolKind, type ToolName } from "effect-code-mode/Protocol"
import type * as Schema from "effect/Schema"

/** A tool call as a cell makes it, with ids that do not matter unless they are given. */
export const toolCall = (options: {
  readonly name: string
  readonly namespace?: string | null
  readonly input?: Schema.Json | undefined
  readonly cellId?: CellId
  readonly toolCallId?: string
  readonly toolName?: ToolName
  readonly kind?: ToolKind
}): NestedToolCall => {
  const { cellId = CellId.make("cell"), input, name, namespace = null, toolCallId = "tool-1" } = options
  return {
    sessionId: "session",
    cellId,
    callId: "call",
    toolCallId: ToolCallId.make(toolCallId),
    idempotencyKey: `session/${cellId}/${toolCallId}`,
    attempt: 1,
    tool: `${namespace ?? ""}${name}`,
    toolName: options.toolName ?? { name, namespace },
    kind: options.kind ?? "function",
    ...(input === undefined ? {} : { input })
  }
}
