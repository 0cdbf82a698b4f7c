/**
 * Tools that find tools, for catalogues that are too large to be shown to a model.
 *
 * **Details**
 *
 * A cell calls `tools.search(query)` or `tools.search(query, { limit })`, and gets the tools that fit best, each with its
 * name and the first sentence of its description; and `tools.describe(name)` for everything there is to know of one.
 *
 * **Example** (A session whose cells can look for tools)
 *
 * ```ts
 * import * as Catalogue from "effect-code-mode/Catalogue"
 * import * as Mcp from "effect-code-mode/Mcp"
 *
 * const delegate = Catalogue.layer(Mcp.layer([{ name: "gitlab", command: "npx", args: ["-y", "@zereight/mcp-gitlab"] }]))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import MiniSearch from "minisearch"
import * as Summary from "./declarations/Summary.ts"
import * as TypeScript from "./declarations/TypeScript.ts"
import { definition, type Delegate, mapLayer } from "./Delegate.ts"
import * as Shape from "./delegate/Shape.ts"
import { type NestedToolCall, type ToolDefinition, ToolError } from "./Protocol.ts"
import * as Identifier from "./text/Identifier.ts"
import { isObject } from "./text/JsonValue.ts"

const defaultLimit = 10
const maxLimit = 100
const maxQuery = 1000
const maxShown = 200

// =============================================================================
// What is found
// =============================================================================

interface Entry {
  readonly id: number
  readonly name: string
  readonly description: string
  readonly parameters: string
}

/** The names of a tool's parameters, and what is said of them. */
const parametersOf = ({ inputSchema }: ToolDefinition): string =>
  isObject(inputSchema) && isObject(inputSchema.properties)
    ? Object.entries(inputSchema.properties).map(([name, schema]) =>
      `${name} ${isObject(schema) && typeof schema.description === "string" ? schema.description : ""}`
    ).join("\n")
    : ""

/** Words as people write them, and as programs do: `readTextFile`, `read_text_file`. */
const words = (text: string): Array<string> =>
  text.replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/gu, " ").split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "")

const makeIndex = (tools: ReadonlyArray<ToolDefinition>): MiniSearch<Entry> => {
  const index = new MiniSearch<Entry>({
    fields: ["name", "description", "parameters"],
    tokenize: words,
    searchOptions: { boost: { name: 3, description: 2 }, prefix: true, fuzzy: 0.2 }
  })
  index.addAll(tools.map((tool, id) => ({
    id,
    name: tool.name,
    description: tool.description,
    parameters: parametersOf(tool)
  })))
  return index
}

const indexOf = memoize(makeIndex)

/**
 * The tools that fit a query best, as `tools.search` finds them.
 *
 * @category combinators
 * @since 0.1.0
 */
export const find = (
  tools: ReadonlyArray<ToolDefinition>,
  query: string,
  limit: number = defaultLimit
): ReadonlyArray<ToolDefinition> =>
  indexOf(tools).search(query.slice(0, maxQuery)).slice(0, limit).map(({ id }) => tools[Number(id)]!)

// =============================================================================
// The tools
// =============================================================================

/** The schema of an object with these members, all of them text. */
const texts = (...names: ReadonlyArray<string>): Schema.JsonObject => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names
})

const query: Schema.Json = { type: "string", description: "What the tool should do, in a few words" }

const limit: Schema.Json = { type: "integer", minimum: 1, maximum: maxLimit, default: defaultLimit }

/** What `search` is called with: two arguments, or an object with both. */
const asked: Schema.Json = {
  type: "array",
  minItems: 1,
  prefixItems: [
    {
      title: "query",
      anyOf: [query, { type: "object", properties: { query, limit }, required: ["query"] }]
    },
    { title: "options", type: "object", properties: { limit } }
  ]
}

