/**
 * The vocabulary of code mode as schemas: ids, tools, requests, events, output items, limits and errors.
 *
 * **Details**
 *
 * There is no behaviour here. The other modules of the package use these terms, and every boundary (a lane process, a
 * wire client, a command line) decodes into them.
 *
 * **Example** (A request, and what an event of its cell says)
 *
 * ```ts
 * import type * as Protocol from "effect-code-mode/Protocol"
 *
 * const request: Protocol.CellRequest = { callId: "call-1", source: "text(6 * 7)" }
 *
 * const texts = ({ items }: Protocol.CellEvent) => items.map((item) => item.type === "input_text" ? item.text : item.type)
 *
 * const error = (event: Protocol.CellEvent) => event._tag === "Completed" ? event.error?.text : undefined
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

// =============================================================================
// Ids
// =============================================================================

/**
 * Names one cell. It is unique across sessions and processes, unless the session was made with `cellIds: "sequential"`.
 *
 * @category ids
 * @since 0.1.0
 */
export const CellId = Schema.NonEmptyString.pipe(Schema.brand("effect-code-mode/CellId"))

/**
 * @category ids
 * @since 0.1.0
 */
export type CellId = typeof CellId.Type

/**
 * Names one tool call within its cell: `tool-1`, `tool-2`, … in the order of the calls.
 *
 * @category ids
 * @since 0.1.0
 */
export const ToolCallId = Schema.NonEmptyString.pipe(Schema.brand("effect-code-mode/ToolCallId"))

/**
 * @category ids
 * @since 0.1.0
 */
export type ToolCallId = typeof ToolCallId.Type

/**
 * The number of a frontier of a pausable cell: 1, 2, 3, …
 *
 * @category ids
 * @since 0.1.0
 */
export const Generation = Schema.Int.pipe(Schema.brand("effect-code-mode/Generation"))

/**
 * @category ids
 * @since 0.1.0
 */
export type Generation = typeof Generation.Type

/**
 * The number under which an owner has claimed a session of a store. A later claim has a greater one, in the whole store.
 *
 * @category ids
 * @since 0.1.0
 */
export const Epoch = Schema.Int.pipe(Schema.brand("effect-code-mode/Epoch"))

/**
 * @category ids
 * @since 0.1.0
 */
export type Epoch = typeof Epoch.Type

// =============================================================================
// Cells
// =============================================================================

/**
 * Whether a cell goes on by itself (`continuing`) or waits at every frontier until it is resumed (`pausable`).
 *
 * @category cells
 * @since 0.1.0
 */
export const CellKind = Schema.Literals(["continuing", "pausable"])

/**
 * @category cells
 * @since 0.1.0
 */
export type CellKind = typeof CellKind.Type

/**
 * What a live cell does.
 *
 * **Details**
 *
 * - `Running`: its script computes, or waits for tools and timers.
 * - `Paused`: it stands at a frontier until it is resumed.
 * - `Stalled`: it waits for something that can never come.
 * - `Terminating`: it was stopped, and its callbacks have not ended.
 * - `Settled`: it has ended, and its outcome was not read.
 *
 * @category cells
 * @since 0.1.0
 */
export const CellStatus = Schema.Literals(["Running", "Paused", "Stalled", "Terminating", "Settled"])

/**
 * @category cells
 * @since 0.1.0
 */
export type CellStatus = typeof CellStatus.Type

/**
 * How a cell ended: well, with an error, or because it was stopped.
 *
 * @category cells
 * @since 0.1.0
 */
export const Settled = Schema.Literals(["Completed", "Failed", "Terminated"])

/**
 * @category cells
 * @since 0.1.0
 */
export type Settled = typeof Settled.Type

// =============================================================================
// Tools
// =============================================================================

