/**
 * What a client takes from a host: the messages of version 1 and of our capability, read with tolerance.
 *
 * **Details**
 *
 * A host may be newer or older than this client. A field that is not known, or one that is merely informative and
 * missing, is no reason to give up a connection with live cells on it.
 *
 * @internal
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { OutputItem, ToolKind } from "../Protocol.ts"
import * as Extension from "./Extension.ts"
import * as Message from "./Message.ts"

const Ok = <S extends Schema.Top>(value: S) => Schema.Struct({ status: Schema.Literal("ok"), value })

const Failed = Schema.Struct({ status: Schema.Literal("error"), message: Schema.String })

const StillThere = Schema.Struct({ cell_id: Schema.String, content_items: Schema.Array(OutputItem) })

/** A cell's next event. */
export const CellResponse = Schema.Union([
  Schema.Struct({ Yielded: StillThere }),
  Schema.Struct({ Terminated: StillThere }),
  Schema.Struct({
    Result: Schema.Struct({
      ...StillThere.fields,
      error_text: Schema.optionalKey(Schema.NullOr(Schema.String))
    })
  })
])
export type CellResponse = typeof CellResponse.Type

export const Answer = Schema.Union([
  Schema.Struct({ type: Schema.Literal("session/ready") }),
  Schema.Struct({ type: Schema.Literal("execution/started"), cellId: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("wait/completed"),
    outcome: Schema.Union([
      Schema.Struct({ LiveCell: CellResponse }),
      Schema.Struct({ MissingCell: CellResponse })
    ])
  }),
  Schema.Struct({ type: Schema.Literal("session/closed") })
])
export type Answer = typeof Answer.Type

const OperationResponse = Schema.Struct({
  type: Schema.Literal("operation/response"),
  id: Schema.Int,
  result: Schema.Union([Ok(Answer), Failed])
})
export type OperationResponse = typeof OperationResponse.Type

const InitialResponse = Schema.Struct({
  type: Schema.Literal("execute/initialResponse"),
  id: Schema.Int,
  result: Schema.Union([Ok(CellResponse), Failed])
})
export type InitialResponse = typeof InitialResponse.Type

const optional = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

export const DelegateRequest = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("tool/invoke"),
    invocation: Schema.Struct({
      cell_id: Schema.String,
      runtime_tool_call_id: Schema.String,
      tool_name: Schema.Struct({ name: Schema.String, namespace: optional(Schema.String) }),
      tool_kind: ToolKind,
      input: optional(Message.AnyJson)
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

/** What answers a request of ours. */
export type Response = OperationResponse | InitialResponse | Extract<Extension.HostMessage, { readonly id: number }>

const HostMessage = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("connection/ready"),
    selectedVersion: Schema.Int,
    capabilities: Schema.Array(Schema.String)
  }),
  Schema.Struct({ type: Schema.Literal("connection/rejected"), reason: Message.RejectionReason }),
  OperationResponse,
  InitialResponse,
  Schema.Struct({ type: Schema.Literal("delegate/request"), id: Schema.Int, request: DelegateRequest }),
  Schema.Struct({ type: Schema.Literal("delegate/cancel"), id: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("cell/closed"), cellId: Schema.String }),
  ...Extension.HostMessage.members
])
export type HostMessage = typeof HostMessage.Type

/** Decodes what a host sent. */
export const decode: (text: string) => Result.Result<HostMessage, Message.MessageError> = Message.decodeText(
  Schema.decodeUnknownResult(HostMessage)
)
