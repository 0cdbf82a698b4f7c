/**
 * The lines of a source from which it calls tools, read from the source: a running cell is not asked.
 *
 * @internal
 */
import { type AnyNode, parse } from "acorn"
import * as Result from "effect/Result"

type Sites = Record<string, Array<number>>

/** Lines of a tool, and characters of a line. */
const maxSites = 1000
const maxLine = 10_000

const add = (sites: Sites, tool: string, line: number): void => {
  const lines = sites[tool] ??= []
  if (lines.length < maxSites && !lines.includes(line)) {
    lines.push(line)
  }
}

const isNode = (value: unknown): value is AnyNode =>
  typeof value === "object" && value !== null && typeof (value as { readonly type?: unknown }).type === "string"

/** What is read in a line that no parser here understands, such as TypeScript. */
const inLines = (source: string): Sites => {
  const sites: Sites = Object.create(null)
  source.split("\n").forEach((text, index) => {
    for (
      const [, tool = ""] of text.slice(0, maxLine).matchAll(/\btools\s*\.\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu)
    ) {
      add(sites, tool, index + 1)
    }
  })
  return sites
}

/** The names that tools have of their own, as in `const { read: r } = tools`. What only gives one calls nothing. */
const namesIn = (node: AnyNode, names: Map<string, string>, given: Set<AnyNode>): void => {
  if (
    node.type === "VariableDeclarator" && node.init?.type === "Identifier" && node.init.name === "tools" &&
    node.id.type === "ObjectPattern"
  ) {
    for (const property of node.id.properties) {
      if (
        property.type === "Property" && property.key.type === "Identifier" && property.value.type === "Identifier"
      ) {
        names.set(property.value.name, property.key.name)
      }
    }
  }
  if (
    node.type === "VariableDeclarator" && node.id.type === "Identifier" && node.init?.type === "MemberExpression"
  ) {
    const tool = toolOf(node.init)
    if (tool !== undefined) {
      names.set(node.id.name, tool)
      given.add(node.init)
    }
  }
}

/** The tool that `tools.NAME` or `tools["NAME"]` is. */
const toolOf = (node: AnyNode): string | undefined => {
  if (node.type !== "MemberExpression" || node.object.type !== "Identifier" || node.object.name !== "tools") {
    return undefined
  }
  return !node.computed && node.property.type === "Identifier"
    ? node.property.name
    : node.property.type === "Literal" && typeof node.property.value === "string"
    ? node.property.value
    : undefined
}

/** Every node, without recursion: a source may be nested deeper than a stack. */
const visit = (program: AnyNode, see: (node: AnyNode) => void): void => {
  const waiting: Array<AnyNode> = [program]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    see(node)
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) {
        waiting.push(...value.filter(isNode))
      } else if (isNode(value)) {
        waiting.push(value)
      }
    }
  }
}

/** By tool, in order. */
export const find = (source: string): Readonly<Record<string, ReadonlyArray<number>>> => {
  const parsed = Result.try(() =>
    parse(source, { ecmaVersion: "latest", sourceType: "module", locations: true, allowHashBang: true })
  )
  if (Result.isFailure(parsed)) {
    return inLines(source)
  }
  const names = new Map<string, string>()
  const given = new Set<AnyNode>()
  visit(parsed.success, (node) => namesIn(node, names, given))
  const sites: Sites = Object.create(null)
  visit(parsed.success, (node) => {
    // What is only named may be handed to what calls it, as in `items.map(tools.read)`.
    const tool = given.has(node) ? undefined : toolOf(node) ??
      (node.type === "CallExpression" && node.callee.type === "Identifier" ? names.get(node.callee.name) : undefined)
    if (tool !== undefined) {
      add(sites, tool, node.loc!.start.line)
    }
  })
  for (const lines of Object.values(sites)) {
    lines.sort((a, b) => a - b)
  }
  return sites
}