/**
 * The name under which a tool call goes to the host. Tools of MCP servers have a namespace, others have `null`.
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolName = Schema.Struct({
  name: Schema.String,
  namespace: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
})

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolName = typeof ToolName.Type

/**
 * How a tool takes its argument: a JSON object (`function`) or a string (`freeform`).
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolKind = Schema.Literals(["function", "freeform"])

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolKind = typeof ToolKind.Type

/**
 * What is known of a tool's effects, and who may call it. A member that is not there says nothing.
 *
 * **Details**
 *
 * - `readOnly`: it changes nothing.
 * - `destructive`: it may take something away, and not only add to it.
 * - `idempotent`: the same call a second time changes nothing more.
 * - `openWorld`: it reaches things outside of the host, such as the web.
 * - `needsApproval`: a person has to agree to each call. See `Delegate.withApproval`.
 * - `onRestart`: what becomes of a call whose process has ended before its answer was kept. `fail`: its promise rejects,
 *   as the call may have been performed. `retry`: it is made again, with the same `idempotencyKey`. Without it, what is
 *   `readOnly` or `idempotent` is made again, and nothing else.
 * - `callers`: whether only the `model` calls it directly, or only `cells` do. Without it, both may. No cell gets a tool
 *   that is the model's.
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolAnnotations = Schema.Struct({
  readOnly: Schema.optionalKey(Schema.Boolean),
  destructive: Schema.optionalKey(Schema.Boolean),
  idempotent: Schema.optionalKey(Schema.Boolean),
  openWorld: Schema.optionalKey(Schema.Boolean),
  needsApproval: Schema.optionalKey(Schema.Boolean),
  onRestart: Schema.optionalKey(Schema.Literals(["fail", "retry"])),
  callers: Schema.optionalKey(Schema.Literals(["model", "cells"]))
})

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolAnnotations = typeof ToolAnnotations.Type

/**
 * A tool that a cell may call as `tools.NAME(argument)`.
 *
 * **Details**
 *
 * `name` becomes the property of `tools`, with every character that cannot stand in an identifier replaced by `_`.
 * `toolName` is what the delegate is called with. The schemas describe the tool to a model; a cell never sees them.
 *
 * A call's input is its first argument. That of a `variadic` tool is the array of all of its arguments, which is what the
 * input schema describes then.
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolDefinition = Schema.Struct({
  name: Schema.String,
  toolName: ToolName,
  description: Schema.String,
  kind: ToolKind,
  inputSchema: Schema.optionalKey(Schema.Json),
  outputSchema: Schema.optionalKey(Schema.Json),
  annotations: Schema.optionalKey(ToolAnnotations),
  variadic: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolDefinition = typeof ToolDefinition.Type

/**
 * One call of a tool by a cell.
 *
 * **Details**
 *
 * - `sessionId`: the session's name, as in its logs.
 * - `callId`: that of the request that made the cell.
 * - `toolCallId`: unique within the cell.
 * - `idempotencyKey`: the same for each attempt at this call, and for no other call.
 * - `attempt`: 1, unless something tries the call again.
 * - `tool`: the `name` of the tool's definition.
 * - `queuedMillis`: how long it has waited for its turn, because `maxToolCallsInFlight` others ran. Absent where it did
 *   not have to wait.
 * - `input`: absent where the script passed no argument.
 *
 * @category tools
 * @since 0.1.0
 */
export const NestedToolCall = Schema.Struct({
  sessionId: Schema.String,
  cellId: CellId,
  callId: Schema.String,
  toolCallId: ToolCallId,
  idempotencyKey: Schema.String,
  attempt: Schema.Int,
  tool: Schema.String,
  toolName: ToolName,
  kind: ToolKind,
  queuedMillis: Schema.optionalKey(Schema.Number),
  input: Schema.optionalKey(Schema.Json)
})

/**
 * @category tools
 * @since 0.1.0
 */
export type NestedToolCall = typeof NestedToolCall.Type

/**
 * What became of a tool call.
 *
 * **Details**
 *
 * - `NotStarted`: nothing was done. It waited for its turn, or was refused.
 * - `AwaitingApproval`: it waits until a person agrees.
 * - `Running`: its tool works on it.
 * - `Succeeded`, `Failed`: its tool has answered. A tool that failed may have done part of its work.
 * - `Interrupted`: it was stopped while its tool worked on it, which may have done all, some or nothing.
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolCallState = Schema.Literals([
  "NotStarted",
  "AwaitingApproval",
  "Running",
  "Succeeded",
  "Failed",
  "Interrupted"
])

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolCallState = typeof ToolCallState.Type

/**
 * A tool call of a cell, as its ledger has it. `tool` is the definition's `name`. `durationMillis` is how long its tool
 * has worked on it, without the wait for an approval; it is 0 for a call that has not started.
 *
 * @category tools
 * @since 0.1.0
 */
