/**
 * The conformance cases as data: what a host does with a session, and what it sees.
 */
import { OutputItem, ToolKind, ToolName } from "effect-code-mode/Protocol"
import * as Schema from "effect/Schema"

/** A text, or what it has to look like. */
export const Text = Schema.Union([Schema.String, Schema.Struct({ matches: Schema.String })])
export type Text = typeof Text.Type

/** An output item; a text alone stands for the item that `text()` makes of it. */
export const Item = Schema.Union([Text, OutputItem])
export type Item = typeof Item.Type

/** What an observation has to give. */
export const Expected = Schema.Struct({
  _tag: Schema.Literals(["Yielded", "Completed", "Terminated", "Missing"]),
  items: Schema.optionalKey(Schema.Array(Item)),
  error: Schema.optionalKey(Text)
})
export type Expected = typeof Expected.Type

/** A tool on offer; a name alone stands for a function tool of that name. */
export const OfferedTool = Schema.Union([
  Schema.String,
  Schema.Struct({
    name: Schema.String,
    toolName: Schema.optionalKey(ToolName),
    description: Schema.optionalKey(Schema.String),
    kind: Schema.optionalKey(ToolKind),
    inputSchema: Schema.optionalKey(Schema.Json),
    outputSchema: Schema.optionalKey(Schema.Json)
  })
])
export type OfferedTool = typeof OfferedTool.Type

/** Makes a cell. */
export const Request = Schema.Struct({
  /** The name under which later steps know the cell. */
  cell: Schema.optionalKey(Schema.String),
  session: Schema.optionalKey(Schema.String),
  source: Schema.String,
  /** So many characters of comment are put before the source. */
  padding: Schema.optionalKey(Schema.Int),
  tools: Schema.optionalKey(Schema.Array(OfferedTool)),
  toolCallId: Schema.optionalKey(Schema.String),
  /** Milliseconds. */
  yieldAfter: Schema.optionalKey(Schema.Int)
})
export type Request = typeof Request.Type

/** A tool call as the host sees it. Cells are numbered in the order in which they were made; a missing input is null. */
export const SeenToolCall = Schema.Struct({
  cell: Schema.Int,
  toolCallId: Schema.String,
  toolName: ToolName,
  kind: ToolKind,
  input: Schema.Json
})

/** A notification as the host sees it. */
export const SeenNotification = Schema.Struct({ cell: Schema.Int, callId: Schema.String, text: Schema.String })

/**
 * One thing the host does, or looks at.
 *
 * - `Run` makes a cell and waits for its first event; `Start` only makes it, and `Initial` waits.
 * - `Observe`, `Terminate`, `Shutdown` are the session's operations of these names.
 * - `AwaitToolCalls`, `AwaitNotifications`, `AwaitOutput` wait until at least `count` were seen.
 * - `AnswerToolCall` and `AcceptNotification` answer the latest one that is held.
 * - `ToolCalls`, `Notifications` are all that were seen; `Interrupted` is how many held ones were cancelled.
 */
export const Step = Schema.TaggedUnion({
  Run: { ...Request.fields, expected: Expected },
  Start: Request.fields,
  Initial: { cell: Schema.String, expected: Expected },
  Observe: { cell: Schema.String, yieldAfter: Schema.optionalKey(Schema.Int), expected: Expected },
  Terminate: { cell: Schema.String, expected: Expected },
  Shutdown: {},
  AwaitToolCalls: { tool: Schema.String, count: Schema.Int },
  AwaitNotifications: { count: Schema.Int },
  AwaitOutput: { cell: Schema.String, count: Schema.Int },
  AnswerToolCall: { tool: Schema.String, value: Schema.Json },
  AcceptNotification: {},
  ToolCalls: { expected: Schema.Array(SeenToolCall) },
  Notifications: { expected: Schema.Array(SeenNotification) },
  Interrupted: { expected: Schema.Int }
})
export type Step = typeof Step.Type

/**
 * How the host takes notifications: at once, held but open to cancellation (`polite`), or held whatever happens (`deaf`).
 */
export const Reception = Schema.Literals(["prompt", "polite", "deaf"])
export type Reception = typeof Reception.Type

export const Case = Schema.Struct({
  name: Schema.String,
  notifications: Schema.optionalKey(Reception),
  steps: Schema.Array(Step)
})
export type Case = typeof Case.Type

export const Cases = Schema.fromJsonString(Schema.Array(Case))
