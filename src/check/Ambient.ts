/**
 * What the compiler is told of a cell: its tools and helpers as declarations, and how strictly to look.
 *
 * **Details**
 *
 * What no schema promises is not held against a cell: where the result of a tool is unknown, it is `any` here, and a block
 * of content has the members of every kind of block, and so has what `as_settled` gives.
 *
 * At the level `names` the results of tools are `any` altogether. And the cell is looked at twice: what is wrong even if
 * nothing is known of tools and helpers is the cell's own affair.
 *
 * @internal
 */
import * as TypeScript from "../declarations/TypeScript.ts"
import type { ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import { isObject } from "../text/JsonValue.ts"

/** How strictly to look. */
export type Level = "names" | "strict"

/** What the compiler calls the members of `tools` together, and a value that must be no promise. */
export const toolsType = "Tools"
export const promiseType = "NotAPromise"

// =============================================================================
// Tools
// =============================================================================

/** `unknown` as a type; not in a text, in a comment or as the name of a member. */
const unknowns = /"(?:[^"\\]|\\.)*"|\/\*[^]*?\*\/|\bunknown\b(?!\s*[?:(])/g

const withoutUnknown = (type: string) => type.replace(unknowns, (found) => found === "unknown" ? "any" : found)

/** A tool that needs no argument can be called with nothing. */
const isOptional = ({ inputSchema, kind, variadic }: ToolDefinition): boolean =>
  variadic !== true && kind !== "freeform" && (inputSchema === undefined || inputSchema === true ||
    isObject(inputSchema) && (!Array.isArray(inputSchema.required) || inputSchema.required.length === 0) &&
      ["anyOf", "oneOf", "allOf", "$ref", "not", "if", "minProperties", "dependentRequired"].every((key) =>
        !Object.hasOwn(inputSchema, key)
      ))

const member = (level: Level) => (tool: ToolDefinition): string => {
  const { parameters, result } = TypeScript.typesOf(tool)
  const taken = isOptional(tool) ? parameters.replace(/^args:/, "args?:") : parameters
  return `${Identifier.fromName(tool.name)}(${taken}): Promise<${level === "names" ? "any" : withoutUnknown(result)}>;`
}

/** Every kind of block has what another one has. */
const anyBlock = "{ text: any; data: any; mimeType: any; resource: any; uri: any; name: any }"

const mcpTypes = withoutUnknown(TypeScript.mcpTypes).replace(
  /^type ContentBlock = .*$/m,
  (line) =>
    `${line.replace("ContentBlock", "ContentBlockOfKind")}\ntype ContentBlock = ContentBlockOfKind & ${anyBlock};`
)

// =============================================================================
// Helpers
// =============================================================================

/** Helpers whose value is put out or kept as it is, which a promise cannot be. */
const takesNoPromise = ["text", "notify"]

const helpers = [
  `interface ${promiseType} { "a promise": "is not a value" }`,
  "type IsPromise<T> = 0 extends 1 & T ? false : [T] extends [never] ? false : T extends PromiseLike<any> ? true : false;",
  `type Value<T> = true extends IsPromise<T> | (T extends ReadonlyArray<infer E> ? IsPromise<E> : false) ? ${promiseType} : unknown;`,
  takesNoPromise.reduce(
    (types, name) => types.replace(`function ${name}(value: unknown)`, `function ${name}<T>(value: T & Value<T>)`),
    TypeScript.cellTypes.replace(
      /^type Settled<K, V> = .*$/m,
      "type Settled<K, V> = { index: K; status: \"fulfilled\" | \"rejected\"; value: V; reason: any };"
    )
  ).replace("exit(): never", "exit(...values: Array<any>): never").replace(
    "store(key: string, value: unknown)",
    "store<T>(key: string, value: T & Value<T>)"
  )
].join("\n")

const console =
  "declare var console: { [Name in \"log\" | \"info\" | \"warn\" | \"error\" | \"debug\" | \"trace\" | \"dir\" | " +
  "\"table\" | \"assert\" | \"group\" | \"groupCollapsed\" | \"groupEnd\" | \"time\" | \"timeEnd\" | \"timeLog\" | \"count\" | " +
  "\"countReset\" | \"clear\"]: (...values: Array<any>) => void };"

/** How the globals of a cell differ. */
export interface Globals {
  /** Whether there is a `console`. */
  readonly console: boolean
  /** Whether `text` takes several values. */
  readonly variadicText: boolean
}

/** The declarations of a cell. */
export const declarations = (level: Level, tools: ReadonlyArray<ToolDefinition>, globals: Globals): string =>
  [
    mcpTypes,
    globals.variadicText
      ? helpers.replace("(value: T & Value<T>)", "(value: T & Value<T>, ...more: Array<any>)")
      : helpers,
    ...globals.console ? [console] : [],
    `interface ${toolsType} {\n${tools.map(member(level)).join("\n")}\n}`,
    `declare var tools: ${toolsType};`
  ].join("\n")

/** Those of a cell of which nothing is known. */
export const open = `declare var ${
  [...new Set([...TypeScript.helperNames, "tools", "console"])].map((name) => `${name}: any`).join(", ")
};`

// =============================================================================
// Projects
// =============================================================================

const common = {
  noEmit: true,
  lib: ["esnext"],
  types: [],
  target: "esnext",
  module: "esnext",
  moduleDetection: "force",
  // No other file takes part, whatever a source says.
  noResolve: true,
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
  // What is assigned to `let best = null` later has a type then; that a parameter has none is no mistake.
  noImplicitAny: true
}

const options = {
  names: common,
  strict: {
    ...common,
    strict: true,
    noImplicitThis: false,
    strictPropertyInitialization: false,
    useUnknownInCatchVariables: false
  }
}

/** The configuration of a project: the declarations, and a file for each language. */
export const project = (level: Level, declarations: string, files: ReadonlyArray<string>): string =>
  JSON.stringify({ compilerOptions: options[level], files: [declarations, ...files] })