export const ToolCallRecord = Schema.Struct({
  toolCallId: ToolCallId,
  tool: Schema.String,
  state: ToolCallState,
  durationMillis: Schema.Number
})

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolCallRecord = typeof ToolCallRecord.Type

/**
 * The tool calls of a cell, the oldest first. `omitted` is how many older ones are not listed any more.
 *
 * @category tools
 * @since 0.1.0
 */
export const Ledger = Schema.Struct({ calls: Schema.Array(ToolCallRecord), omitted: Schema.Int })

/**
 * @category tools
 * @since 0.1.0
 */
export type Ledger = typeof Ledger.Type

/**
 * A message from a running cell to its host. `callId` is that of the request that made the cell. `sequence` is its number
 * among the cell's notifications, from 1 on, by which one that arrives twice can be known. Some hosts do not tell it.
 *
 * @category tools
 * @since 0.1.0
 */
export const Notification = Schema.Struct({
  callId: Schema.String,
  cellId: CellId,
  sequence: Schema.optionalKey(Schema.Int),
  text: Schema.String
})

/**
 * @category tools
 * @since 0.1.0
 */
export type Notification = typeof Notification.Type

// =============================================================================
// Output
// =============================================================================

/**
 * What one call of `text`, `image` or `audio` in a cell put out, in the shape that model APIs take.
 *
 * @category output
 * @since 0.1.0
 */
export const OutputItem = Schema.Union([
  Schema.Struct({ type: Schema.Literal("input_text"), text: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("input_image"),
    image_url: Schema.String,
    detail: Schema.optionalKey(Schema.Literals(["auto", "low", "high", "original"]))
  }),
  Schema.Struct({ type: Schema.Literal("input_audio"), audio_url: Schema.String })
])

/**
 * @category output
 * @since 0.1.0
 */
export type OutputItem = typeof OutputItem.Type

/**
 * A place in a cell's source; both numbers start at 1.
 *
 * @category output
 * @since 0.1.0
 */
export const Location = Schema.Struct({ line: Schema.Int, column: Schema.Int })

/**
 * @category output
 * @since 0.1.0
 */
export type Location = typeof Location.Type

/**
 * Why a cell failed.
 *
 * **Details**
 *
 * - `ScriptError`: the script threw, or does not compile.
 * - `LimitExceeded`: the cell went past a bound.
 * - `IsolateLost`: the process in which it ran has ended.
 * - `Diverged`: a cell that was to go on from its journal did something else than what the journal says.
 *
 * `text` is for the model. `location` is where in the source a script failed, if that is known.
 *
 * @category output
 * @since 0.1.0
 */
export const CellError = Schema.Struct({
  _tag: Schema.Literals(["ScriptError", "LimitExceeded", "IsolateLost", "Diverged"]),
  text: Schema.String,
  location: Schema.optionalKey(Location)
})

/**
 * @category output
 * @since 0.1.0
 */
export type CellError = typeof CellError.Type

// =============================================================================
// Requests
// =============================================================================

/**
 * Asks for a cell.
 *
 * **Details**
 *
 * - `callId`: the model's call that this cell serves. It comes back with every notification.
 * - `source`: an ES module with top-level `await`, of `maxSourceBytes` at most.
 * - `language`: JavaScript without it. From TypeScript the types are taken out; code that needs more than that, such as
 *   an `enum`, is a `ScriptError`.
 * - `tools`: what the cell may call. Without it, the tools of the delegate.
 * - `idempotencyKey`: an equal request with the same key gets the cell that the first one made. Another request with it
 *   fails with `IdempotencyConflict`.
 *
 * @category requests
 * @since 0.1.0
 */
export const CellRequest = Schema.Struct({
  callId: Schema.String,
  source: Schema.String,
  language: Schema.optionalKey(Schema.Literals(["javascript", "typescript"])),
  tools: Schema.optionalKey(Schema.Array(ToolDefinition)),
  idempotencyKey: Schema.optionalKey(Schema.String)
})

/**
 * @category requests
 * @since 0.1.0
 */
export type CellRequest = typeof CellRequest.Type

// =============================================================================
// Events and outcomes
// =============================================================================

