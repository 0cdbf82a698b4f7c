/**
 * The failure of a tool in the words that a script is told.
 *
 * @internal
 */
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"
import { ToolError } from "../Protocol.ts"

const ownFields = (error: object) => {
  const { _tag, ...fields } = error as { readonly _tag?: unknown }
  return Object.keys(fields).length === 0 ? "" : ` ${Formatter.format(fields)}`
}

/** Its message, or what kind of failure it is and what it carries. */
const describe = (error: unknown): string => {
  if (typeof error === "string") {
    return error
  }
  if (Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== "") {
    return error.message
  }
  if (Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)) {
    return `${error._tag}${ownFields(error)}`
  }
  return Predicate.isError(error) ? `${error.name}${ownFields(error)}` : Formatter.format(error)
}

export const make = (error: unknown): ToolError =>
  error instanceof ToolError ? error : new ToolError({ text: describe(error) })

/** The call has not reached its tool. */
export const ofArgument = (problem: string): ToolError =>
  new ToolError({ text: `invalid argument: ${problem}`, performed: false })
