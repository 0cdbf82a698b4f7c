/**
 * The first line of a cell's source, where it says how long to wait and how much to show.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** What an `exec` asks for: the source, and what its first line says. */
export interface Execution {
  readonly source: string
  readonly yieldTimeMillis: number | undefined
  readonly maxOutputTokens: number | undefined
}

const prefix = "// @exec:"
const fields = ["yield_time_ms", "max_output_tokens"] as const
const supported = "`yield_time_ms` and `max_output_tokens`"

const example = `${prefix} {"yield_time_ms": 10000, "max_output_tokens": 1000}`

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: () => JSON.parse(text) as unknown, catch: (error) => (error as SyntaxError).message })

const checkField = (name: string, value: unknown): string | undefined =>
  value === undefined || value === null || Number.isSafeInteger(value) && Number(value) >= 0
    ? undefined
    : Number.isInteger(value) && Number(value) > 0
    ? `exec pragma field \`${name}\` must be a non-negative safe integer`
    : `exec pragma fields ${supported} must be non-negative safe integers: \`${name}\` is ${JSON.stringify(value)}`

const read = (directive: string, source: string): Result.Result<Execution, string> => {
  if (source.trim() === "") {
    return Result.fail("exec pragma must be followed by JavaScript source on subsequent lines")
  }
  const noObject = `exec pragma must be a JSON object with supported fields ${supported}`
  if (directive === "") {
    return Result.fail(noObject)
  }
  const parsed = parseJson(directive)
  if (Result.isFailure(parsed)) {
    return Result.fail(`exec pragma must be valid JSON with supported fields ${supported}: ${parsed.failure}`)
  }
  const value = parsed.success
  if (!Predicate.isObject(value) || Array.isArray(value)) {
    return Result.fail(noObject)
  }
  const unknown = Object.keys(value).find((key) => !fields.some((field) => field === key))
  if (unknown !== undefined) {
    return Result.fail(`exec pragma only supports ${supported}; got \`${unknown}\``)
  }
  const pragma = value as Readonly<Record<string, number | null | undefined>>
  const wrong = fields.map((field) => checkField(field, pragma[field])).find((text) => text !== undefined)
  return wrong !== undefined ? Result.fail(wrong) : Result.succeed({
    source,
    yieldTimeMillis: pragma.yield_time_ms ?? undefined,
    maxOutputTokens: pragma.max_output_tokens ?? undefined
  })
}

/** Takes the first line off, if it is such a line. The failure is for the model. */
export const parse = (input: string): Result.Result<Execution, string> => {
  if (input.trim() === "") {
    return Result.fail(
      "exec expects raw JavaScript source text (non-empty). Provide JS only, optionally with first-line " +
        `\`${example}\`.`
    )
  }
  const end = input.indexOf("\n")
  const first = (end === -1 ? input : input.slice(0, end)).trimStart()
  return first.startsWith(prefix)
    ? read(first.slice(prefix.length).trim(), end === -1 ? "" : input.slice(end + 1))
    : Result.succeed({ source: input, yieldTimeMillis: undefined, maxOutputTokens: undefined })
}