/**
 * The cell has not ended. `items` is its output since the event before.
 *
 * **Details**
 *
 * `awaitingApproval` are its tool calls that wait until a person agrees, if there are any.
 *
 * `stalled` says that the cell can never go on: there is no call, timer or notification left that could wake it. The
 * session leaves such a cell alone until it is terminated, or `maxWallTime` is over.
 *
 * @category events
 * @since 0.1.0
 */
export const Yielded = Schema.TaggedStruct("Yielded", {
  cellId: CellId,
  items: Schema.Array(OutputItem),
  stalled: Schema.optionalKey(Schema.Literal(true)),
  awaitingApproval: Schema.optionalKey(Schema.Array(ToolCallId))
})

/**
 * @category events
 * @since 0.1.0
 */
export type Yielded = typeof Yielded.Type

/**
 * The cell has ended by itself, or failed: then there is an `error`. `items` is its output since the event before.
 *
 * @category events
 * @since 0.1.0
 */
export const Completed = Schema.TaggedStruct("Completed", {
  cellId: CellId,
  items: Schema.Array(OutputItem),
  error: Schema.optionalKey(CellError)
})

/**
 * @category events
 * @since 0.1.0
 */
export type Completed = typeof Completed.Type

/**
 * The cell was stopped: by `terminate`, by the session's shutdown, or by the end of its scope. `items` is its output
 * since the event before. What it stored is dropped.
 *
 * @category events
 * @since 0.1.0
 */
export const Terminated = Schema.TaggedStruct("Terminated", { cellId: CellId, items: Schema.Array(OutputItem) })

/**
 * @category events
 * @since 0.1.0
 */
export type Terminated = typeof Terminated.Type

/**
 * A pausable cell stands still until it is resumed under `generation`.
 *
 * **Details**
 *
 * `items` is its output since the event before. `pendingToolCallIds` are its calls without an answer. There is none
 * where the script waits for a timer, or for something that can never come.
 *
 * @category events
 * @since 0.1.0
 */
export const Frontier = Schema.TaggedStruct("Frontier", {
  cellId: CellId,
  generation: Generation,
  items: Schema.Array(OutputItem),
  pendingToolCallIds: Schema.Array(ToolCallId)
})

/**
 * @category events
 * @since 0.1.0
 */
export type Frontier = typeof Frontier.Type

/**
 * How a cell ended.
 *
 * @category events
 * @since 0.1.0
 */
export const Outcome = Schema.Union([Completed, Terminated])

/**
 * @category events
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * What one observation of a cell gives.
 *
 * @category events
 * @since 0.1.0
 */
export const CellEvent = Schema.Union([Yielded, Completed, Terminated])

/**
 * @category events
 * @since 0.1.0
 */
export type CellEvent = typeof CellEvent.Type

/**
 * There is no such cell, or no longer.
 *
 * @category events
 * @since 0.1.0
 */
export const Missing = Schema.TaggedStruct("Missing", { cellId: CellId })

/**
 * @category events
 * @since 0.1.0
 */
export type Missing = typeof Missing.Type

/**
 * Everything an observation can come to, as one total value for transports.
 *
 * @category events
 * @since 0.1.0
 */
export const ObserveOutcome = Schema.Union([Yielded, Completed, Terminated, Missing])

/**
 * @category events
 * @since 0.1.0
 */
export type ObserveOutcome = typeof ObserveOutcome.Type

/**
 * Everything a termination can come to, as one total value for transports.
 *
 * @category events
 * @since 0.1.0
 */
export const TerminateOutcome = Schema.Union([Completed, Terminated, Missing])

/**
 * @category events
 * @since 0.1.0
 */
export type TerminateOutcome = typeof TerminateOutcome.Type

/**
 * A step in the life of a cell.
 *
 * **Details**
 *
 * - `Admitted`: it exists.
 * - `Stalled`: it waits for something that can never come.
 * - `Settled`: its outcome is final. It may not have been read.
 * - `Closed`: its outcome was read, or its session has ended. Requests get `MissingCell` from now on.
 *
 * @category events
 * @since 0.1.0
 */
export const LifecycleEvent = Schema.TaggedUnion({
  Admitted: { cellId: CellId },
  Stalled: { cellId: CellId },
  Settled: { cellId: CellId, outcome: Settled },
  Closed: { cellId: CellId }
})

/**
 * @category events
 * @since 0.1.0
 */
export type LifecycleEvent = typeof LifecycleEvent.Type

