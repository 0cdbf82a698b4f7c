/**
 * What a session's client and its host ask of each other.
 *
 * **Details**
 *
 * `SessionRpcs` is what a client asks, `DelegateRpcs` what the cells of its sessions ask of it, over the same
 * connection. A session has a number, which its client gives it, and lives as long as its `Open`.
 *
 * What a cell tells is heard by its client alone: the answer to an operation with a `ticket` counts as heard only once
 * the client has said so, in `Received`. Taken back before that, it goes back to the cell.
 *
 * @internal
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.ts"
import * as Replies from "../session/Replies.ts"

/** What both sides have to agree on. A host refuses every other one. */
export const version = 1

/** JSON as it came out of a parser: there is nothing to check, however deep it is. */
const anyJson = <A>() => Schema.declare((_value): _value is A => true, { toCodecJson: () => undefined })

const StoredValues = anyJson<Readonly<Record<string, Schema.Json>>>()

/** The request was not carried out, or its answer does not fit into a frame. */
export class Refused extends Schema.TaggedError<Refused>("effect-code-mode/remote/Refused")("Refused", {
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

// =============================================================================
// Sessions
// =============================================================================

const inSession = { session: Schema.Int }

/** Where what is asked stands in a trace. RPC of Effect has that, too, for a span on both sides of each request. */
const traced = { traceparent: Schema.optionalKey(Schema.String) }
const inCell = { ...inSession, cellId: Protocol.CellId }
const ticketed = { ...inCell, ticket: Schema.Int }

/** The session is there, with these bounds: the first that `Open` says. */
const Opened = Schema.TaggedStruct("Opened", { limits: Protocol.Limits })

/** Opens a session; what it says is what happens to the session's cells, in order. */
const Open = Rpc.make("Open", {
  payload: {
    ...inSession,
    version: Schema.Int,
    tools: Schema.Array(Protocol.ToolDefinition),
    limits: Schema.optionalKey(Protocol.Limits),
    storedValues: Schema.optionalKey(StoredValues)
  },
  success: Schema.Union([Opened, Protocol.LifecycleEvent]),
  error: Schema.Union([Protocol.IsolateFailure, Protocol.Lagged, Refused]),
  stream: true
})

/** Holds that there is such a session, and that its client has not too much under way. */
export class InSession extends RpcMiddleware.Service<InSession>()("effect-code-mode/remote/InSession", {
  error: Refused
}) {}

export class SessionRpcs extends RpcGroup.make(
  Rpc.make("Create", {
    payload: { ...inSession, ...traced, kind: Protocol.CellKind, request: Protocol.CellRequest },
    ...Replies.create
  }),
  Rpc.make("Observe", {
    payload: {
      ...ticketed,
      yieldAfter: Schema.Duration,
      idempotencyKey: Schema.optionalKey(Schema.String),
      /** The request, with a key, whose first event this is: each that asks for it gets the same one. */
      firstOf: Schema.optionalKey(Protocol.CellRequest)
    },
    ...Replies.observe
  }),
  Rpc.make("AwaitFrontier", {
    payload: ticketed,
    ...Replies.awaitFrontier
  }),
  Rpc.make("Terminate", {
    payload: ticketed,
    ...Replies.terminate
  }),
  Rpc.make("Received", { payload: { ...inSession, ticket: Schema.Int, heard: Schema.Boolean } }),
  Rpc.make("Resume", {
    payload: { ...inCell, generation: Protocol.Generation },
    ...Replies.resume
  }),
  Rpc.make("YieldNow", { payload: inCell, error: Protocol.MissingCell }),
  Rpc.make("Find", {
    payload: { ...inCell, kind: Protocol.CellKind },
    ...Replies.find
  }),
  Rpc.make("Cells", { payload: inSession, ...Replies.cells }),
  Rpc.make("AwaitSettled", {
    payload: inCell,
    success: Protocol.Settled,
    error: Protocol.MissingCell
  }),
  Rpc.make("StoredValues", { payload: inSession, success: StoredValues }),
  Rpc.make("Output", {
    payload: inCell,
    success: Protocol.OutputItem,
    error: Schema.Union([Protocol.MissingCell, Protocol.Lagged]),
    stream: true
  }),
  /** A tool call at the client begins or ends to wait for a person. */
  Rpc.make("AwaitsApproval", { payload: { ...inSession, callback: Schema.Int, awaits: Schema.Boolean } }),
  Rpc.make("Shutdown", { payload: inSession })
).middleware(InSession).add(Open) {}

/** What a client sends with a request. */
export type Payload<Tag extends RpcGroup.Rpcs<typeof SessionRpcs>["_tag"]> = Rpc.Payload<
  Rpc.ExtractTag<RpcGroup.Rpcs<typeof SessionRpcs>, Tag>
>

// =============================================================================
// The client as a delegate
// =============================================================================

/** A callback has a number, which no other one of its connection has. */
const numbered = { ...inSession, callback: Schema.Int }

export class DelegateRpcs extends RpcGroup.make(
  Rpc.make("InvokeTool", {
    payload: {
      ...numbered,
      ...traced,
      call: Schema.Struct({ ...Protocol.NestedToolCall.fields, input: Schema.optionalKey(anyJson<Schema.Json>()) })
    },
    success: anyJson<Schema.Json>(),
    error: Protocol.ToolError
  }),
  Rpc.make("Notify", {
    payload: { ...numbered, notification: Protocol.Notification },
    error: Protocol.NotifyError
  }),
  /** Cancels a callback, which then answers once it has ended. */
  Rpc.make("Cancel", { payload: numbered })
) {}
