/**
 * Keeps secrets from cells, however a tool may write them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { attempt } from "../data/Attempt.ts"
import { type ToolDefinition, ToolError } from "../Protocol.ts"
import { isList, isObject } from "../text/JsonValue.ts"
import { change, nameOf, type Shape } from "./Shape.ts"

const redacted = "[redacted]"

/** Shorter ones would be found in what is encoded and has nothing to do with them. */
const leastEncoded = 8

/** The characters that stand for the text in every base64 that has it, wherever it begins there. */
const base64 = (text: string): ReadonlyArray<string> => {
  const { length } = Buffer.from(text)
  return length < leastEncoded ?
    [] :
    [0, 1, 2].flatMap((offset) =>
      (["base64", "base64url"] as const).map((encoding) =>
        Buffer.from(" ".repeat(offset) + text).toString(encoding).slice(
          Math.ceil(offset * 8 / 6),
          Math.floor((offset + length) * 8 / 6)
        )
      )
    )
}

/** How a secret may be written: as it is, in JSON, in an address, in base64. */
const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  // It throws at half a character.
  attempt(() => encodeURIComponent(secret)) ?? secret,
  ...base64(secret)
]

type Range = readonly [start: number, end: number]

const rangesOf = (text: string, form: string): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + form.length)) {
    ranges.push([at, at + form.length])
  }
  return ranges
}

/** Secrets may overlap: nothing of any of them is left. */
const redactText = (text: string, forms: ReadonlyArray<string>): string => {
  const ranges = forms.flatMap((form) => rangesOf(text, form)).toSorted(([a], [b]) => a - b)
  const pieces: Array<string> = []
  let end = 0
  for (const [from, to] of ranges) {
    if (from >= end) {
      pieces.push(text.slice(end, from), redacted)
    }
    end = Math.max(end, to)
  }
  return ranges.length === 0 ? text : [...pieces, text.slice(end)].join("")
}

/** Takes secrets out of texts. */
export const texts = (secrets: ReadonlyArray<string>): (text: string) => string => {
  const forms = Array.from(new Set(secrets.flatMap(formsOf)))
  return (text) => redactText(text, forms)
}

type Redact = <A extends Schema.Json>(value: A) => A

const makeRedact = (secrets: ReadonlyArray<string>): Redact => {
  const redactIn = texts(secrets)
  const hasNumbers = secrets.some((secret) => Number.isFinite(Number(secret)))

  const redactObject = (value: Schema.JsonObject): Schema.JsonObject => {
    const members = new Map<string, Schema.Json>()
    for (const [key, member] of Object.entries(value)) {
      let name = redactIn(key)
      // Two names may have become one.
      while (members.has(name)) {
        name = `${name}'`
      }
      members.set(name, redact(member!))
    }
    return Object.fromEntries(members)
  }

  const redact = (value: Schema.Json): Schema.Json =>
    typeof value === "string"
      ? redactIn(value)
      : isList(value)
      ? value.map(redact)
      : isObject(value)
      ? redactObject(value)
      : typeof value === "number" && hasNumbers && redactIn(String(value)) !== String(value)
      ? redacted
      : value

  return redact as Redact
}

export const withRedaction = (self: Shape, secrets: ReadonlyArray<string>): Shape => {
  const redact = makeRedact(secrets)
  const redactTool = ({ description, inputSchema, outputSchema, ...rest }: ToolDefinition): ToolDefinition => ({
    ...rest,
    description: redact(description),
    ...(inputSchema === undefined ? {} : { inputSchema: redact(inputSchema) }),
    ...(outputSchema === undefined ? {} : { outputSchema: redact(outputSchema) })
  })
  const redactError = ({ performed, text }: ToolError) =>
    new ToolError({ text: redact(text), ...(performed === false ? { performed } : {}) })
  return change(self, {
    tools: (tools) => tools.map(redactTool),
    instructions: (instructions) => new Map(Array.from(instructions, ([namespace, text]) => [namespace, redact(text)])),
    invokeTool: (call) =>
      self.invokeTool(call).pipe(
        Effect.mapError(redactError),
        Effect.flatMap((value) =>
          Effect.try({
            try: () => redact(value),
            catch: () => new ToolError({ text: `the result of ${nameOf(call)} is nested too deep` })
          })
        )
      ),
    notify: (notification) => self.notify({ ...notification, text: redact(notification.text) })
  })
}