const ofCall = {
  cellId: CellId,
  toolCallId: ToolCallId,
  tool: Schema.String,
  atMillis: Schema.Number
}

/**
 * A step in the life of a tool call: its tool and its sizes, never its values.
 *
 * **Details**
 *
 * `tool` is the definition's `name`. `atMillis` is when it happened, in milliseconds and parts of them since 1970. Sizes are
 * bytes of JSON.
 *
 * - `CallStarted`: the tool begins to work on it. It had to wait for its turn for `queuedMillis`.
 * - `CallWaits`: it begins to wait until a person agrees.
 * - `CallGoesOn`: that wait is over, with or without an answer.
 * - `CallEnded`: it is over. `durationMillis` is how long its tool has worked on it, `approvalMillis` how long it has waited
 *   until a person agreed. `outputBytes` is the size of its result; that of a call which gave none is 0.
 *
 * Each call ends once, before its cell settles. One that is stopped while it waits for its turn ends as `NotStarted`, without
 * having started; where the cell is in another process, nothing is told of it.
 *
 * @category events
 * @since 0.1.0
 */
export const CallEvent = Schema.TaggedUnion({
  CallStarted: { ...ofCall, queuedMillis: Schema.Number, inputBytes: Schema.Int },
  CallWaits: ofCall,
  CallGoesOn: ofCall,
  CallEnded: {
    ...ofCall,
    outcome: Schema.Literals(["NotStarted", "Succeeded", "Failed", "Interrupted"]),
    queuedMillis: Schema.Number,
    approvalMillis: Schema.Number,
    durationMillis: Schema.Number,
    outputBytes: Schema.Int
  }
})

/**
 * @category events
 * @since 0.1.0
 */
export type CallEvent = typeof CallEvent.Type

/**
 * What happens in a session: to its cells, and to their tool calls.
 *
 * @category events
 * @since 0.1.0
 */
export const ActivityEvent = Schema.Union([
  ...Object.values(LifecycleEvent.cases),
  ...Object.values(CallEvent.cases)
])

/**
 * @category events
 * @since 0.1.0
 */
export type ActivityEvent = LifecycleEvent | CallEvent

// =============================================================================
// Limits
// =============================================================================

const bytes = (mebibytes: number) => mebibytes * 1024 * 1024

const count = (value: number, least = 1) =>
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(least)).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(value)),
    Schema.withConstructorDefault(Effect.succeed(value))
  )

const isSome = Schema.makeFilter((duration: Duration.Duration) =>
  Duration.isPositive(duration) || "has to be some time"
)

const time = (value: Duration.Duration) =>
  Schema.DurationFromString.check(isSome).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(value)),
    Schema.withConstructorDefault(Effect.succeed(value))
  )

/**
 * The bounds of a session. Each has a default, which is in brackets here.
 *
 * **Details**
 *
 * Numbers are whole and at least 1. Times are `Duration`s longer than nothing; in JSON they are written `"5 minutes"`.
 * `Limits.make` throws at an invalid bound. Bytes of text are those of its UTF-8.
 *
 * Past a bound on time, memory, output or stored values, the cell ends with the error `LimitExceeded`.
 *
 * - `cancellationGrace` (100 ms): what cancelled callbacks of a cell may take to end; one grace for all of them.
 * - `notificationDelivery` (60 s): what the delivery of one notification may take. Then it is given up.
 * - `maxHeapSizeBytes` (256 MiB): the V8 heap of one cell. 0 is the default, and less than 8 MiB counts as 8 MiB.
 * - `maxCpuTime` (unbounded): processor time of one cell.
 * - `maxWallTime` (unbounded): time from the start of a cell to the end of its script, pauses included, but not the time
 *   in which a tool call of it waits for an approval.
 * - `maxLiveCells` (2,048): cells of the session at a time. Another one is refused with `CapacityExceeded`.
 * - `maxToolCallsInFlight` (1,024): tool calls of the session that run at a time. Others wait for their turn.
 * - `maxPendingCallbacks` (65,536): tool calls and notifications of one cell that run or wait. A call past it is
 *   rejected in the script; past both together, the cell ends.
 * - `maxPendingInputBytes` (64 MiB): inputs of one cell's unanswered calls, as JSON. A single call may have more; others
 *   past it are rejected in the script.
 * - `maxUndeliveredOutputBytes` (64 MiB): output of one cell that was not read, and as much again of its notifications.
 *   Each item counts 64 more. A reader of `output` may be behind by twice as much.
 * - `maxStoredBytes` (64 MiB): stored values of the session as JSON, with their keys. There may be 262,144 of them.
 * - `maxSourceBytes` (1 MiB): the source of one cell. A longer one is refused with `CapacityExceeded`.
 * - `maxRememberedCells` (4,096): ended cells whose outcome `awaitSettled` still tells, and idempotency keys of each
 *   sort. The oldest are forgotten first.
 *
 * **Example** (Bounds for short cells)
 *
 * ```ts
 * import * as Protocol from "effect-code-mode/Protocol"
 * import * as Duration from "effect/Duration"
 *
 * const limits = Protocol.Limits.make({ maxWallTime: Duration.minutes(5), maxLiveCells: 16 })
 * ```
 *
 * @category limits
 * @since 0.1.0
 */
