/**
 * The JSON schema of a tool's argument or result, as one would write it by hand.
 *
 * **Details**
 *
 * Effect's own says all that its codec takes: a `Number` may be one of three strings there, which costs it its description
 * and its bounds; objects are told to be open; and integers are told to be safe.
 *
 * @internal
 */
import * as AiTool from "effect/ai/Tool"
import { memoize } from "effect/Function"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { isList, isObject } from "../text/JsonValue.ts"

const finite = Schema.Finite.ast.checks!

/** The same schema, whose numbers are no more than numbers. It has no encodings. */
const withNumbers: (ast: AST.AST) => AST.AST = memoize((ast) => {
  const { annotations, checks, context } = ast
  switch (ast._tag) {
    case "Number":
      return new AST.Number(annotations, checks === undefined ? finite : [...finite, ...checks], undefined, context)
    case "Objects":
      return new AST.Objects(
        ast.propertySignatures.map(({ name, type }) => new AST.PropertySignature(name, withNumbers(type))),
        ast.indexSignatures.map(({ parameter, type }) => new AST.IndexSignature(parameter, withNumbers(type))),
        annotations,
        checks,
        undefined,
        context
      )
    case "Arrays":
      return new AST.Arrays(
        ast.isMutable,
        ast.elements.map(withNumbers),
        ast.rest.map(withNumbers),
        annotations,
        checks,
        undefined,
        context
      )
    case "Union":
      return new AST.Union(ast.types.map(withNumbers), ast.options, annotations, checks, undefined, context)
    case "Declaration":
      return ast.typeParameters.length === 0
        ? ast
        : new AST.Declaration(ast.typeParameters.map(withNumbers), ast.run, annotations, checks, undefined, context)
    case "Suspend":
      return new AST.Suspend(() => withNumbers(ast.thunk()), annotations, checks, undefined, context)
    default:
      return ast
  }
})

/** What a schema says that goes without saying. */
const isNoise = (schema: Schema.JsonObject, key: string): boolean =>
  key === "minimum"
    ? schema.minimum === Number.MIN_SAFE_INTEGER
    : key === "maximum"
    ? schema.maximum === Number.MAX_SAFE_INTEGER
    : key === "additionalProperties" && schema.additionalProperties === true && isObject(schema.properties)

/** What `Schema.Struct({})` accepts, besides more. */
const anything = JSON.stringify({ not: { type: "null" } })

const withoutNoise = (schema: Schema.Json): Schema.Json =>
  isList(schema)
    ? schema.map(withoutNoise)
    : !isObject(schema)
    ? schema
    : JSON.stringify(schema) === anything
    ? { type: "object", additionalProperties: false }
    : Object.fromEntries(
      Object.entries(schema).flatMap(([key, value]) => isNoise(schema, key) ? [] : [[key, withoutNoise(value!)]])
    )

export const make = (schema: Schema.Constraint): Schema.Json =>
  withoutNoise(
    AiTool.getJsonSchemaFromSchema(Schema.make(withNumbers(AST.toEncoded(schema.ast)))) as unknown as Schema.Json
  )
