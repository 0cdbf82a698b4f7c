/**
 * `--list-tools`: the tools as a cell would see them, in TypeScript.
 *
 * @internal
 */
import * as TypeScript from "../codemode/TypeScript.ts"
import * as Identifier from "../internal/Identifier.ts"
import type { ToolDefinition } from "../Protocol.ts"
import * as Event from "./Event.ts"
import * as Colours from "./terminal/Colours.ts"
import { empty, foreign, join, type Printable } from "./terminal/Printable.ts"

const indent = (text: string) => text.replace(/^(?=.)/gm, "  ")

const documentation = (description: string): string => {
  const lines = Colours.without(description).replaceAll("*/", "* /").trim().split(/\r\n|[\n\r]/)
  return lines.length === 1
    ? lines[0] === "" ? "" : `/** ${lines[0]} */\n`
    : `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */\n`
}

/** A declaration file. */
export const render = (tools: ReadonlyArray<ToolDefinition>): Printable => {
  const members = tools.map((tool) => `${documentation(tool.description)}${TypeScript.signature(tool)}\n`)
  const types = tools.some(TypeScript.usesMcpTypes) ? `${TypeScript.mcpTypes}\n\n` : ""
  return tools.length === 0
    ? empty
    : foreign("declarations", `${types}declare const tools: {\n${indent(members.join("\n"))}};\n`, "code")
}

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
