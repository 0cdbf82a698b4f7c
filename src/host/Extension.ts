/**
 * The messages of the capability `effect-code-mode-session-v1`: what version 1 of the protocol cannot say.
 *
 * **Details**
 *
 * They travel beside the messages of version 1, and only where the capability was granted. Sessions, request ids and
 * cancellation are the capability's own; tools and notifications go through the delegate messages of version 1. What
 * is carried are the schemas of `Protocol`, so a typed error on one side is the same typed error on the other.
 *
 * @internal
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  AlreadyTerminating,
  BusyObserver,
  CapacityExceeded,
  CellEvent,
  CellId,
  CellRequest,
  Frontier,
  IdempotencyConflict,
  InvalidGeneration,
  IsolateFailure,
  Lagged,
  LifecycleEvent,
  Limits,
  MissingCell,
  Outcome,
  OutputItem,
  ShuttingDown,
  WrongCellKind
} from "../Protocol.ts"
import * as Message from "./Message.ts"

export const capability = "effect-code-mode-session-v1"

const CellKind = Schema.Literals(["continuing", "pausable"])

const inSession = { sessionId: Schema.NonEmptyString }
const inCell = { ...inSession, cellId: CellId }

// =============================================================================
// Operations
// =============================================================================

/** What can be asked, and what the answer can be. */
export interface Operation<Request extends Schema.Top, A, E> {
  readonly request: Request
  readonly success: Schema.Codec<A, Schema.Json>
  readonly error: Schema.Codec<E, Schema.Json>
}

const operation = <Request extends Schema.Top, A, E>(
  request: Request,
  success: Schema.Codec<A, unknown>,
  error: Schema.Codec<E, unknown>
): Operation<Request, A, E> => ({
  request,
  success: Schema.toCodecJson(success),
  error: Schema.toCodecJson(error)
})

const Nothing = Schema.Null

/** Opens a session. `limits` are its bounds, `storedValues` what its cells find stored. */
export const Open = operation(
  Schema.Struct({
    method: Schema.Literal("open"),
    ...inSession,
    limits: Schema.optionalKey(Limits),
    storedValues: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
  }),
  Nothing,
  IsolateFailure
)

/** Makes a cell, without observing it. */
export const Create = operation(
  Schema.Struct({ method: Schema.Literal("create"), ...inSession, kind: CellKind, request: CellRequest }),
  CellId,
  Schema.Union([ShuttingDown, CapacityExceeded, IsolateFailure, IdempotencyConflict, WrongCellKind])
)

/** The next event of a cell; without `yieldAfterMs`, when there is something to say. */
export const Observe = operation(
  Schema.Struct({
    method: Schema.Literal("observe"),
    ...inCell,
    yieldAfterMs: Schema.optionalKey(Schema.Finite),
    idempotencyKey: Schema.optionalKey(Schema.String)
  }),
  CellEvent,
  Schema.Union([BusyObserver, MissingCell, IdempotencyConflict])
)

/** The frontier of a pausable cell, or its outcome. */
export const AwaitFrontier = operation(
  Schema.Struct({ method: Schema.Literal("awaitFrontier"), ...inCell }),
  Schema.Union([Frontier, Outcome]),
  Schema.Union([BusyObserver, MissingCell])
)

/** Lets a pausable cell go on. */
export const Resume = operation(
  Schema.Struct({ method: Schema.Literal("resume"), ...inCell, generation: Schema.Int }),
  Schema.Literals(["Resumed", "AlreadyRunning"]),
  Schema.Union([InvalidGeneration, MissingCell])
)

/** Stops a cell. */
export const Terminate = operation(
  Schema.Struct({ method: Schema.Literal("terminate"), ...inCell }),
  Outcome,
  Schema.Union([AlreadyTerminating, MissingCell])
)

/** Makes the observer of a cell hear `Yielded` now. */
export const YieldNow = operation(
  Schema.Struct({ method: Schema.Literal("yieldNow"), ...inCell }),
  Nothing,
  MissingCell
)

/** Asks whether there is such a cell of this kind. */
export const Find = operation(
  Schema.Struct({ method: Schema.Literal("find"), ...inCell, kind: CellKind }),
  Nothing,
  Schema.Union([MissingCell, WrongCellKind])
)

