/**
 * `--list-tools[=names|NAME]`: the tools as a cell would see them, in TypeScript.
 *
 * @internal
 */
import * as Declarations from "../../Declarations.ts"
import * as Summary from "../../declarations/Summary.ts"
import type { ToolDefinition } from "../../Protocol.ts"
import * as Identifier from "../../text/Identifier.ts"
import * as Event from "../report/Event.ts"
import { empty, foreign, join, type Printable, text } from "../terminal/Printable.ts"

type Instructions = ReadonlyMap<string, string> | undefined

/** The tools and the types of their results. */
export const render = (tools: ReadonlyArray<ToolDefinition>, instructions?: Instructions): Printable =>
  foreign("declarations", Declarations.ofTools(tools, instructions), "code")

/** A declaration file: everything that a cell finds. */
export const file = (tools: ReadonlyArray<ToolDefinition>, instructions?: Instructions): Printable =>
  foreign(
    "declaration file",
    `${Declarations.cellTypes}\n\n${Declarations.ofTools(tools, instructions)}`,
    "code"
  )

/** A line for each tool: its name, and what it is for. */
export const names = (tools: ReadonlyArray<ToolDefinition>): Printable =>
  join(tools.map(({ description, name }) => {
    const summary = Summary.fromDescription(description)
    const rest = summary === "" ? empty : text`  ${foreign("summary of a tool", summary, "prose")}`
    return text`${foreign("name in a list", Identifier.fromName(name), "word")}${rest}\n`
  }))

/** A line of JSON for each tool. */
export const json = (tools: ReadonlyArray<ToolDefinition>): Printable =>
  join(tools.map((tool) =>
    Event.toLine({
      type: "tool",
      name: Identifier.fromName(tool.name),
      description: tool.description,
      declaration: Declarations.ofTool(tool)
    })
  ))
