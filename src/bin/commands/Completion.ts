/**
 * What Tab makes of the end of a line at the prompt: commands, helpers, tools, and the keys of a tool's argument.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as TypeScript from "../../declarations/TypeScript.ts"
import type { ToolDefinition } from "../../Protocol.ts"
import * as Identifier from "../../text/Identifier.ts"
import type { Completion } from "../terminal/Prompt.ts"

/** The lines that are for the prompt itself. */
export const commands = [".tools", ".cells", ".wait", ".terminate", ".break", ".exit", ".help"] as const

const helpers = Array.from(new Set([...TypeScript.helperNames, "tools"])).toSorted()

/** How much of what was typed is looked at. */
const maxLength = 10_000

const strings = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`/g

const brackets = /\([^()[\]{}]*\)|\[[^()[\]{}]*\]|\{[^()[\]{}]*\}/g

/** What was typed without the strings and the brackets that are closed, as far as they are nested like in arguments. */
const open = (typed: string): string => {
  let rest = typed.slice(-maxLength).replace(strings, "0")
  for (let depth = 0; depth < 20; depth++) {
    rest = rest.replace(brackets, "0")
  }
  return rest
}

const argument = /\btools\.(?<tool>[\w$]+)\(\s*\{(?<members>[^()[\]{}]*)$/

const isIdentifier = /^[A-Za-z_$][\w$]*$/

/** The keys that the argument of the call that is being typed may have besides those that it has. */
const keys = (typed: string, tools: ReadonlyArray<ToolDefinition>): ReadonlyArray<string> => {
  const { members, tool: name } = argument.exec(open(typed))?.groups ?? {}
  const schema = tools.find((tool) => Identifier.fromName(tool.name) === name)?.inputSchema
  const properties = Predicate.isObject(schema) && Predicate.isObject(schema.properties) ? schema.properties : {}
  // Behind a colon there is a value.
  if (members === undefined || !/(?:^|,)\s*$/.test(members)) {
    return []
  }
  const given = new Set(Array.from(members.matchAll(/(?:^|,)\s*([\w$]+)/g), ([, key]) => key))
  return Object.keys(properties).filter((key) => isIdentifier.test(key) && !given.has(key)).map((key) => `${key}: `)
}

/** What the last word of a line may become; `before` are the lines that were typed before it. */
export const complete = (before: string, line: string, tools: ReadonlyArray<ToolDefinition>): Completion => {
  const starting = (word: string, words: ReadonlyArray<string>): Completion => ({
    word,
    words: words.filter((each) => each.startsWith(word))
  })
  const names = () => tools.map(({ name }) => Identifier.fromName(name))
  const wanted = before === "" ? /^\.tools\s+(?<name>[\w$]*)$/.exec(line)?.groups?.name : undefined
  if (wanted !== undefined) {
    return starting(wanted, names())
  }
  const word = /[\w$.]*$/.exec(line)?.[0] ?? ""
  const asked = keys(`${before}\n${line.slice(0, line.length - word.length)}`, tools)
  return asked.length > 0
    ? starting(word, asked)
    : starting(word, [
      ...(word === line ? commands : []),
      ...helpers,
      ...names().map((name) => `tools.${name}`)
    ])
}
