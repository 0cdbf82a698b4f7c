/**
 * The messages of the wire protocol, version 1.
 *
 * **Details**
 *
 * Every schema is its own encoding: a message is written with `JSON.stringify`, its keys in the order of the schema.
 * What a client sends is decoded strictly, so a field that is not known is refused rather than ignored. Envelopes are
 * in camel case, what they carry in snake case, as the clients of this protocol expect.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { OutputItem, ToolKind } from "../Protocol.ts"
import * as JsonLine from "../text/JsonLine.ts"
import * as JsonText from "../text/JsonText.ts"
import * as Utf8 from "../text/Utf8.ts"
import * as Glance from "./Glance.ts"

// =============================================================================
// Parts
// =============================================================================

/** JSON as it came out of a parser: there is nothing to check, however deep it is. */
export const AnyJson = Schema.declare((_value): _value is Schema.Json => true, { identifier: "Json" })

const optional = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Unsigned = Schema.Number.check(
  Schema.makeFilter((n) => Number.isInteger(n) && n >= 0, { expected: "an unsigned integer" })
)

/** A 64-bit integer; a bigint where a number would not be exact. */
export const MessageId = Schema.Union([
  Schema.Int,
  Schema.BigInt.check(
    Schema.makeFilter((id) => BigInt.asIntN(64, id) === id, { expected: "a 64-bit integer" })
  )
])
export type MessageId = typeof MessageId.Type

/** Thousands of them are remembered. */
const maxIdentifier = 4096

const Identifier = Schema.String.check(
  Schema.makeFilter((text) =>
    text.length > maxIdentifier
      ? `identifier has more than ${maxIdentifier} characters`
      : text.trim() === ""
      ? "identifier must not be empty"
      : undefined
  )
)

/** A list that is not looked into where it is too long. */
const List = <S extends Schema.Top>(element: S, max: number) =>
  Schema.Array(Schema.Unknown).check(
    Schema.makeFilter((values) => values.length > max ? `more than ${max} elements` : undefined)
  ).pipe(Schema.decodeTo(Schema.Array(element)))

const maxVersions = 256
const maxCapabilities = 1024
const maxTools = 16_384

const Unique = <A>(name: string) =>
  Schema.makeFilter((values: ReadonlyArray<A>) => {
    const seen = new Set<A>()
    const repeated = values.find((value) => seen.size === seen.add(value).size)
    return repeated === undefined ? undefined : `duplicate ${name} ${repeated}`
  })

const ToolName = Schema.Struct({ name: Schema.String, namespace: optional(Schema.String) })

const ToolDefinition = Schema.Struct({
  name: Schema.String,
  tool_name: ToolName,
  description: Schema.String,
  kind: ToolKind,
  input_schema: optional(AnyJson),
  output_schema: optional(AnyJson)
})
export type ToolDefinition = typeof ToolDefinition.Type

const Ok = <S extends Schema.Top>(value: S) => Schema.Struct({ status: Schema.Literal("ok"), value })

const Failed = Schema.Struct({ status: Schema.Literal("error"), message: Schema.String })

// =============================================================================
// What a client asks
// =============================================================================

const MaxOutputTokens = optional(Unsigned)

export const Open = Schema.Struct({
  method: Schema.Literal("session/open"),
  sessionId: Identifier,
  cellExecutionLimits: optional(
    Schema.Struct({ maxYieldTimeMs: optional(Unsigned), maxHeapSizeBytes: optional(Unsigned) })
  ),
  outputTruncation: optional(Schema.Literals(["client", "server"]))
})
export type Open = typeof Open.Type

const maxInt32 = 2 ** 31 - 1

export const Execute = Schema.Struct({
  method: Schema.Literal("session/execute"),
  sessionId: Identifier,
  request: Schema.Struct({
    tool_call_id: Schema.String,
    enabled_tools: List(ToolDefinition, maxTools),
    source: Schema.String,
    yield_time_ms: optional(Unsigned),
    // A negative one is an error of the request and not of the protocol.
    max_output_tokens: optional(Schema.Int.check(Schema.isBetween({ minimum: -maxInt32 - 1, maximum: maxInt32 })))
  })
})
export type Execute = typeof Execute.Type

