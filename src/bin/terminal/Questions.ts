/**
 * The person at the terminal is talked with; and what servers ask: a message, and some values, one after the other.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Schema from "effect/Schema"
import * as SchemaComment from "../../declarations/SchemaComment.ts"
import type { Elicitation, ElicitationAnswer } from "../../Mcp.ts"
import { isObject } from "../../text/JsonValue.ts"
import type { Reporter } from "../report/Reporter.ts"
import { empty, foreign, type Printable, text } from "./Printable.ts"
import * as Printer from "./Printer.ts"
import * as Prompt from "./Prompt.ts"
import * as Screen from "./Screen.ts"

/** Talks with the person at a prompt. The end of the input is an answer, too. */
export type Converse = <A>(
  talk: (prompt: Prompt.Prompt) => Effect.Effect<A, Cause.Done>,
  atEnd: A
) => Effect.Effect<A>

/** How to talk with the person, where there is one. */
export const Conversation = Context.Reference<Converse | undefined>("effect-code-mode/bin/Conversation", {
  defaultValue: () => undefined
})

/** More values than that are not asked for. */
const maxFields = 20

type JsonObject = Schema.JsonObject

const isText = (value: unknown): value is string => typeof value === "string"

// =============================================================================
// Values
// =============================================================================

/** A value of the answer. */
interface Field {
  readonly name: string
  readonly label: Printable
  readonly isRequired: boolean
  readonly otherwise: Schema.Json | undefined
  /** What a line stands for, or nothing where it stands for no such value. */
  readonly parse: (line: string) => Schema.Json | undefined
  /** What is wanted, for a person who typed something else. */
  readonly wanted: Printable
}

/** The values that there are to choose from, where there are some. */
const choicesOf = (schema: JsonObject): ReadonlyArray<string> =>
  Array.isArray(schema.enum)
    ? schema.enum.filter(isText)
    : Array.isArray(schema.oneOf)
    ? schema.oneOf.flatMap((choice: Schema.Json) => isObject(choice) && isText(choice.const) ? [choice.const] : [])
    : []

const choose = (choices: ReadonlyArray<string>) => (line: string) =>
  choices.find((choice) => choice === line) ??
    choices.find((choice) => choice.toLowerCase() === line.toLowerCase())

const number = (schema: JsonObject) => (line: string) => {
  const value = Number(line)
  const { maximum, minimum } = schema
  return Number.isFinite(value) && (schema.type !== "integer" || Number.isInteger(value)) &&
      (typeof minimum !== "number" || value >= minimum) && (typeof maximum !== "number" || value <= maximum)
    ? value
    : undefined
}

const characters = ({ maxLength, minLength }: JsonObject) => (line: string) =>
  (typeof minLength !== "number" || line.length >= minLength) &&
    (typeof maxLength !== "number" || line.length <= maxLength)
    ? line
    : undefined

const yesOrNo = (line: string) => /^y(es)?$/i.test(line) ? true : /^no?$/i.test(line) ? false : undefined

/** How a value is typed, if it is one that can be. */
const typing = (schema: JsonObject): Pick<Field, "parse" | "wanted"> | undefined => {
  const choices = choicesOf(schema)
  switch (true) {
    case choices.length > 0:
      return {
        parse: choose(choices),
        wanted: text`one of these: ${foreign("choices of a question", choices.join(", "), "prose")}`
      }
    case schema.type === "boolean":
      return { parse: yesOrNo, wanted: text`y or n` }
    case schema.type === "number" || schema.type === "integer":
      return { parse: number(schema), wanted: text`a number${describe(schema)}` }
    case schema.type === "string":
      return { parse: characters(schema), wanted: text`some text${describe(schema)}` }
    default:
      return undefined
  }
}

const describe = (schema: JsonObject): Printable => {
  const facts = SchemaComment.facts(schema)
  return facts.length === 0 ? empty : text`: ${foreign("facts of a question", facts.join("; "), "prose")}`
}

