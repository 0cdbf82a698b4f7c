/**
 * What `--json` prints: one of these per line.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { defined } from "../../data/Defined.ts"
import { CellError, CellId, Location, OutputItem, ToolCallId } from "../../Protocol.ts"
import type { SessionSummary } from "../../Store.ts"
import type { Cell } from "../../store/Digest.ts"
import { foreign, type Printable } from "../terminal/Printable.ts"

/** The cell runs. */
const Started = Schema.Struct({ type: Schema.Literal("started"), cellId: CellId })

/** The cell put out an item. */
const Output = Schema.Struct({ type: Schema.Literal("output"), item: OutputItem })

/** The cell put out an image or a recording, and it is in a file. Takes the place of `output`. */
const Media = Schema.Struct({
  type: Schema.Literal("media"),
  kind: Schema.Literals(["image", "audio"]),
  mediaType: Schema.String,
  bytes: Schema.Int,
  path: Schema.String
})

/** The cell called a tool. */
const ToolCall = Schema.Struct({
  type: Schema.Literal("toolCall"),
  toolCallId: ToolCallId,
  tool: Schema.String,
  input: Schema.optionalKey(Schema.Json)
})

/**
 * A tool call is over. `error`: the tool's result says that it is one. `failed`: there is no result, and the promise
 * was rejected. `crashed`: a bug of ours.
 */
const ToolResult = Schema.Struct({
  type: Schema.Literal("toolResult"),
  toolCallId: ToolCallId,
  tool: Schema.String,
  millis: Schema.Finite,
  outcome: Schema.Literals(["ok", "error", "failed", "cancelled", "crashed"]),
  text: Schema.optionalKey(Schema.String)
})

/** The cell notified its host. */
const Notification = Schema.Struct({ type: Schema.Literal("notification"), text: Schema.String })

/** With `--yield-after`: here a host would be told what there is so far. */
const Yielded = Schema.Struct({ type: Schema.Literal("yielded"), cellId: CellId })

/** With `--check`: a mistake in the source, which is not run. */
const Mistake = Schema.Struct({ type: Schema.Literal("mistake"), text: Schema.String, location: Location })

/** The last line: how the cell ended. */
const Ended = Schema.Struct({
  type: Schema.Literal("ended"),
  cellId: CellId,
  outcome: Schema.Literals(["completed", "failed", "terminated"]),
  error: Schema.optionalKey(CellError)
})

/** With `--list-tools`: a tool that a cell would see, and how it is called. */
const Tool = Schema.Struct({
  type: Schema.Literal("tool"),
  name: Schema.String,
  description: Schema.String,
  declaration: Schema.String
})

/** With `sessions`: a session of a store. */
const Session = Schema.Struct({
  type: Schema.Literal("session"),
  session: Schema.String,
  liveCells: Schema.Int,
  endedCells: Schema.Int,
  bytes: Schema.Int,
  createdAt: Schema.Number,
  changedAt: Schema.Number,
  owner: Schema.optionalKey(Schema.String),
  leaseUntil: Schema.optionalKey(Schema.Number)
})

/** With `sessions show`: a cell of a session. */
const KeptCell = Schema.Struct({
  type: Schema.Literal("cell"),
  cellId: CellId,
  status: Schema.Literals(["live", "completed", "failed", "terminated"]),
  source: Schema.String,
  createdAt: Schema.Number,
  endedAt: Schema.optionalKey(Schema.Number),
  read: Schema.Boolean,
  error: Schema.optionalKey(CellError),
  calls: Schema.Array(Schema.Struct({ toolCallId: ToolCallId, tool: Schema.String, state: Schema.String })),
  output: Schema.Array(OutputItem)
})

/** A line of `--json`. */
export const Event = Schema.Union([
  Started,
  Output,
  Media,
  ToolCall,
  ToolResult,
  Notification,
  Yielded,
  Mistake,
  Ended,
  Tool,
  Session,
  KeptCell
])

export type Event = typeof Event.Type

const encode = Schema.encodeSync(Schema.fromJsonString(Event))

/** The event as a line. */
export const toLine = (event: Event): Printable => foreign("event", `${encode(event)}\n`, "code")

export const ofSession = (
  { bytes, changedAt, createdAt, leaseUntil, liveCells, owner, session, settledCells }: SessionSummary
): Printable =>
  toLine({
    type: "session",
    session,
    liveCells,
    endedCells: settledCells,
    bytes,
    createdAt,
    changedAt,
    ...defined({ owner, leaseUntil })
  })

export const ofKeptCell = ({ calls, createdAt, ended, error, id, isRead, output, source }: Cell): Printable =>
  toLine({
    type: "cell",
    cellId: id,
    status: ended === undefined ? "live" : ended.as,
    source,
    createdAt,
    read: isRead,
    ...defined({ endedAt: ended?.at, error }),
    calls: calls.map(({ id, state, tool }) => ({ toolCallId: id, tool, state })),
    output
  })
