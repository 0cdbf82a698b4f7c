/**
 * What a journal says of the cells of a session, record by record.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  CellError,
  CellId,
  CellKind,
  CellRequest,
  Generation,
  OutputItem,
  StoreFailure,
  ToolCallId,
  ToolDefinition
} from "../Protocol.ts"

const { tools: _, ...request } = CellRequest.fields

/** Milliseconds since 1970. */
const Millis = Schema.Number

/** JSON text, as an isolate gives and takes it. */
const JsonText = Schema.String

const Values = Schema.Array(Schema.Tuple([Schema.String, JsonText]))

/** Everything but what is sealed. */
const plain = {
  Opened: { key: Schema.String },
  Tools: { number: Schema.Int, definitions: Schema.Array(ToolDefinition) },
  Values: { version: Schema.Int, values: Values },
  Created: {
    cellId: CellId,
    number: Schema.Int,
    at: Millis,
    kind: CellKind,
    request: Schema.Struct(request),
    source: Schema.optionalKey(Schema.String),
    tools: Schema.Int,
    ownTools: Schema.Boolean,
    engine: Schema.String,
    seed: Schema.String,
    stored: Schema.Int
  },
  Turn: {
    cellId: CellId,
    turn: Schema.Int,
    at: Millis,
    cause: Schema.TaggedUnion({
      Answers: { calls: Schema.Array(ToolCallId) },
      Timer: {}
    })
  },
  Called: { cellId: CellId, call: ToolCallId, tool: Schema.Int, input: Schema.optionalKey(JsonText) },
  Asked: { cellId: CellId, call: ToolCallId },
  Attempted: { cellId: CellId, call: ToolCallId, attempt: Schema.Int },
  Answered: {
    cellId: CellId,
    call: ToolCallId,
    answer: Schema.TaggedUnion({
      Resolved: { json: JsonText },
      Rejected: { text: Schema.String, effect: Schema.Literals(["none", "failed", "unknown"]) }
    })
  },
  Output: { cellId: CellId, items: Schema.Array(OutputItem) },
  Yielded: { cellId: CellId },
  Notified: { cellId: CellId, number: Schema.Int, text: Schema.String },
  Delivered: { cellId: CellId, number: Schema.Int },
  Frontier: {
    cellId: CellId,
    timers: Schema.Int,
    due: Schema.optionalKey(Millis),
    generation: Schema.optionalKey(Generation)
  },
  Resumed: { cellId: CellId, generation: Generation },
  Heard: {
    cellId: CellId,
    key: Schema.optionalKey(Schema.String),
    wait: Schema.optionalKey(Schema.Number),
    first: Schema.optionalKey(Schema.Literal(true)),
    from: Schema.Int,
    to: Schema.Int,
    event: Schema.TaggedUnion({
      Yielded: {
        stalled: Schema.optionalKey(Schema.Literal(true)),
        awaitingApproval: Schema.optionalKey(Schema.Array(ToolCallId))
      },
      Frontier: { generation: Generation },
      Ended: {}
    })
  },
  Stored: { cellId: CellId, version: Schema.Int, writes: Values },
  Settled: {
    cellId: CellId,
    at: Millis,
    outcome: Schema.TaggedUnion({
      Completed: { error: Schema.optionalKey(CellError) },
      Terminated: {}
    })
  }
}

export const Kind = Schema.Literals(Object.keys(plain) as ReadonlyArray<keyof typeof plain>)

export type Kind = typeof Kind.Type

/** What only says how a cell came to its end: once it has ended, these are of no use but to tell what it did. */
export const ways: ReadonlySet<Kind> = new Set<Kind>([
  "Turn",
  "Called",
  "Asked",
  "Attempted",
  "Answered",
  "Notified",
  "Delivered",
  "Frontier"
])

export const Record = Schema.TaggedUnion({
  ...plain,
  Sealed: {
    kind: Kind,
    cellId: Schema.optionalKey(CellId),
    version: Schema.optionalKey(Schema.Int),
    key: Schema.String,
    data: Schema.String
  }
})

export type Record = typeof Record.Type

const json = Schema.toCodecJson(Record)

/** A record as it is kept. */
export const encode = Schema.encodeEffect(Schema.fromJsonString(json))

const decodeAll = Schema.decodeUnknownEffect(Schema.Array(json))

const damaged = (cause: unknown) =>
  new StoreFailure({ reason: "Damaged", text: "the store has a record that cannot be read", cause })

/** Their texts are parsed first: a session has thousands, and a schema for the text of each takes twice as long as this. */
export const decode = (texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Record>, StoreFailure> =>
  Effect.flatMap(
    Effect.try({ try: () => texts.map((text) => JSON.parse(text) as unknown), catch: damaged }),
    (values) => Effect.mapError(decodeAll(values), damaged)
  )

/** What a store has to know of a record, whatever else it says. */
export interface Label {
  readonly kind: Kind
  readonly cellId: CellId | undefined
  /** Of stored values. */
  readonly version: number | undefined
}

export const labelOf = (record: Record): Label => ({
  kind: record._tag === "Sealed" ? record.kind : record._tag,
  cellId: "cellId" in record ? record.cellId : undefined,
  version: "version" in record ? record.version : undefined
})
