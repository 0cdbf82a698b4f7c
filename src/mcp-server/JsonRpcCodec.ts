/**
 * JSON-RPC as text, and as the messages that Effect's RPC server takes and gives.
 *
 * **Details**
 *
 * Effect's own serializations throw where a text is not JSON, take anything for a message, and write the causes of its
 * errors; the one that `McpServer` uses in their place is not exported. Here, what is not a message has an answer of its own.
 *
 * @internal
 */
import type { FromClientEncoded, FromServerEncoded } from "effect/rpc/RpcMessage"
import * as JsonLine from "../text/JsonLine.ts"
import * as JsonText from "../text/JsonText.ts"
import { isList, isObject } from "../text/JsonValue.ts"
import * as Bounds from "./Bounds.ts"

/** What a client sends. An `Exit` is its answer to a request of ours. */
export type Incoming = Extract<FromClientEncoded, { readonly _tag: "Request" }> | Answer
export type Answer = Extract<FromServerEncoded, { readonly _tag: "Exit" }>

/** What a client is sent. */
export type Outgoing = FromServerEncoded | Extract<FromClientEncoded, { readonly _tag: "Request" }>

export type Id = string | number

/** What is answered to something that is not a message. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly id: Id | null
  readonly code: number
  readonly message: string
}

export const refusal = (code: number, message: string, id: Id | null = null): Refusal => ({
  _tag: "Refusal",
  id,
  code,
  message
})

const parseError = -32700
const invalidRequest = -32600

export const tooLong = refusal(
  invalidRequest,
  `the message is longer than ${Bounds.maxMessageBytes / 1024 / 1024} MiB, which is the most that it may be`
)

const isId = (value: unknown): value is Id => typeof value === "string" || typeof value === "number"

/** A key for an id: 1 and "1" are two. */
export const keyOf = (id: Id): string => JSON.stringify(id)

const fromValue = (value: unknown): Incoming | Refusal => {
  if (isList(value)) {
    return refusal(invalidRequest, "batches are not supported: send one message at a time")
  }
  if (!isObject(value)) {
    return refusal(invalidRequest, "the message is not an object")
  }
  const { error, id, jsonrpc, method, params = null, result } = value
  if (jsonrpc !== "2.0") {
    return refusal(invalidRequest, "the message is not of JSON-RPC 2.0", isId(id) ? id : null)
  }
  if (typeof method === "string") {
    return id === undefined
      ? { _tag: "Request", id: "", tag: method, payload: params, headers: [], isNotification: true }
      : isId(id)
      ? { _tag: "Request", id, tag: method, payload: params, headers: [] }
      : refusal(invalidRequest, "the id of a request is a string or a number")
  }
  if (!isId(id) || (error === undefined) === (result === undefined)) {
    return refusal(invalidRequest, "the message is not a request, a notification or an answer", isId(id) ? id : null)
  }
  return {
    _tag: "Exit",
    requestId: id,
    exit: error === undefined
      ? { _tag: "Success", value: result }
      : { _tag: "Failure", cause: [{ _tag: "Fail", error }] }
  }
}

export const decode = (text: string): Incoming | Refusal => {
  const weight = JsonText.weigh(text)
  if (typeof weight === "string") {
    return refusal(parseError, `the message ${weight}`)
  }
  if (weight > JsonText.maxWeight(Bounds.maxMessageBytes)) {
    return refusal(invalidRequest, "the message has too many small values")
  }
  try {
    return fromValue(JSON.parse(text))
  } catch {
    return refusal(parseError, "the message is not JSON")
  }
}

const internalError = { code: -32603, message: "Internal error" }

const errorOf = (cause: ReadonlyArray<{ readonly _tag: string; readonly error?: unknown }>): object => {
  const error = cause.find(({ _tag }) => _tag === "Fail")?.error
  if (!isObject(error) || typeof error.code !== "number" || typeof error.message !== "string") {
    return internalError
  }
  const { code, data, message } = error
  return data === undefined ? { code, message } : { code, message, data }
}

const toValue = (message: Outgoing | Refusal): object | undefined => {
  switch (message._tag) {
    case "Refusal":
      return { id: message.id, error: { code: message.code, message: message.message } }
    case "Request":
      return {
        ...(message.isNotification === true ? {} : { id: message.id }),
        method: message.tag,
        ...(message.payload === undefined || message.payload === null ? {} : { params: message.payload })
      }
    case "Exit":
      return message.exit._tag === "Success"
        ? { id: message.requestId, result: message.exit.value ?? {} }
        : { id: message.requestId, error: errorOf(message.exit.cause) }
    case "Defect":
      return { id: null, error: internalError }
    // What else the RPC server says is not part of the protocol.
    default:
      return undefined
  }
}

/** A message in one line, without its end. */
export const encode = (message: Outgoing | Refusal): string | undefined => {
  const value = toValue(message)
  return value === undefined ? undefined : JsonLine.stringify({ jsonrpc: "2.0", ...value })
}