/** Lists the live cells. */
export const Cells = operation(
  Schema.Struct({ method: Schema.Literal("cells"), ...inSession }),
  Schema.Array(Schema.Struct({
    cellId: CellId,
    kind: CellKind,
    status: Schema.Literals(["Running", "Paused", "Stalled", "Terminating", "Settled"]),
    busy: Schema.Boolean,
    degraded: Schema.Boolean
  })),
  Schema.Never
)

/** Waits until the outcome of a cell is final. */
export const AwaitSettled = operation(
  Schema.Struct({ method: Schema.Literal("awaitSettled"), ...inCell }),
  Schema.Literals(["Completed", "Failed", "Terminated"]),
  MissingCell
)

/** Gives the values that completed cells have stored. */
export const StoredValues = operation(
  Schema.Struct({ method: Schema.Literal("storedValues"), ...inSession }),
  Schema.Record(Schema.String, Schema.Json),
  Schema.Never
)

/** Sends the output of a cell as it is made, in `extension/output`, and answers when the cell has no more. */
export const Output = operation(
  Schema.Struct({ method: Schema.Literal("output"), ...inCell }),
  Nothing,
  Schema.Union([MissingCell, Lagged])
)

/** Ends a session. The answer comes after the `Closed` of its last cell. */
export const Shutdown = operation(
  Schema.Struct({ method: Schema.Literal("shutdown"), ...inSession }),
  Nothing,
  Schema.Never
)

export const Request = Schema.Union([
  Open.request,
  Create.request,
  Observe.request,
  AwaitFrontier.request,
  Resume.request,
  Terminate.request,
  YieldNow.request,
  Find.request,
  Cells.request,
  AwaitSettled.request,
  StoredValues.request,
  Output.request,
  Shutdown.request
])
export type Request = typeof Request.Type

// =============================================================================
// Messages
// =============================================================================

export const ClientMessage = Schema.Union([
  Schema.Struct({ type: Schema.Literal("extension/request"), id: Schema.Int, request: Request }),
  Schema.Struct({ type: Schema.Literal("extension/cancel"), id: Schema.Int })
])
export type ClientMessage = typeof ClientMessage.Type

/** `error` is a typed one of the operation, `refused` says what is wrong with the request itself. */
export const Answer = Schema.Union([
  Schema.Struct({ status: Schema.Literal("ok"), value: Message.AnyJson }),
  Schema.Struct({ status: Schema.Literal("error"), error: Message.AnyJson }),
  Schema.Struct({ status: Schema.Literal("cancelled") }),
  Schema.Struct({ status: Schema.Literal("refused"), message: Schema.String })
])
export type Answer = typeof Answer.Type

export const HostMessage = Schema.Union([
  Schema.Struct({ type: Schema.Literal("extension/response"), id: Schema.Int, result: Answer }),
  Schema.Struct({ type: Schema.Literal("extension/output"), id: Schema.Int, items: Schema.Array(OutputItem) }),
  Schema.Struct({ type: Schema.Literal("extension/event"), sessionId: Schema.String, event: LifecycleEvent })
])
export type HostMessage = typeof HostMessage.Type

/** Everything that either side writes, of version 1 and of the capability. */
export type AnyMessage =
  | Message.ClientMessage
  | Message.HostMessage
  | HostMessage
  | (Omit<ClientMessage, "request"> & { readonly request?: Schema.Json })

/** A request as it is written. */
export const encodeRequest: (request: Request) => Schema.Json = Schema.encodeSync(Schema.toCodecJson(Request))

/** Decodes what a client sent that was granted the capability. */
export const decodeClientMessage: (
  text: string
) => Result.Result<Message.ClientMessage | ClientMessage, Message.MessageError> = Message.decodeText(
  Schema.decodeUnknownResult(Schema.Union([Message.ClientMessage, Schema.toCodecJson(ClientMessage)]), {
    onExcessProperty: "error"
  })
)

const AnyHostMessage = Schema.Union([...Message.HostMessage.members, ...HostMessage.members])
export type AnyHostMessage = typeof AnyHostMessage.Type

/** What answers a request of ours. */
export type Response = Extract<
  AnyHostMessage,
  {
    readonly type:
      | "operation/response"
      | "execute/initialResponse"
      | "extension/response"
      | "extension/output"
  }
>

/**
 * Decodes what a host sent, with tolerance: the host may be newer than this client, and a field that is not known is
 * no reason to give up a connection with live cells on it.
 */
export const decodeHostMessage: (text: string) => Result.Result<AnyHostMessage, Message.MessageError> = Message
  .decodeText(Schema.decodeUnknownResult(AnyHostMessage))
