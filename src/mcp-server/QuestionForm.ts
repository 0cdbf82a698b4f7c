/**
 * The forms of questions, as clients of older versions know them.
 *
 * **Details**
 *
 * Effect's server refuses a form that has a default where a version knows none, and drops the choices of a field: for
 * those versions it takes such a field for any text. So there the choices are named in its description.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { isList, isObject } from "../text/JsonValue.ts"

const choicesOf = ({ enum: plain, oneOf }: Schema.JsonObject): ReadonlyArray<string> =>
  isList(plain)
    ? plain.map(String)
    : isList(oneOf)
    ? oneOf.flatMap((choice) =>
      isObject(choice) ? [choice.title === undefined ? String(choice.const) : `${choice.const} (${choice.title})`] : []
    )
    : []

const olderField = (field: Schema.Json): Schema.Json => {
  if (!isObject(field) || field.type === "boolean") {
    return field
  }
  const { default: _, enum: __, enumNames: ___, oneOf: ____, ...rest } = field
  const choices = choicesOf(field)
  const described = typeof field.description === "string" ? [field.description] : []
  return choices.length === 0
    ? rest
    : { ...rest, description: [...described, `One of: ${choices.join(", ")}`].join("\n") }
}

/** The version in which forms got what older ones do not know. */
const richer = "2025-11-25"

/** The form for a client that speaks this version. */
export const forVersion = (schema: Schema.JsonObject, version: string): Schema.JsonObject =>
  version < richer && isObject(schema.properties)
    ? {
      ...schema,
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([name, field]) => [name, olderField(field)])
      )
    }
    : schema