export const Wait = Schema.Struct({
  method: Schema.Literal("session/wait"),
  sessionId: Identifier,
  request: Schema.Struct({ cell_id: Schema.String, yield_time_ms: Unsigned }),
  maxOutputTokens: MaxOutputTokens
})
export type Wait = typeof Wait.Type

export const Terminate = Schema.Struct({
  method: Schema.Literal("session/terminate"),
  sessionId: Identifier,
  cellId: Schema.String,
  maxOutputTokens: MaxOutputTokens
})
export type Terminate = typeof Terminate.Type

export const Shutdown = Schema.Struct({ method: Schema.Literal("session/shutdown"), sessionId: Identifier })
export type Shutdown = typeof Shutdown.Type

export const Request = Schema.Union([Open, Execute, Wait, Terminate, Shutdown])
export type Request = typeof Request.Type

// =============================================================================
// Client to host
// =============================================================================

export const Hello = Schema.Struct({
  type: Schema.Literal("connection/hello"),
  supportedVersions: List(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 32 - 1 })), maxVersions)
    .check(Schema.isMinLength(1), Unique("protocol version")),
  requiredCapabilities: List(Identifier, maxCapabilities).check(Unique("capability")),
  optionalCapabilities: List(Identifier, maxCapabilities).check(Unique("capability"))
}).check(Schema.makeFilter(({ optionalCapabilities, requiredCapabilities }) => {
  const optional = new Set(optionalCapabilities)
  const both = requiredCapabilities.find((capability) => optional.has(capability))
  return both === undefined ? undefined : `capability \`${both}\` cannot be both required and optional`
}))
export type Hello = typeof Hello.Type

const OperationRequest = Schema.Struct({
  type: Schema.Literal("operation/request"),
  id: MessageId,
  request: Request
})

const OperationCancel = Schema.Struct({ type: Schema.Literal("operation/cancel"), id: MessageId })

const OperationYield = Schema.Struct({ type: Schema.Literal("operation/yield"), id: MessageId })

export const DelegateResult = Schema.Union([
  Ok(Schema.Union([
    Schema.Struct({ type: Schema.Literal("tool/result"), result: AnyJson }),
    // The one place where the protocol tolerates fields that it does not know.
    Schema.StructWithRest(
      Schema.Struct({ type: Schema.Literal("notification/delivered") }),
      [Schema.Record(Schema.String, Schema.Unknown)]
    )
  ])),
  Failed
])
export type DelegateResult = typeof DelegateResult.Type

const DelegateResponse = Schema.Struct({
  type: Schema.Literal("delegate/response"),
  id: MessageId,
  result: DelegateResult
})

export const ClientMessage = Schema.Union([
  Hello,
  OperationRequest,
  OperationCancel,
  OperationYield,
  DelegateResponse
])
export type ClientMessage = typeof ClientMessage.Type

// =============================================================================
// What a host answers
// =============================================================================

/** What is merely informative is optional: hosts of other versions leave it out. */
const StillThere = Schema.Struct({
  cell_id: Schema.String,
  content_items: Schema.Array(OutputItem),
  /** How long the operation took. */
  code_mode_host_duration_ns: Schema.optionalKey(Schema.Int)
})

/** A cell's next event. */
export const CellResponse = Schema.Union([
  Schema.Struct({ Yielded: StillThere }),
  Schema.Struct({ Terminated: StillThere }),
  Schema.Struct({
    Result: Schema.Struct({
      cell_id: Schema.String,
      content_items: Schema.Array(OutputItem),
      error_text: Schema.NullOr(Schema.String),
      /** How long the completion had waited to be read. */
      result_buffered_for_ns: Schema.optionalKey(Schema.Int),
      code_mode_host_duration_ns: Schema.optionalKey(Schema.Int)
    })
  })
])
export type CellResponse = typeof CellResponse.Type

export const Answer = Schema.Union([
  Schema.Struct({ type: Schema.Literal("session/ready"), sessionId: Schema.String }),
  Schema.Struct({ type: Schema.Literal("execution/started"), cellId: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("wait/completed"),
    outcome: Schema.Union([
      Schema.Struct({ LiveCell: CellResponse }),
      Schema.Struct({ MissingCell: CellResponse })
    ])
  }),
  Schema.Struct({ type: Schema.Literal("session/closed"), sessionId: Schema.String })
])
export type Answer = typeof Answer.Type

