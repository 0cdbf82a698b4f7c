/**
 * Knows the two messages that come most often without a schema, which would take longer than reading their JSON.
 *
 * **Details**
 *
 * What is seen here to be a message is one to the letter, and decodes to itself. Of anything else nothing is said: the
 * schemas decide about it, and say what is wrong.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"

type Fields = Readonly<Record<string, unknown>>

/** What is longer is left to the schemas. */
const maxIdentifier = 256
const maxTools = 4096

const isText = Predicate.isString

const isIdentifier = (value: unknown) => isText(value) && value.length <= maxIdentifier && /^[!-~]/.test(value)

const isId = Number.isSafeInteger

/** An object with these fields, some of which may be missing, and no others. */
const hasOnly = (value: unknown, required: number, ...optional: ReadonlyArray<string>): value is Fields => {
  if (!Predicate.isObject(value)) {
    return false
  }
  let count = required
  for (const name of optional) {
    count += Object.hasOwn(value, name) ? 1 : 0
  }
  return Object.keys(value).length === count
}

const isMissing = (value: unknown) => value === undefined || value === null

const isUnsignedOrMissing = (value: unknown) => isMissing(value) || (isId(value) && (value as number) >= 0)

const isInt32OrMissing = (value: unknown) => isMissing(value) || (isId(value) && ((value as number) | 0) === value)

const isToolName = (value: unknown) =>
  hasOnly(value, 1, "namespace") && isText(value["name"])
  && (isMissing(value["namespace"]) || isText(value["namespace"]))

const isTool = (value: unknown) =>
  hasOnly(value, 4, "input_schema", "output_schema") && isText(value["name"]) && isToolName(value["tool_name"])
  && isText(value["description"]) && (value["kind"] === "function" || value["kind"] === "freeform")

const isExecute = (value: unknown) => {
  if (!hasOnly(value, 3) || value["method"] !== "session/execute" || !isIdentifier(value["sessionId"])) {
    return false
  }
  const { request } = value
  if (!hasOnly(request, 3, "yield_time_ms", "max_output_tokens")) {
    return false
  }
  const { enabled_tools: tools } = request
  return isText(request["tool_call_id"]) && isText(request["source"]) && Array.isArray(tools)
    && tools.length <= maxTools && tools.every(isTool) && isUnsignedOrMissing(request["yield_time_ms"])
    && isInt32OrMissing(request["max_output_tokens"])
}

const isToolResult = (value: unknown) =>
  hasOnly(value, 2) && value["type"] === "tool/result" && Object.hasOwn(value, "result")

const isResult = (value: unknown) =>
  hasOnly(value, 2)
  && (value["status"] === "ok" ? isToolResult(value["value"]) : value["status"] === "error" && isText(value["message"]))

/** Whether a value is, for certain, a client's `session/execute` or its delegate's answer. */
export const isMessage = (value: unknown): boolean =>
  hasOnly(value, 3) && isId(value["id"]) && (
    value["type"] === "delegate/response"
      ? isResult(value["result"])
      : value["type"] === "operation/request" && isExecute(value["request"])
  )
