/**
 * The TypeScript type of the values that a JSON schema accepts.
 *
 * **Details**
 *
 * A type is never wrong: what a schema accepts has the type, and what cannot be said in a type is left to comments, or
 * `unknown`. One thing is taken as schemas mean it, not as they say it: members that an object does not mention are
 * only there where `additionalProperties` or `patternProperties` say so.
 *
 * What a type may cost is bounded, because schemas are foreign: a reference is followed into itself twice, and 32 are
 * followed for each member. A type that is longer than 16,000 bytes is made shorter a member at a time: the longest one
 * loses its inner comments first, and then its inner structure.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { isList, isObject } from "../text/JsonValue.ts"
import * as ObjectShape from "./ObjectShape.ts"
import * as SchemaComment from "./SchemaComment.ts"
import * as TypeText from "./TypeText.ts"

const maxNestedExpansions = 2
const maxExpansions = 32
const maxLength = 16_000
const maxWork = 64_000
const maxTotalWork = 4_000_000
const maxUnion = 4_000

type Json = Schema.Json
type JsonObject = Schema.JsonObject

// =============================================================================
// How much is said
// =============================================================================

/** How many levels of objects and lists are described, and which members have comments. */
interface Detail {
  readonly depth: number
  readonly comments: "all" | "outer" | "none"
}

const full: Detail = { depth: Number.POSITIVE_INFINITY, comments: "all" }

/** What a type that is too long has instead, the first that fits. */
const shorter: ReadonlyArray<Detail> = [
  { depth: Number.POSITIVE_INFINITY, comments: "outer" },
  { depth: 4, comments: "outer" },
  { depth: 2, comments: "outer" },
  { depth: 1, comments: "outer" },
  { depth: 1, comments: "none" }
]

/** The rendering of one type within a document. */
interface Rendering {
  readonly root: Json
  readonly detail: Detail
  /** The pointers that are being expanded, each as often as it is. */
  readonly open: Array<string>
  expansions: number
  /** The resources within the document that enclose what is being rendered: there, a local reference is not ours. */
  resources: number
  /** The objects and lists that enclose what is being rendered. */
  depth: number
  work: number
}

const begin = (root: Json, detail: Detail): Rendering => ({
  root,
  detail,
  open: [],
  expansions: 0,
  resources: 0,
  depth: 0,
  work: 0
})

/** The type is too long to be of use. */
class TooLong extends Error {}

// =============================================================================
// References
// =============================================================================

/** The segments of a local reference: `#/$defs/A` has two. */
const segments = (reference: string): ReadonlyArray<string> | undefined => {
  if (!/^#(\/|$)/.test(reference)) {
    return undefined
  }
  try {
    return decodeURIComponent(reference).split("/").slice(1)
      .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"))
  } catch {
    // A percent sign that encodes nothing.
    return undefined
  }
}

/** What an anchor among the definitions of a document stands for. */
const anchored = (root: Json, name: string): Json | undefined =>
  isObject(root)
    ? [root.$defs, root.definitions].flatMap((definitions) => isObject(definitions) ? Object.values(definitions) : [])
      .find((definition) => isObject(definition) && definition.$anchor === name)
    : undefined

/** What a reference points to. */
const resolve = (self: Rendering, reference: string): Json | undefined => {
  if (self.resources > 0) {
    return undefined
  }
  const path = segments(reference)
  if (path === undefined) {
    return reference.startsWith("#") ? anchored(self.root, reference.slice(1)) : undefined
  }
  let target: Json | undefined = self.root
  for (const segment of path) {
    target = isList(target)
      ? target[Number(segment)]
      : isObject(target) && Object.hasOwn(target, segment)
      ? target[segment]
      : undefined
  }
  return target
}

const expand = (self: Rendering, reference: string): string => {
  const target = resolve(self, reference)
  if (target === undefined) {
    return "unknown"
  }
  const nested = self.open.filter((each) => each === reference).length
  if (nested >= maxNestedExpansions || self.expansions >= maxExpansions) {
    return "unknown"
  }
  self.expansions++
  self.open.push(reference)
  const type = render(self, target)
  self.open.pop()
  return type
}

