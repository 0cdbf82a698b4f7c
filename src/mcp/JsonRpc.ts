/**
 * The messages of JSON-RPC, as servers write them.
 *
 * **Details**
 *
 * What a server sends is taken as it is meant: a code that is a string, an error without a message, `error: null` beside
 * a result. A log line that has an `id` is not an answer.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { attempt } from "../data/Attempt.ts"
import * as Cut from "../text/Cut.ts"
import * as JsonText from "../text/JsonText.ts"
import { isObject } from "../text/JsonValue.ts"
import * as Limits from "./Limits.ts"

export interface ServerRequest {
  readonly _tag: "Request"
  readonly id: string | number
  readonly method: string
  readonly params: Schema.JsonObject
}

export interface ServerNotification {
  readonly _tag: "Notification"
  readonly method: string
  readonly params: Schema.JsonObject
}

export interface Answer {
  readonly _tag: "Answer"
  /** The request that it answers; an error may not know. */
  readonly id: string | number | undefined
  readonly outcome:
    | { readonly _tag: "Result"; readonly value: Schema.Json }
    | {
      readonly _tag: "Error"
      readonly code: string | number | undefined
      readonly text: string
      readonly data: unknown
    }
}

export type Message = ServerRequest | ServerNotification | Answer

/** The code of the error where a method is asked for that is not there. */
export const methodNotFound = -32_601

const isId = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number"

/** Something foreign in one line, for a sentence. */
export const excerpt = (text: string): string =>
  Cut.marked(text.slice(0, 4 * Limits.maxExcerpt).replace(/\s+/g, " ").trim(), Limits.maxExcerpt)

/** Whether a value is nested deeper than that. */
export const isDeeperThan = (value: unknown, depth: number): boolean =>
  typeof value === "object" && value !== null &&
  (depth === 0 || (Array.isArray(value) ? value : Object.values(value)).some((each) => isDeeperThan(each, depth - 1)))

/** A foreign value for a sentence. */
export const describe = (value: unknown): string =>
  typeof value === "string"
    ? value
    : isDeeperThan(value, Limits.maxResultDepth)
    ? "(a value that is nested too deeply to be shown)"
    : JSON.stringify(value)

const errorOf = (error: Schema.Json): Answer["outcome"] => {
  if (!isObject(error)) {
    return { _tag: "Error", code: undefined, text: describe(error), data: undefined }
  }
  const { code, data, message } = error
  return {
    _tag: "Error",
    code: isId(code) ? code : undefined,
    text: typeof message === "string" && message !== ""
      ? message
      : message === undefined || message === null || message === ""
      ? "the server gave no reason"
      : describe(message),
    data: data ?? undefined
  }
}

/** An answer without a version has nothing else in it: what has is a log line. */
const isAnswer = (value: Schema.JsonObject): boolean =>
  (Object.hasOwn(value, "result") || Object.hasOwn(value, "error")) &&
  (typeof value.jsonrpc === "string" ||
    Object.keys(value).every((key) => key === "id" || key === "result" || key === "error"))

/** The message that a value is, if it is one. */
export const fromValue = (value: unknown): Message | undefined => {
  if (!isObject(value)) {
    return undefined
  }
  const params = isObject(value.params) ? value.params : {}
  if (typeof value.method === "string") {
    return isId(value.id)
      ? { _tag: "Request", id: value.id, method: value.method, params }
      : { _tag: "Notification", method: value.method, params }
  }
  if (!isAnswer(value)) {
    return undefined
  }
  const { error, result } = value
  return {
    _tag: "Answer",
    id: isId(value.id) ? value.id : undefined,
    outcome: error === undefined || error === null ? { _tag: "Result", value: result ?? null } : errorOf(error)
  }
}

/** What an error of the server says to the caller: its text, and its data as JSON after it. */
export const errorText = ({ code, data, text }: Extract<Answer["outcome"], { readonly _tag: "Error" }>): string => {
  // Some servers' own libraries say that already.
  const prefix = /^MCP error\b/.test(text) ? "" : `MCP error${code === undefined ? "" : ` ${code}`}: `
  const head = prefix + Cut.marked(text, Limits.maxErrorText)
  return data === undefined ? head : `${head}\n${Cut.marked(describe(data), Limits.maxErrorText)}`
}

/** How much of a message is looked at that is not read, in characters at its beginning and its end. */
export const looked = 1024

/** What is shorter is read as it is: it takes no more than a few megabytes. */
const light = 1024 * 1024

/** Why a message is not read, if it would take too much when it was: for a sentence about the answer that it is. */
export const excess = (text: string): string | undefined => {
  const weight = text.length <= light ? 0 : JsonText.weigh(text)
  return weight === "is not JSON"
    ? undefined
    : typeof weight === "string"
    ? `its answer ${weight}, which is the most that a message may be`
    : weight > JsonText.maxWeight(Limits.maxMessageBytes)
    ? "its answer has so many small values that it would take too much memory"
    : undefined
}

/** The value of a text, if it is JSON. */
export const parse = (text: string): unknown => attempt(() => JSON.parse(text))
