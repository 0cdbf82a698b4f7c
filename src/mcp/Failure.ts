/**
 * Why a request has no result.
 *
 * @internal
 */
import * as Schema from "effect/Schema"

/** The server answered with an error. */
export class Refused extends Schema.TaggedError<Refused>("effect-code-mode/mcp/Refused")("Refused", {
  code: Schema.Union([Schema.String, Schema.Number, Schema.Undefined]),
  message: Schema.String,
  data: Schema.Unknown
}) {}

/**
 * No answer can come any more. `connection` says what is left: everything, nothing, or a server that has forgotten us and
 * has not done what it was asked.
 */
export class Unanswered extends Schema.TaggedError<Unanswered>("effect-code-mode/mcp/Unanswered")("Unanswered", {
  message: Schema.String,
  connection: Schema.Literals(["open", "closed", "expired"])
}) {}

export type Failure = Refused | Unanswered

/** This one request has no answer; others may have. */
export const unanswered = (text: string): Unanswered => new Unanswered({ message: text, connection: "open" })