/** The schema for its comment: where it has none of its own, that of what it refers to. */
const described = (self: Rendering, schema: Json): Json => {
  if (!isObject(schema) || typeof schema.$ref !== "string" || typeof schema.description === "string") {
    return schema
  }
  const target = resolve(self, schema.$ref)
  // Its title is the name of a type.
  return isObject(target) ? { ...target, title: "", ...schema } : schema
}

// =============================================================================
// Objects
// =============================================================================

const hasComments = ({ depth, detail: { comments } }: Rendering) =>
  comments === "all" || comments === "outer" && depth <= 1

const member = (self: Rendering, shape: ObjectShape.ObjectShape, name: string): TypeText.Member => {
  const schema = Object.hasOwn(shape.properties, name) ? shape.properties[name]! : shape.undescribed
  const isRequired = shape.required.has(name)
  return {
    name: TypeText.propertyName(name),
    isRequired,
    type: ObjectShape.inherited.has(name) && !isRequired ? "unknown" : render(self, schema),
    comment: hasComments(self) ? SchemaComment.comment(name, described(self, schema)) : []
  }
}

/** The signature of the members that are not named. It has to hold for those that are, too. */
const indexSignature = (
  self: Rendering,
  { others }: ObjectShape.ObjectShape,
  members: ReadonlyArray<{ readonly isRequired: boolean; readonly type: string }>
): ReadonlyArray<string> =>
  others.length === 0 ? [] : [
    `[key: string]: ${
      TypeText.union([
        ...others.map((other) => render(self, other)),
        ...members.map(({ type }) => type),
        ...members.some(({ isRequired }) => !isRequired) ? ["undefined"] : []
      ])
    };`
  ]

const renderObject = (self: Rendering, schema: JsonObject): string => {
  if (self.depth >= self.detail.depth) {
    return TypeText.generic
  }
  const shape = ObjectShape.shapeOf(schema)
  self.depth++
  const members = ObjectShape.memberNames(shape).map((name) => member(self, shape, name))
  const index = indexSignature(self, shape, members)
  self.depth--
  return TypeText.objectText(members, index)
}

// =============================================================================
// Lists
// =============================================================================

const renderTuple = (self: Rendering, schema: JsonObject, items: ReadonlyArray<Json>, rest: Json): string => {
  const { maxItems, minItems } = schema
  const least = typeof minItems === "number" ? minItems : 0
  const most = typeof maxItems === "number" ? maxItems : Number.POSITIVE_INFINITY
  const elements = items.slice(0, most).map((item, index) => {
    const type = render(self, item)
    return index < least ? type : /^\w+$/.test(type) ? `${type}?` : `(${type})?`
  })
  const others = rest === false || most <= items.length ? [] : [`...Array<${render(self, rest)}>`]
  return `[${[...elements, ...others].join(", ")}]`
}

const renderArray = (self: Rendering, schema: JsonObject): string => {
  if (self.depth >= self.detail.depth) {
    return "unknown[]"
  }
  self.depth++
  const { items, prefixItems } = schema
  const type = isList(prefixItems)
    ? renderTuple(self, schema, prefixItems, items ?? true)
    : isList(items)
    ? renderTuple(self, schema, items, schema.additionalItems ?? true)
    : items === undefined || items === true
    ? "unknown[]"
    : `Array<${render(self, items)}>`
  self.depth--
  return type
}

// =============================================================================
// Schemas
// =============================================================================

const renderType = (self: Rendering, schema: JsonObject, type: Json): string => {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type
    case "number":
    case "integer":
      return "number"
    case "array":
      return renderArray(self, schema)
    case "object":
      return renderObject(self, schema)
    default:
      return "unknown"
  }
}

const kindOf = (value: Json) =>
  value === null ? "null" : isList(value) ? "unknown[]" : isObject(value) ? TypeText.generic : typeof value

/** The type of some values: these, or their kinds where they are too many. */
const literals = (values: ReadonlyArray<Json>): string => {
  const exact = TypeText.union(values.map((value) => JSON.stringify(value)))
  return exact.length <= maxUnion ? exact : TypeText.union(values.map(kindOf))
}