export class Limits extends Schema.Class<Limits>("effect-code-mode/Limits")({
  cancellationGrace: time(Duration.millis(100)),
  notificationDelivery: time(Duration.seconds(60)),
  maxHeapSizeBytes: count(bytes(256), 0),
  maxCpuTime: time(Duration.infinity),
  maxWallTime: time(Duration.infinity),
  maxLiveCells: count(2048),
  maxToolCallsInFlight: count(1024),
  maxPendingCallbacks: count(65_536),
  maxPendingInputBytes: count(bytes(64)),
  maxUndeliveredOutputBytes: count(bytes(64)),
  maxStoredBytes: count(bytes(64)),
  maxSourceBytes: count(bytes(1)),
  maxRememberedCells: count(4096)
}) {}

/**
 * Some bounds of a session; the others have their defaults.
 *
 * @category limits
 * @since 0.1.0
 */
export type LimitsInput = NonNullable<ConstructorParameters<typeof Limits>[0]>

// =============================================================================
// Errors
// =============================================================================

/**
 * The session takes no more cells: its shutdown has begun.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>("effect-code-mode/ShuttingDown")(
  "ShuttingDown",
  {}
) {
  override get message() {
    return "code mode session is shutting down"
  }
}

/**
 * There is no such cell. `finished: true` says that the session had it, and that it has ended. `finished: false` says
 * that the session never had it.
 *
 * @category errors
 * @since 0.1.0
 */
export class MissingCell extends Schema.TaggedError<MissingCell>("effect-code-mode/MissingCell")("MissingCell", {
  cellId: CellId,
  finished: Schema.Boolean
}) {
  override get message() {
    return `exec cell ${this.cellId} not found`
  }
}

/**
 * Another caller is waiting for this cell's next event. Wait for that one, or interrupt it.
 *
 * @category errors
 * @since 0.1.0
 */
export class BusyObserver extends Schema.TaggedError<BusyObserver>("effect-code-mode/BusyObserver")("BusyObserver", {
  cellId: CellId
}) {
  override get message() {
    return `exec cell ${this.cellId} already has an active observer`
  }
}

/**
 * Another caller has asked for this cell's end and waits for it.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyTerminating
  extends Schema.TaggedError<AlreadyTerminating>("effect-code-mode/AlreadyTerminating")("AlreadyTerminating", {
    cellId: CellId
  })
{
  override get message() {
    return `exec cell ${this.cellId} is already terminating`
  }
}

/**
 * The id, or the idempotency key, is that of a cell of the other kind.
 *
 * @category errors
 * @since 0.1.0
 */
export class WrongCellKind extends Schema.TaggedError<WrongCellKind>("effect-code-mode/WrongCellKind")(
  "WrongCellKind",
  {
    cellId: CellId,
    actual: CellKind,
    expected: CellKind
  }
) {
  override get message() {
    return `exec cell ${this.cellId} is ${this.actual}, expected ${this.expected}`
  }
}

