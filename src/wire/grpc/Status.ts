/**
 * How a call ended.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as Utf8 from "../../text/Utf8.ts"

/** By its number. */
const codes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE"
] as const

/** A call did not do what it was to do. */
export class Status extends Schema.TaggedError<Status>("effect-code-mode/grpc/Status")("Status", {
  code: Schema.Literals(codes),
  message: Schema.String
}) {}

export const status = (code: Status["code"], message: string): Status => new Status({ code, message })

/** A client takes only so much of headers. */
const maxMessageBytes = 4096

export const ok = { "grpc-status": "0" } as const

export const toTrailers = ({ code, message }: Status): Record<string, string> => ({
  "grpc-status": String(codes.indexOf(code)),
  ...(message === "" ? {} : { "grpc-message": encodeURI(Utf8.cut(message, maxMessageBytes).toWellFormed()) })
})