const has = (schema: JsonObject, keywords: ReadonlyArray<string>) =>
  keywords.some((keyword) => Object.hasOwn(schema, keyword))

const objectKeywords = [
  "properties",
  "additionalProperties",
  "required",
  "patternProperties",
  "dependentSchemas",
  "dependencies",
  "then",
  "else"
]

const arrayKeywords = ["items", "prefixItems"]

/** The type that a schema has by itself, without the others that it is combined of. */
const renderOwn = (self: Rendering, schema: JsonObject): string =>
  schema.const !== undefined
    ? literals([schema.const])
    : isList(schema.enum) && schema.enum.length > 0
    ? literals(schema.enum)
    : isList(schema.type)
    ? TypeText.union(schema.type.map((type) => renderType(self, schema, type)))
    : schema.type !== undefined && schema.type !== null
    ? renderType(self, schema, schema.type)
    : has(schema, objectKeywords)
    ? renderObject(self, schema)
    : has(schema, arrayKeywords)
    ? renderArray(self, schema)
    : "unknown"

const describing = ["properties", "additionalProperties", "patternProperties", "anyOf", "oneOf", "allOf", "$ref"]

/** A part of an object that says no more than which members there are has no others. */
const renderPart = (self: Rendering, schema: JsonObject, part: Json): string =>
  isObject(part) && isList(part.required) && !has(part, describing) && has(schema, ["properties"])
    ? TypeText.objectText(
      ObjectShape.namesIn(part.required).map((name) => ({
        name: TypeText.propertyName(name),
        isRequired: true,
        type: "unknown",
        comment: []
      }))
    )
    : render(self, part)

const choicesOf = (schema: JsonObject) => [schema.anyOf, schema.oneOf].filter(isList).filter(({ length }) => length > 0)

/** The types that a schema is combined of, besides its own. */
const renderParts = (self: Rendering, schema: JsonObject): ReadonlyArray<string> => [
  ...typeof schema.$ref === "string" ? [expand(self, schema.$ref)] : [],
  ...choicesOf(schema).map((choices) => TypeText.union(choices.map((choice) => renderPart(self, schema, choice)))),
  ...isList(schema.allOf)
    ? schema.allOf.filter((part) => !ObjectShape.isCondition(part)).map((part) => renderPart(self, schema, part))
    : []
]

const isPlainObject = (schema: JsonObject) =>
  schema.const === undefined && schema.enum === undefined && schema.type === "object" &&
  ObjectShape.isGeneric(ObjectShape.shapeOf(schema))

const renderSchema = (self: Rendering, schema: Json): string => {
  if (schema === false) {
    return "never"
  }
  if (!isObject(schema)) {
    return "unknown"
  }
  const parts = renderParts(self, schema)
  const combined = TypeText.intersection(parts)
  // That it is an object says nothing that its parts do not say better.
  const type = combined !== "unknown" && isPlainObject(schema)
    ? combined
    : TypeText.intersection([renderOwn(self, schema), ...parts])
  return schema.nullable === true ? TypeText.union([type, "null"]) : type
}

const render = (self: Rendering, schema: Json): string => {
  const inner = schema !== self.root && isObject(schema) && schema.$id !== undefined ? 1 : 0
  self.resources += inner
  const type = renderSchema(self, schema)
  self.resources -= inner
  self.work += type.length
  if (self.work > maxWork) {
    throw new TooLong()
  }
  return type
}

// =============================================================================
// Documents
// =============================================================================

/** How much work all renderings of a document may still be. */
interface Budget {
  left: number
}

/** Renders something of a document, if that does not take too much. */
const attempt = <A>(root: Json, detail: Detail, budget: Budget, action: (self: Rendering) => A): A | undefined => {
  if (budget.left <= 0) {
    return undefined
  }
  const self = begin(root, detail)
  try {
    return action(self)
  } catch (error) {
    // A schema that is nested without measure runs out of stack.
    if (error instanceof TooLong || error instanceof RangeError) {
      return undefined
    }
    throw error
  } finally {
    budget.left -= self.work + 1
  }
}

