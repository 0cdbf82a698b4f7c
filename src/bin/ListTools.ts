/**
 * `--list-tools`: the tools as a cell would see them, in TypeScript.
 *
 * @internal
 */
import * as SchemaComment from "../codemode/SchemaComment.ts"
import * as TypeScript from "../codemode/TypeScript.ts"
import * as Identifier from "../internal/Identifier.ts"
import type { ToolDefinition } from "../Protocol.ts"
import * as Event from "./Event.ts"
import * as Colours from "./terminal/Colours.ts"
import { foreign, join, type Printable } from "./terminal/Printable.ts"

const indent = (text: string) => text.replace(/^(?=.)/gm, "  ")

const documentation = (description: string): string => {
  const lines = Colours.without(description).replaceAll("*/", "* /").trim().split(/\r\n|[\n\r]/)
  return lines.length === 1
    ? lines[0] === "" ? "" : `/** ${lines[0]} */\n`
    : `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */\n`
}

type Instructions = ReadonlyMap<string, string> | undefined

/** The members of `tools`, with what a server says of its tools above the first of them. */
const members = (tools: ReadonlyArray<ToolDefinition>, instructions: Instructions) => {
  let last: string | null = null
  return tools.map((tool) => {
    const { namespace } = tool.toolName
    const said = namespace === null || namespace === last ? undefined : instructions?.get(namespace)
    last = namespace
    const comment = said === undefined ? [] : SchemaComment.lines(said)
    return `${comment.map((line) => `// ${line}\n`).join("")}${comment.length === 0 ? "" : "\n"}` +
      `${documentation(tool.description)}${TypeScript.signature(tool)}\n`
  })
}

const declarations = (tools: ReadonlyArray<ToolDefinition>, instructions: Instructions): string => {
  const types = tools.some(TypeScript.usesMcpTypes) ? `${TypeScript.mcpTypes}\n\n` : ""
  return tools.length === 0
    ? ""
    : `${types}declare const tools: {\n${indent(members(tools, instructions).join("\n"))}};\n`
}

/** The tools and the types of their results. */
export const render = (tools: ReadonlyArray<ToolDefinition>, instructions?: Instructions): Printable =>
  foreign("declarations", declarations(tools, instructions), "code")

/** A declaration file: everything that a cell finds. */
export const file = (tools: ReadonlyArray<ToolDefinition>, instructions?: Instructions): Printable =>
  foreign("declaration file", `${TypeScript.cellTypes}\n\n${declarations(tools, instructions)}`, "code")

/** A line of JSON for each tool. */
export const json = (tools: ReadonlyArray<ToolDefinition>): Printable =>
  join(tools.map((tool) =>
    Event.toLine({
      type: "tool",
      name: Identifier.fromName(tool.name),
      description: tool.description,
      declaration: TypeScript.signature(tool)
    })
  ))