/** The definitions of both, under names that no other tool has. */
const definitions = (tools: ReadonlyArray<ToolDefinition>) => {
  const taken = new Set(tools.map(({ name }) => Identifier.fromName(name)))
  const define = (
    base: string,
    description: string,
    inputSchema: Schema.Json,
    outputSchema: Schema.Json,
    variadic = false
  ): ToolDefinition => {
    const name = Identifier.free(base, taken)
    return {
      ...definition(name, {
        description: name === base
          ? description
          : `${description}\n(It is called ${name} as there is another ${base}.)`,
        inputSchema,
        outputSchema,
        annotations: { readOnly: true, idempotent: true }
      }),
      ...(variadic ? { variadic } : {})
    }
  }
  return {
    search: define(
      "search",
      "Finds tools by what they do: the ones that fit best come first",
      asked,
      { type: "array", items: texts("name", "description") },
      true
    ),
    describe: define(
      "describe",
      "Says everything about a tool: its description, and its declaration in TypeScript",
      { anyOf: [{ type: "string", description: "The name of the tool" }, texts("name")] },
      texts("name", "description", "declaration")
    )
  }
}

const fail = (text: string) => Effect.fail(new ToolError({ text }))

/** The text that a call is given, alone or as a member. */
const textIn = (input: Schema.Json | undefined, key: string): string | undefined => {
  const value = isObject(input) ? input[key] : input
  return typeof value === "string" ? value : undefined
}

const search = (
  tools: ReadonlyArray<ToolDefinition>,
  name: string,
  input: Schema.Json | undefined
): Effect.Effect<Schema.Json, ToolError> => {
  const [first, second]: ReadonlyArray<Schema.Json> = Array.isArray(input) ? input : [input]
  const query = textIn(first, "query")
  const limit = [second, first].map((each) => isObject(each) ? each.limit : undefined).find(Predicate.isNotNullish) ??
    defaultLimit
  return query === undefined || query.length > maxQuery
    ? fail(`tools.${name} takes a query: some text, of at most ${maxQuery} characters`)
    : typeof limit !== "number" || !Number.isInteger(limit) || limit < 1 || limit > maxLimit
    ? fail(`tools.${name} takes a limit from 1 to ${maxLimit}`)
    : Effect.sync(() =>
      find(tools, query, limit).map(({ description, name }) => ({
        name: Identifier.fromName(name),
        description: Summary.fromDescription(description)
      }))
    )
}

const describe = (
  tools: ReadonlyArray<ToolDefinition>,
  name: string,
  input: Schema.Json | undefined
): Effect.Effect<Schema.Json, ToolError> => {
  const wanted = textIn(input, "name")
  if (wanted === undefined) {
    return fail(`tools.${name} takes the name of a tool`)
  }
  const tool = tools.find(({ name }) => Identifier.fromName(name) === wanted) ??
    tools.find(({ toolName }) => toolName.name === wanted)
  if (tool !== undefined) {
    return Effect.sync(() => ({
      name: Identifier.fromName(tool.name),
      description: tool.description,
      declaration: TypeScript.signature(tool)
    }))
  }
  const [nearest] = find(tools, wanted, 1)
  const hint = nearest === undefined ? "" : `; there is ${Identifier.fromName(nearest.name)}`
  return fail(`there is no tool ${JSON.stringify(wanted.slice(0, maxShown))}${hint}`)
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many tools there have to be for there to be two more that find them: 1, unless given. */
  readonly from?: number | undefined
}

/**
 * The same tools, and two that find them. Where there already is a tool named `search` or `describe`, ours is `search_2`
 * or `describe_2`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (delegate: Delegate["Service"], { from = 1 }: Options = {}): Delegate["Service"] => {
  const ownOf = memoize(definitions)
  const isCallOf = ({ toolName }: NestedToolCall, definition: ToolDefinition) =>
    toolName.namespace === null && toolName.name === definition.toolName.name
  return Shape.change(delegate, {
    tools: (tools) => {
      const { describe, search } = ownOf(tools)
      return Shape.forCells(tools).length < from ? tools : [...tools, search, describe]
    },
    invokeTool: (call) =>
      Effect.suspend(() => {
        const own = ownOf(delegate.tools)
        const tools = Shape.forCells(delegate.tools)
        return isCallOf(call, own.search)
          ? search(tools, own.search.name, call.input)
          : isCallOf(call, own.describe)
          ? describe(tools, own.describe.name, call.input)
          : delegate.invokeTool(call)
      })
  })
}

/**
 * The delegate of a layer, with tools that find its tools.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  layer: Layer.Layer<Delegate, E, R>,
  options?: Options
): Layer.Layer<Delegate, E, R> => mapLayer((delegate) => make(delegate, options))(layer)