const fits = (type: string | undefined): type is string => type !== undefined && Buffer.byteLength(type) <= maxLength

/** Renders a schema in as much detail as there is room for. */
const renderAlike = (root: Json, schema: Json, budget: Budget): string => {
  for (const detail of shorter) {
    const type = attempt(root, detail, budget, (self) => render(self, schema))
    if (fits(type)) {
      return type
    }
  }
  return "unknown"
}

const sizeOf = (each: TypeText.Member) =>
  each.comment.reduce(
    (sum, line) => sum + Buffer.byteLength(line) + 6,
    Buffer.byteLength(TypeText.memberText(each)) + 3
  )

/** How much each of some things may have of a whole, so that those that want less have what they want. */
const fairShare = (wanted: ReadonlyArray<number>, whole: number): number => {
  let left = whole
  const sorted = wanted.toSorted((a, b) => a - b)
  for (const [index, want] of sorted.entries()) {
    const share = left / (sorted.length - index)
    if (want > share) {
      return share
    }
    left -= want
  }
  return Number.POSITIVE_INFINITY
}

/** Renders an object whose members have each as much detail as there is room for. */
const renderMembers = (root: Json, schema: JsonObject, budget: Budget): string => {
  const own = ObjectShape.shapeOf(schema)
  // What other parts of the schema say of the object is left out; their members may be there.
  const shape = isCombined(schema) ? { ...own, others: [...own.others, true] } : own
  const inDetail = (name: string, detail: Detail) =>
    attempt(root, detail, budget, (self) => {
      self.depth++
      return member(self, shape, name)
    })
  const bare = (name: string): TypeText.Member => ({
    name: TypeText.propertyName(name),
    isRequired: shape.required.has(name),
    type: "unknown",
    comment: []
  })
  /** The members of these names, each in as much detail as there is room for among them. */
  const fitting = (names: ReadonlyArray<string>): ReadonlyArray<TypeText.Member> => {
    const wanted = names.map((name) => inDetail(name, full))
    const share = fairShare(
      wanted.map((each) => each === undefined ? Number.POSITIVE_INFINITY : sizeOf(each)),
      maxLength
    )
    return wanted.map((each, index) => {
      if (each !== undefined && sizeOf(each) <= share) {
        return each
      }
      const name = names[index]!
      for (const detail of shorter) {
        const rendered = inDetail(name, detail)
        if (rendered !== undefined && sizeOf(rendered) <= share) {
          return rendered
        }
      }
      return bare(name)
    })
  }
  const names = ObjectShape.memberNames(shape)
  const members = fitting(names)
  const index = attempt(root, shorter.at(-1)!, budget, (self) => indexSignature(self, shape, members))
  const complete = TypeText.objectText(members, index ?? ["[key: string]: unknown;"])
  if (fits(complete)) {
    return complete
  }
  const required = TypeText.objectText(fitting(names.filter((name) => shape.required.has(name))), [
    "[key: string]: unknown;"
  ])
  return fits(required) ? required : TypeText.generic
}

const isCombined = (schema: JsonObject) => has(schema, ["anyOf", "oneOf", "allOf", "$ref"])

/** The object that a schema is, behind the reference that it may consist of. */
const objectIn = (root: Json, schema: Json): JsonObject | undefined => {
  const self = begin(root, full)
  const isReference = isObject(schema) && typeof schema.$ref === "string" && !has(schema, [...objectKeywords, "type"])
  const target = isReference ? resolve(self, String(schema.$ref)) : schema
  return isObject(target) && isObject(target.properties) && (target.type ?? "object") === "object" &&
      target.nullable !== true
    ? target
    : undefined
}

/** The type of the values that a schema within a document accepts. */
export const toType = (root: Json, schema: Json): string => {
  const budget: Budget = { left: maxTotalWork }
  const type = attempt(root, full, budget, (self) => render(self, schema))
  if (fits(type)) {
    return type
  }
  const object = objectIn(root, schema)
  return object === undefined ? renderAlike(root, schema, budget) : renderMembers(root, object, budget)
}
