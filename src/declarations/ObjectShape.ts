/**
 * Which members an object has by its JSON schema.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { isList, isObject } from "../text/JsonValue.ts"

type Json = Schema.Json
type JsonObject = Schema.JsonObject

export const namesIn = (list: Json | undefined): ReadonlyArray<string> =>
  isList(list) ? list.filter((name): name is string => typeof name === "string") : []

const conditionKeywords: ReadonlySet<string> = new Set(["if", "then", "else", "$comment", "description", "title"])

export const isCondition = (schema: Json): schema is JsonObject =>
  isObject(schema) && Object.hasOwn(schema, "if") && Object.keys(schema).every((key) => conditionKeywords.has(key))

/** The parts of a schema that are conditions and nothing else. */
const conditions = (schema: JsonObject): ReadonlyArray<JsonObject> =>
  isList(schema.allOf) ? schema.allOf.filter(isCondition) : []

/** Members that a condition speaks of, and the object itself does not. They may be there, or not. */
const conditional = (schema: JsonObject, known: JsonObject): JsonObject => {
  const found: Array<readonly [string, Json]> = []
  const visit = (branch: Json | undefined) => {
    if (!isObject(branch)) {
      return
    }
    for (const [name, property] of isObject(branch.properties) ? Object.entries(branch.properties) : []) {
      if (!Object.hasOwn(known, name)) {
        found.push([name, property])
      }
    }
    namesIn(branch.required).filter((name) => !Object.hasOwn(known, name)).forEach((name) => found.push([name, true]))
    const parts = [branch.allOf, branch.anyOf, branch.oneOf].filter(isList).flat()
    for (const part of [branch.then, branch.else, ...parts]) {
      visit(part)
    }
  }
  for (const each of [schema, ...conditions(schema)]) {
    visit(each.then)
    visit(each.else)
  }
  for (const dependents of [schema.dependentSchemas, schema.dependencies]) {
    Object.values(isObject(dependents) ? dependents : {}).forEach(visit)
  }
  const names = new Set(found.map(([name]) => name))
  return Object.fromEntries(Array.from(names, (name) => {
    const schemas = found.filter(([other]) => other === name).map(([, property]) => property)
    // Where it is only required, another branch may say what it is; where none does, it can be anything.
    const telling = schemas.filter((schema) => schema !== true)
    return [name, telling.length === 1 ? telling[0]! : telling.length === 0 ? true : { anyOf: telling }]
  }))
}

export interface ObjectShape {
  readonly properties: JsonObject
  readonly required: ReadonlySet<string>
  /** The schemas of members that are not named. */
  readonly others: ReadonlyArray<Json>
  /** The schema of a member that is required and not described. */
  readonly undescribed: Json
}

export const shapeOf = (schema: JsonObject): ObjectShape => {
  const own = isObject(schema.properties) ? schema.properties : {}
  const properties = { ...own, ...conditional(schema, own) }
  const patterns = isObject(schema.patternProperties) ? Object.values(schema.patternProperties) : []
  const hasNames = Object.keys(properties).length > 0
  const additional = schema.additionalProperties ?? schema.unevaluatedProperties ?? (!hasNames && patterns.length === 0)
  return {
    properties,
    required: new Set(namesIn(schema.required)),
    others: [...patterns, ...additional === false ? [] : [additional]],
    undescribed: patterns.length === 0 && isObject(schema.additionalProperties) ? schema.additionalProperties : true
  }
}

export const isGeneric = ({ others, properties, required }: ObjectShape) =>
  Object.keys(properties).length === 0 && required.size === 0 && others.length > 0 &&
  others.every((other) => other === true)

/** The names of an object's members, in the order in which they are shown. */
export const memberNames = ({ properties, required }: ObjectShape): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(properties), ...required])).sort()

/** Every object has these, of types of their own: so TypeScript takes none to be without `constructor?: number`. */
export const inherited: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype))