/**
 * The cell has not paused under this generation. `latest` is the last one under which it has, `null` where there is
 * none.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidGeneration
  extends Schema.TaggedError<InvalidGeneration>("effect-code-mode/InvalidGeneration")("InvalidGeneration", {
    cellId: CellId,
    requested: Schema.Int,
    latest: Schema.NullOr(Schema.Int)
  })
{
  override get message() {
    return `exec cell ${this.cellId} cannot resume generation ${this.requested}; latest generation is ${
      this.latest ?? "none"
    }`
  }
}

/**
 * An idempotency key was used before, for another request.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdempotencyConflict
  extends Schema.TaggedError<IdempotencyConflict>("effect-code-mode/IdempotencyConflict")("IdempotencyConflict", {
    key: Schema.String,
    operation: Schema.Literals(["creation", "observation"])
  })
{
  override get message() {
    return `${this.operation} idempotency key \`${this.key}\` was reused for a different request`
  }
}

/**
 * The request would go past a bound of the session, and had no effect. `limit` names the bound, as
 * in `Limits` where it is one of these.
 *
 * @category errors
 * @since 0.1.0
 */
export class CapacityExceeded
  extends Schema.TaggedError<CapacityExceeded>("effect-code-mode/CapacityExceeded")("CapacityExceeded", {
    limit: Schema.String,
    text: Schema.String
  })
{
  override get message() {
    return this.text
  }
}

/**
 * The engine could not make an isolate: its process did not start, or there is no room for another one.
 *
 * @category errors
 * @since 0.1.0
 */
export class IsolateFailure extends Schema.TaggedError<IsolateFailure>("effect-code-mode/IsolateFailure")(
  "IsolateFailure",
  {
    text: Schema.String,
    cause: Schema.optionalKey(Schema.Defect())
  }
) {
  override get message() {
    return this.text
  }
}

/**
 * A reader of a stream did not keep up, and what it missed is gone. Start another stream to go on. `capacity` is
 * how far behind it was.
 *
 * @category errors
 * @since 0.1.0
 */
export class Lagged extends Schema.TaggedError<Lagged>("effect-code-mode/Lagged")("Lagged", {
  capacity: Schema.Int
}) {
  override get message() {
    return `the reader fell more than ${this.capacity} elements behind`
  }
}

/**
 * A tool failed. The script's promise rejects with `text`. `performed: false` says that nothing was done: the call was
 * refused before the tool worked on it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolError extends Schema.TaggedError<ToolError>("effect-code-mode/ToolError")("ToolError", {
  text: Schema.String,
  performed: Schema.optionalKey(Schema.Literal(false))
}) {
  override get message() {
    return this.text
  }
}

/**
 * A notification was not delivered. The session logs it; the script does not learn of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotifyError extends Schema.TaggedError<NotifyError>("effect-code-mode/NotifyError")("NotifyError", {
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

/**
 * The session belongs to another owner until `leaseUntil`, in milliseconds since 1970, or longer: owners that are there
 * renew their lease.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionTaken extends Schema.TaggedError<SessionTaken>("effect-code-mode/SessionTaken")("SessionTaken", {
  session: Schema.String,
  owner: Schema.String,
  leaseUntil: Schema.Number
}) {
  override get message() {
    return `session ${this.session} belongs to ${this.owner}`
  }
}

/**
 * The session was claimed by another owner, released, or removed since `epoch`. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class Fenced extends Schema.TaggedError<Fenced>("effect-code-mode/Fenced")("Fenced", {
  session: Schema.String,
  epoch: Epoch
}) {
  override get message() {
    return `session ${this.session} does not belong to the owner of epoch ${this.epoch} any more`
  }
}

/**
 * A durable session was closed in this process. Its cells have not ended: they go on where it is opened next.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionSuspended
  extends Schema.TaggedError<SessionSuspended>("effect-code-mode/SessionSuspended")("SessionSuspended", {
    session: Schema.String
  })
{
  override get message() {
    return `session ${this.session} was closed here, and goes on where it is opened next`
  }
}

/**
 * A store could not do what it was asked.
 *
 * **Details**
 *
 * - `Unavailable`: it cannot be reached, is locked or full. What was to be written may be there.
 * - `Damaged`: what it holds cannot be read.
 * - `NewerVersion`: a newer version of this package has made it.
 * - `WrongKey`: what it holds was encrypted with a key that was not given.
 * - `TooLarge`: a record, or a journal with it, would go past a bound. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreFailure extends Schema.TaggedError<StoreFailure>("effect-code-mode/StoreFailure")("StoreFailure", {
  reason: Schema.Literals(["Unavailable", "Damaged", "NewerVersion", "WrongKey", "TooLarge"]),
  text: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.text
  }
}
