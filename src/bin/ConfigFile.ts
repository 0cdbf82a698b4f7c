/**
 * `--config FILE`: the servers of an `mcpServers` file, as Claude Desktop, Cursor and others keep it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { HttpServer, type ServerConfig, StdioServer } from "../Mcp.ts"
import * as Failure from "./Failure.ts"
import * as InputFile from "./InputFile.ts"
import * as Json from "./Json.ts"
import { foreign, type Printable, text } from "./terminal/Printable.ts"

const Config = Schema.Struct({ mcpServers: Schema.Record(Schema.String, Schema.Unknown) })

const Http = Schema.Struct({
  ...HttpServer.fields,
  type: Schema.optionalKey(Schema.Literals(["http", "streamable-http", "streamableHttp"]))
})

const Stdio = Schema.Struct({ ...StdioServer.fields, type: Schema.optionalKey(Schema.Literal("stdio")) })

const decodeConfig = Schema.decodeUnknownEffect(Config)
const decodeHttp = Schema.decodeUnknownEffect(Http)
const decodeStdio = Schema.decodeUnknownEffect(Stdio)

// =============================================================================
// Variables
// =============================================================================

const variable = /\$\{(?:env:)?(?<name>\w+)(?::-(?<otherwise>[^}]*))?\}/g

/** Puts `${NAME}`, `${env:NAME}` and `${NAME:-otherwise}` in their places, everywhere in an entry. */
const substitute = (value: unknown, unset: (name: string) => void): unknown =>
  Array.isArray(value)
    ? value.map((each) => substitute(each, unset))
    : Predicate.isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, substitute(each, unset)]))
    : typeof value === "string"
    ? value.replace(variable, (whole, name: string, otherwise: string | undefined) => {
      const found = process.env[name] ?? otherwise
      if (found === undefined) {
        unset(name)
      }
      return found ?? whole
    })
    : value

// =============================================================================
// Entries
// =============================================================================

const decodeEntry = Effect.fnUntraced(function*(name: string, entry: object) {
  const unset: Array<string> = []
  const config = substitute(entry, (name) => unset.push(name))
  if (unset.length > 0) {
    return yield* Effect.fail(
      text`the environment variable ${foreign("variable that is not set", unset[0]!, "word")} is not set`
    )
  }
  if (hasNul(config)) {
    return yield* Effect.fail(text`it has a NUL character in it, which no command and no environment can have`)
  }
  if (Predicate.hasProperty(config, "type") && config.type === "sse") {
    return yield* Effect.fail(
      text`type "sse" is the older transport; use the server's streamable HTTP endpoint, with type "http"`
    )
  }
  const decode: (value: unknown) => Effect.Effect<ServerConfig, Schema.SchemaError> =
    Predicate.hasProperty(config, "url") ? decodeHttp : decodeStdio
  const decoded = yield* Effect.mapError(
    decode(config),
    ({ message }) => foreign("server in a config file", message.replaceAll("\n", " "), "quote")
  )
  return { ...decoded, name }
})

/** Node takes none of it to the system. */
const hasNul = (value: unknown): boolean =>
  typeof value === "string"
    ? value.includes("\0")
    : Predicate.isObjectKeyword(value) && Object.entries(value).some((entry) => entry.some(hasNul))

const isDisabled = (entry: object) => Predicate.hasProperty(entry, "disabled") && entry.disabled === true

const maxBytes = 2 ** 24
const maxNesting = 127

/** The servers of a file, except for those that it says are disabled. */
export const read = Effect.fn("ConfigFile.read")(function*(path: string) {
  const label = text`--config ${foreign("config file", path, "word")}`
  const fail = (problem: Printable) => Failure.toStart(text`${label}: ${problem}`)
  const content = yield* Effect.mapError(
    InputFile.read(path, { maxBytes, pipes: true }),
    (error) => fail(error.text)
  )
  const json = yield* Effect.mapError(Json.parse(content, maxNesting), (problem) => fail(problem.text))
  const { mcpServers } = yield* decodeConfig(json).pipe(
    Effect.mapError(({ message }) => {
      const problem = foreign("shape of a config file", message.replaceAll("\n", " "), "quote")
      return fail(text`it should look like {"mcpServers": {"NAME": {"command": "…"}}}: ${problem}`)
    })
  )
  return yield* Effect.forEach(
    Object.entries(mcpServers),
    Effect.fnUntraced(function*([name, entry]) {
      const server = text`server ${foreign("server of a config file", name, "word")}`
      if (!Predicate.isObject(entry)) {
        return yield* fail(text`${server}: it should be an object, with a "command" or a "url"`)
      }
      return isDisabled(entry)
        ? []
        : [yield* Effect.mapError(decodeEntry(name, entry), (problem) => fail(text`${server}: ${problem}`))]
    })
  ).pipe(Effect.map((servers): ReadonlyArray<ServerConfig> => servers.flat()))
})