export const DelegateRequest = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("tool/invoke"),
    invocation: Schema.Struct({
      cell_id: Schema.String,
      runtime_tool_call_id: Schema.String,
      tool_name: Schema.Struct({ name: Schema.String, namespace: Schema.NullOr(Schema.String) }),
      tool_kind: ToolKind,
      input: AnyJson
    })
  }),
  Schema.Struct({
    type: Schema.Literal("notification/send"),
    callId: Schema.String,
    cellId: Schema.String,
    text: Schema.String
  })
])
export type DelegateRequest = typeof DelegateRequest.Type

// =============================================================================
// Host to client
// =============================================================================

export const RejectionReason = Schema.Union([
  Schema.Struct({ type: Schema.Literal("noCompatibleVersion"), supportedVersions: Schema.Array(Schema.Int) }),
  Schema.Struct({ type: Schema.Literal("missingRequiredCapability"), capability: Schema.String }),
  Schema.Struct({ type: Schema.Literal("invalidHello"), message: Schema.String })
])
export type RejectionReason = typeof RejectionReason.Type

export const HostMessage = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("connection/ready"),
    selectedVersion: Schema.Int,
    capabilities: Schema.Array(Schema.String)
  }),
  Schema.Struct({ type: Schema.Literal("connection/rejected"), reason: RejectionReason }),
  Schema.Struct({
    type: Schema.Literal("operation/response"),
    id: MessageId,
    result: Schema.Union([Ok(Answer), Failed])
  }),
  Schema.Struct({
    type: Schema.Literal("execute/initialResponse"),
    id: MessageId,
    result: Schema.Union([Ok(CellResponse), Failed])
  }),
  Schema.Struct({
    type: Schema.Literal("delegate/request"),
    id: MessageId,
    sessionId: Schema.String,
    request: DelegateRequest
  }),
  Schema.Struct({ type: Schema.Literal("delegate/cancel"), id: MessageId }),
  Schema.Struct({ type: Schema.Literal("cell/closed"), sessionId: Schema.String, cellId: Schema.String })
])
export type HostMessage = typeof HostMessage.Type

// =============================================================================
// JSON
// =============================================================================

const hasRoundedId = (value: unknown): value is { readonly id: number } => {
  const id: unknown = Object(value).id
  return typeof id === "number" && !Number.isSafeInteger(id)
}

const parse = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  // A number cannot hold every id.
  return hasRoundedId(value) ? { ...value, id: BigInt(JsonText.numberOf(text, "id")) } : value
}

/** What is wrong with a message may name what stands in it. */
const maxErrorBytes = 4096

const problemOf = (error: unknown) => Utf8.cut(error instanceof Error ? error.message : String(error), maxErrorBytes)

/** Decodes the text of a payload, or says why it is not a message. */
export const decodeText = <A>(decode: (value: unknown) => Result.Result<A, Schema.SchemaError>) => (text: string) =>
  Result.try({ try: () => parse(text), catch: problemOf }).pipe(
    Result.flatMap((value) => Result.mapError(decode(value), problemOf))
  )

const decodeStrictly = Schema.decodeUnknownResult(ClientMessage, { onExcessProperty: "error" })

/** Decodes what a client sent. */
export const decodeClientMessage: (text: string) => Result.Result<ClientMessage, string> = decodeText((value) =>
  Glance.isMessage(value) ? Result.succeed(value as ClientMessage) : decodeStrictly(value)
)

const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => object }

/** `JSON.stringify` escapes half of a surrogate pair, and most readers of JSON take that for an error. */
const replaceLoneSurrogates = (json: string): string =>
  json.includes("\\ud")
    ? json.replaceAll(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (escaped) => escaped === "\\\\" ? escaped : "\ufffd")
    : json

/** A message as JSON that every client can read. */
export const encode = <A extends { readonly type: string; readonly id?: MessageId }>(message: A): string =>
  replaceLoneSurrogates(
    JsonLine.stringify(
      typeof message.id === "bigint" ? { ...message, id: rawJSON(String(message.id)) } : message
    )
  )