/** The values that a schema asks for; nothing where there is one that is required and cannot be typed. */
const fieldsOf = (schema: JsonObject): ReadonlyArray<Field> | undefined => {
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : []
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  if (properties.length > maxFields) {
    return undefined
  }
  const fields: Array<Field> = []
  for (const [name, property] of properties) {
    const typed = isObject(property) ? typing(property) : undefined
    const isRequired = required.has(name)
    if (typed !== undefined && isObject(property)) {
      const [first = name] = SchemaComment.comment(name, {
        description: property.description ?? property.title ?? name
      })
      fields.push({
        ...typed,
        name,
        isRequired,
        otherwise: property.default,
        label: foreign("value that is asked for", isText(first) ? first : name, "prose")
      })
    } else if (isRequired) {
      return undefined
    }
  }
  return fields
}

// =============================================================================
// Asking
// =============================================================================

const declined: ElicitationAnswer = { action: "decline" }
const cancelled: ElicitationAnswer = { action: "cancel" }

/** Asks until there is a value. `undefined` is none, where there may be none. */
const askFor = Effect.fnUntraced(function*(prompt: Prompt.Prompt, field: Field) {
  const { isRequired, label, otherwise, parse, wanted } = field
  const hint = otherwise !== undefined
    ? text` [${foreign("value that is proposed", JSON.stringify(otherwise), "prose")}]`
    : isRequired
    ? empty
    : text` (may be left empty)`
  while (true) {
    const typed = yield* prompt.next(text`  ${label}${hint}: `)
    if (typed._tag === "Interrupt") {
      yield* Printer.tell(empty)
      return cancelled
    }
    const line = typed.line.trim()
    const value = line === "" ? otherwise : parse(line)
    if (value !== undefined || (line === "" && !isRequired)) {
      return { value }
    }
    yield* Printer.tell(text`  It should be ${wanted}.`)
  }
})

const askAll = Effect.fnUntraced(function*(prompt: Prompt.Prompt, fields: ReadonlyArray<Field>) {
  const content: Record<string, Schema.Json> = {}
  for (const field of fields) {
    const answer = yield* askFor(prompt, field)
    if ("action" in answer) {
      return answer
    }
    if (answer.value !== undefined) {
      content[field.name] = answer.value
    }
  }
  return { action: "accept", content } satisfies ElicitationAnswer
})

/** Asks at a prompt. Ctrl-C cancels. */
const askAt = Effect.fnUntraced(function*(
  prompt: Prompt.Prompt,
  { message, schema, server }: Elicitation
): Effect.fn.Return<ElicitationAnswer, Cause.Done> {
  const asks = text`${foreign("server that asks", server, "prose")} asks: ${
    foreign("question of a server", message, "quote")
  }`
  const fields = fieldsOf(schema)
  if (fields === undefined) {
    yield* Printer.tell(text`${asks}\n  It wants what cannot be typed here, so that is declined.`)
    return declined
  }
  yield* Printer.tell(text`${asks}\n  Ctrl-C cancels.`)
  const consent = yield* askFor(prompt, {
    name: "",
    label: fields.length === 0 ? text`Yes or no` : text`Answer`,
    isRequired: true,
    otherwise: undefined,
    parse: yesOrNo,
    wanted: text`y or n`
  })
  return "action" in consent ? consent : consent.value === true ? yield* askAll(prompt, fields) : declined
})

/** Asks what a server asks. The end of the input declines. */
export const ask = (converse: Converse) => (request: Elicitation): Effect.Effect<ElicitationAnswer> =>
  converse((prompt) => askAt(prompt, request), declined)

/** Talks at the terminal, where there is one: one conversation at a time, which is over when it is interrupted. */
const atTerminal = Effect.fnUntraced(function*({ interrupt }: Screen.Bottom) {
  if (!Printer.isConversation()) {
    return undefined
  }
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const converse: Converse = (talk, atEnd) =>
    interrupt((leaveTo) =>
      Prompt.make({ hasHistory: false }).pipe(
        Effect.flatMap((prompt) => leaveTo(prompt.above, talk(prompt))),
        Effect.catchTag("Done", () => Effect.succeed(atEnd)),
        Effect.scoped,
        Effect.provideContext(context)
      )
    )
  return converse
})

/** Gives the effect a reporter, and a conversation with the person who sees what it says. */
export const atScreen = <A, E, R>(
  reporter: Reporter["Service"],
  self: (bottom: Screen.Bottom) => Effect.Effect<A, E, R>
) =>
  Screen.use(
    reporter,
    (bottom) =>
      Effect.flatMap(atTerminal(bottom), (converse) => Effect.provideService(self(bottom), Conversation, converse))
  )
