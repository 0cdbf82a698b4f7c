/**
 * The vocabulary of code mode as schemas: ids, tools, requests, events, output items, limits and errors.
 *
 * **Details**
 *
 * Nothing here behaves. Every other module of the package speaks in these terms, and every boundary (a lane
 * process, a wire client, a command line) decodes into them.
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
 * Names one cell. Unique across sessions and processes unless the session was given its own ids.
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
 * The number of a pause of a pausable cell: 1, 2, 3, …
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
 * `Paused`: stands at a frontier until it is resumed. `Stalled`: waits for something that can never come. `Settled`: its
 * outcome waits to be read.
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
 * The name under which a tool call goes back to the host.
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
 * A tool that a cell may call as `tools.NAME(argument)`.
 *
 * **Details**
 *
 * `name` becomes the property of `tools`, with every character that cannot stand in an identifier replaced by `_`.
 * `toolName` is what the delegate is called with. The schemas describe the tool to a model; a cell never sees them.
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
  outputSchema: Schema.optionalKey(Schema.Json)
})

/**
 * @category tools
 * @since 0.1.0
 */
export type ToolDefinition = typeof ToolDefinition.Type

/**
 * One call of a tool by a cell. `input` is absent where the script passed no argument.
 *
 * @category tools
 * @since 0.1.0
 */
export const NestedToolCall = Schema.Struct({
  cellId: CellId,
  toolCallId: ToolCallId,
  toolName: ToolName,
  kind: ToolKind,
  input: Schema.optionalKey(Schema.Json)
})

/**
 * @category tools
 * @since 0.1.0
 */
export type NestedToolCall = typeof NestedToolCall.Type

/**
 * A message from a running cell to its host. `callId` is the `toolCallId` of the request that made the cell.
 *
 * @category tools
 * @since 0.1.0
 */
export const Notification = Schema.Struct({
  callId: Schema.String,
  cellId: CellId,
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
 * Why a cell that ran to its end did not end well.
 *
 * **Details**
 *
 * `ScriptError`: the script threw, or does not compile. `LimitExceeded`: it went past a bound of its session.
 * `IsolateLost`: the engine ended under it. `text` is what a model is shown.
 *
 * @category output
 * @since 0.1.0
 */
export const CellError = Schema.Struct({
  _tag: Schema.Literals(["ScriptError", "LimitExceeded", "IsolateLost"]),
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
 * `toolCallId` names the model's call that this cell serves and comes back with every notification. Without `tools`
 * the cell sees the delegate's own catalogue. With an `idempotencyKey`, a retry gets the cell that the first request
 * made. Of a source in TypeScript the types are taken out; what would need more than that is a `ScriptError`.
 *
 * @category requests
 * @since 0.1.0
 */
export const CellRequest = Schema.Struct({
  toolCallId: Schema.String,
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
 * The cell has not ended; `items` is what it put out since the last event that was heard.
 *
 * **Details**
 *
 * `stalled` is there where the cell can never go on: nothing that it waits for can come. Only `terminate` ends it.
 *
 * @category events
 * @since 0.1.0
 */
export const Yielded = Schema.TaggedStruct("Yielded", {
  cellId: CellId,
  items: Schema.Array(OutputItem),
  stalled: Schema.optionalKey(Schema.Literal(true))
})

/**
 * @category events
 * @since 0.1.0
 */
export type Yielded = typeof Yielded.Type

/**
 * The script ended by itself: well, or with `error`.
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
 * The cell was stopped: by `terminate`, by the session's shutdown, or by the end of its scope.
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
 * A pausable cell can do nothing more until it is resumed under `generation`.
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
 * There is no such cell (any more).
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
 * `Admitted`: it exists. `Stalled`: it waits for something that can never come. `Settled`: its outcome is committed,
 * even if nobody has read it. `Closed`: no request can reach it any more.
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
 * Every bound of a session, with its default. Make one with `Limits.make({ … })`, which throws where a bound is none.
 *
 * **Details**
 *
 * Numbers are whole and at least 1, times are longer than nothing. A bound that is not there has its default, so a file
 * may set one: `{ "maxWallTime": "5 minutes" }`. What counts text in bytes counts its UTF-8, so that a character takes
 * one to four of them.
 *
 * - `cancellationGrace`: how long callbacks may take to end once they are cancelled; one grace for all of them.
 * - `notificationDelivery`: how long one notification may take to be delivered.
 * - `maxHeapSizeBytes`: V8 heap of one cell; 0 means the default, and less than 8 MiB is raised to it.
 * - `maxCpuTime`: processor time that one cell may use; none is set by default.
 * - `maxWallTime`: how long one cell may live from its start to the end of its script; none is set by default.
 * - `maxLiveCells`: cells of one session at a time.
 * - `maxToolCallsInFlight`: tool calls of one session that run at a time; more of them wait.
 * - `maxPendingCallbacks`: tool calls and notifications of one cell, running or waiting; one more is refused.
 * - `maxPendingInputBytes`: inputs of one cell's unanswered tool calls, as JSON. One more is refused, unless it would be
 *   the only one.
 * - `maxUndeliveredOutputBytes`: output of one cell that nobody has read, and as much again of its notifications; 64 more
 *   for each item. A reader of `output` may be behind by twice as much.
 * - `maxStoredBytes`: stored values of one session, as JSON, and their keys. There are no more than 262,144 of them.
 * - `maxSourceBytes`: source of one cell.
 * - `maxRememberedCells`: ended cells of a session that are still told apart from unknown ones.
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
 * The session takes no more requests.
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
 * No such cell. `finished` tells a cell that has ended from one that there never was in this session.
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
 * Somebody else is waiting for this cell's next event.
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
 * Somebody else has already asked for this cell's end.
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
 * The id names a cell that cannot do what was asked of it.
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
 * The cell never paused under this generation.
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
 * An idempotency key came back with another request.
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
 * The request would go past a bound of the session; it had no effect.
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
 * The engine could not make an isolate.
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
 * A reader of a stream did not keep up, and what it missed is gone.
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
 * A tool says no. The script's promise rejects with `text`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolError extends Schema.TaggedError<ToolError>("effect-code-mode/ToolError")("ToolError", {
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

/**
 * A notification was not delivered. The script never hears of it.
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
