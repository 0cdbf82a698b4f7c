/**
 * What a JSON schema says that a type cannot: in words, for a comment.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { isObject } from "../text/JsonValue.ts"
import * as Places from "../text/Places.ts"

type JsonObject = Schema.JsonObject

/** The longest fact, in characters: what is longer says little, or is not for reading. */
const maxFact = 80

const isNumber = (value: Schema.Json | undefined): value is number => typeof value === "number"

/** Lines of text without what would end a comment line, none of them empty. */
export const lines = (text: string): ReadonlyArray<string> =>
  Places.lines(text).map((line) => line.trim()).filter((line) => line !== "")

const literal = (value: Schema.Json) => JSON.stringify(value).replace(/[\u2028\u2029]/g, " ")

const range = (least: Schema.Json | undefined, most: Schema.Json | undefined, units: string): ReadonlyArray<string> => {
  const unit = (most ?? least) === 1 ? units.replace(/s$/, "") : units
  return isNumber(least) && isNumber(most)
    ? [least === most ? `${least}${unit}` : `${least} to ${most}${unit}`]
    : isNumber(most)
    ? [`at most ${most}${unit}`]
    : isNumber(least) && !(least === 0 && unit !== "")
    ? [`at least ${least}${unit}`]
    : []
}

const numbers = (schema: JsonObject): ReadonlyArray<string> => {
  const { exclusiveMaximum, exclusiveMinimum, maximum, minimum, multipleOf } = schema
  return [
    // What every safe integer is says nothing.
    ...range(
      minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum,
      maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum,
      ""
    ),
    ...isNumber(exclusiveMinimum) && exclusiveMinimum !== Number.MIN_SAFE_INTEGER
      ? [`more than ${exclusiveMinimum}`]
      : [],
    ...isNumber(exclusiveMaximum) && exclusiveMaximum !== Number.MAX_SAFE_INTEGER
      ? [`less than ${exclusiveMaximum}`]
      : [],
    ...isNumber(multipleOf) && multipleOf !== 1 ? [`a multiple of ${multipleOf}`] : []
  ]
}

const ofValue = (schema: JsonObject): ReadonlyArray<string> => [
  ...schema.type === "integer" ? ["integer"] : [],
  ...numbers(schema),
  ...range(schema.minLength, schema.maxLength, " characters"),
  ...range(schema.minItems, schema.maxItems, " items"),
  ...range(schema.minProperties, schema.maxProperties, " members"),
  ...schema.uniqueItems === true ? ["no two alike"] : [],
  ...typeof schema.format === "string" ? [schema.format] : [],
  ...typeof schema.contentEncoding === "string" ? [schema.contentEncoding] : [],
  ...typeof schema.pattern === "string" ? [`matches ${schema.pattern}`] : []
]

/** The one schema of a choice that is not null: how some languages write what may be missing. */
const onlyChoice = (schema: JsonObject): JsonObject | undefined => {
  const choices = schema.anyOf ?? schema.oneOf
  const others = Array.isArray(choices)
    ? choices.filter((choice: Schema.Json) => !(isObject(choice) && choice.type === "null"))
    : []
  return others.length === 1 && isObject(others[0]) ? others[0] : undefined
}

/** The facts of a schema, each in a few words. */
export const facts = (schema: JsonObject): ReadonlyArray<string> => {
  const example = Array.isArray(schema.examples) ? schema.examples[0] : schema.example
  const choice = onlyChoice(schema)
  return [
    ...schema.deprecated === true ? ["deprecated"] : [],
    ...schema.readOnly === true ? ["read-only"] : [],
    ...schema.writeOnly === true ? ["write-only"] : [],
    ...ofValue(schema),
    ...choice === undefined ? [] : ofValue(choice),
    ...schema.default === undefined || schema.default === null ? [] : [`default ${literal(schema.default)}`],
    ...example === undefined ? [] : [`such as ${literal(example)}`]
  ].filter((fact) => fact.length <= maxFact).map((fact) => lines(fact).join(" "))
}

const textOf = (schema: JsonObject, key: string) => {
  const value = schema[key]
  return typeof value === "string" ? lines(value) : []
}

const letters = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase()

/** The lines of a comment about a member: its description, or else a title that is not its name, and its facts. */
export const comment = (name: string, schema: Schema.Json): ReadonlyArray<string> => {
  if (!isObject(schema)) {
    return []
  }
  const choice = onlyChoice(schema)
  const title = textOf(schema, "title")
  const described = [
    textOf(schema, "description"),
    choice === undefined ? [] : textOf(choice, "description"),
    letters(title.join("")) === letters(name) ? [] : title
  ].find((text) => text.length > 0) ?? []
  const known = facts(schema)
  if (known.length === 0) {
    return described
  }
  const last = described.at(-1)
  const inBrackets = `(${known.join("; ")})`
  return last === undefined ? [inBrackets] : [...described.slice(0, -1), `${last} ${inBrackets}`]
}
