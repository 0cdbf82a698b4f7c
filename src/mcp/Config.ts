/**
 * Servers from a configuration file, in the dialects of the clients that there are.
 *
 * **Details**
 *
 * JSON with comments and trailing commas. The servers are under `mcpServers` (Claude, Cursor, Windsurf, Cline, Gemini),
 * `servers` (VS Code), `mcp` (OpenCode), or `context_servers` (Zed). What an entry has that has no meaning here is
 * ignored; what it asks for and cannot get is an error that names it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Jsonc from "jsonc-parser"
import { homedir } from "node:os"
import { basename, dirname, resolve } from "node:path"
import { parseEnv } from "node:util"
import { defined } from "../data/Defined.ts"
import * as Environment from "./Environment.ts"
import { HttpServer, type ServerConfig, StdioServer } from "./ServerConfig.ts"

type Entry = Readonly<Record<string, unknown>>

const isEntry = (value: unknown): value is Entry => Predicate.isObject(value)

// =============================================================================
// The file
// =============================================================================

/** Where the servers are, in the order in which the places are looked at. */
const places = ["mcpServers", "servers", "mcp", "context_servers", "mcp_servers"]

const parse = (text: string): Effect.Effect<unknown, string> => {
  const source = text.replace(/^\uFEFF/, "")
  if (source.trim() === "") {
    return Effect.fail("it is empty")
  }
  const errors: Array<Jsonc.ParseError> = []
  const value: unknown = Jsonc.parse(source, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first === undefined) {
    return Effect.succeed(value)
  }
  const before = source.slice(0, first.offset).split("\n")
  const what = Jsonc.printParseErrorCode(first.error).replace(
    /(?<=[a-z])[A-Z]/g,
    (letter) => ` ${letter.toLowerCase()}`
  )
  return Effect.fail(
    `it is not JSON: ${what.toLowerCase()} in line ${before.length}, column ${before.at(-1)!.length + 1}`
  )
}

const serversIn = (value: unknown): Effect.Effect<Entry, string> => {
  const found = isEntry(value)
    ? places.map((place) => value[place]).find((servers) => servers !== undefined)
    : undefined
  // The settings of VS Code have them a level deeper.
  const servers = isEntry(found) && isEntry(found.servers) && !("command" in found.servers) && !("url" in found.servers)
    ? found.servers
    : found
  return isEntry(servers)
    ? Effect.succeed(servers)
    : Effect.fail("it should look like {\"mcpServers\": {\"NAME\": {\"command\": \"…\"}}}")
}

// =============================================================================
// Variables
// =============================================================================

interface Variables {
  /** The folder that the file is for. */
  readonly workspace: string
  readonly environment: NodeJS.ProcessEnv
  /** The values that came from the environment, and are not to be shown. */
  readonly secrets: Set<string>
}

const ofWorkspace = ({ workspace }: Variables, name: string): string | undefined => {
  switch (name) {
    case "workspaceFolder":
    case "workspaceRoot":
      return workspace
    case "workspaceFolderBasename":
      return basename(workspace)
    case "cwd":
      return process.cwd()
    case "userHome":
      return homedir()
    case "pathSeparator":
    case "/":
      return "/"
    default:
      return undefined
  }
}

const variable = /\$\{(?<name>[^}:]*)(?::(?<argument>[^}]*))?\}|\{env:(?<alone>\w+)\}/g

/** Puts the values of `${NAME}`, `${env:NAME}` and `${NAME:-otherwise}` in their places. Fails with what has no value. */
const substitute = (variables: Variables, text: string): Effect.Effect<string, string> => {
  let missing: string | undefined
  const ofEnvironment = (name: string, otherwise: string | undefined, whole: string): string => {
    const value = variables.environment[name]
    if (value === undefined) {
      missing ??= otherwise === undefined ? `the environment variable ${name} is not set` : undefined
      return otherwise ?? whole
    }
    if (!Environment.isSafe(name)) {
      variables.secrets.add(value)
    }
    return value
  }
  const result = text.replace(
    variable,
    (whole, name: string, argument: string | undefined, alone: string | undefined) => {
      if (alone !== undefined) {
        return ofEnvironment(alone, undefined, whole)
      }
      const [variableName = "", otherwise] = (name === "env" ? argument ?? "" : name).split(/:-([^]*)/, 2)
      if (name === "env") {
        return ofEnvironment(variableName, otherwise, whole)
      }
      if (argument === undefined) {
        return ofWorkspace(variables, name) ?? (/^\w+$/.test(name) ? ofEnvironment(name, undefined, whole) : whole)
      }
      if (argument.startsWith("-") && /^\w+$/.test(name)) {
        return ofEnvironment(name, argument.slice(1), whole)
      }
      missing ??= name === "input"
        ? `it asks for the input ${argument}, which cannot be asked for here: take \${${argument}} and an environment variable`
        : `${whole} has no meaning here`
      return whole
    }
  )
  return missing === undefined ? Effect.succeed(result) : Effect.fail(missing)
}

// =============================================================================
// Fields
// =============================================================================

/** What the first of these keys has that has something. */
const anyOf = (entry: Entry, ...keys: ReadonlyArray<string>): unknown =>
  keys.map((key) => entry[key]).find((value) => value !== undefined && value !== null)

/** A text in which variables have their values. Numbers and truth values count as text, as environments have them. */
const text = (variables: Variables, key: string, value: unknown): Effect.Effect<string, string> =>
  typeof value === "string"
    ? substitute(variables, value)
    : typeof value === "number" || typeof value === "boolean"
    ? Effect.succeed(String(value))
    : Effect.fail(`${key} should be text, and is ${JSON.stringify(value)}`)

const texts = (variables: Variables, key: string, value: unknown): Effect.Effect<ReadonlyArray<string>, string> =>
  Array.isArray(value)
    ? Effect.forEach(value, (each, index) => text(variables, `${key}[${index}]`, each))
    : Effect.fail(`${key} should be a list, and is ${JSON.stringify(value)}`)

const record = (variables: Variables, key: string, value: unknown): Effect.Effect<Record<string, string>, string> =>
  isEntry(value)
    ? Effect.forEach(
      Object.entries(value).filter(([, each]) => each !== null && each !== undefined),
      ([name, each]) => Effect.map(text(variables, `${key}.${name}`, each), (each) => [name, each] as const)
    ).pipe(Effect.map(Object.fromEntries))
    : Effect.fail(`${key} should be an object, and is ${JSON.stringify(value)}`)

/** Reads a value, if there is one. */
const optional = <A>(
  value: unknown,
  read: (value: unknown) => Effect.Effect<A, string>
): Effect.Effect<A | undefined, string> => value === undefined ? Effect.succeed(undefined) : read(value)

/** Milliseconds. Clients differ in what they count: a number below 1,000 is meant as seconds. */
const timeout = (value: unknown): Effect.Effect<number, string> => {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value
  return typeof number === "number" && number > 0 && Number.isFinite(number)
    ? Effect.succeed(number < 1000 ? number * 1000 : number)
    : Effect.fail(`timeout should be a number of milliseconds, and is ${JSON.stringify(value)}`)
}

const common = Effect.fnUntraced(function*(variables: Variables, entry: Entry) {
  const list = (key: string) => (value: unknown) => texts(variables, key, value)
  return {
    timeout: yield* optional(anyOf(entry, "timeout"), timeout),
    allowTools: yield* optional(
      anyOf(entry, "includeTools", "allowedTools", "enabledTools", "enabled_tools", "tools"),
      list("the list of tools")
    ),
    denyTools: yield* optional(
      anyOf(entry, "excludeTools", "disabledTools", "disabled_tools"),
      list("the list of tools to leave out")
    ),
    optional: entry.optional === true ? true : undefined
  }
})

// =============================================================================
// Entries
// =============================================================================

const transports: Readonly<Record<string, "process" | "http">> = {
  stdio: "process",
  local: "process",
  http: "http",
  remote: "http",
  "streamable-http": "http",
  streamableHttp: "http",
  streamable_http: "http",
  sse: "http"
}

const readEnvFile = Effect.fnUntraced(function*(variables: Variables, path: string) {
  const fs = yield* FileSystem.FileSystem
  const content = yield* fs.readFileString(resolve(variables.workspace, path)).pipe(
    Effect.mapError((error) => `its envFile ${path} cannot be read: ${reasonOf(error)}`)
  )
  const values = parseEnv(content)
  Object.values(values).forEach((value) => value !== undefined && variables.secrets.add(value))
  return values
})

const reasonOf = ({ reason }: PlatformError.PlatformError) =>
  reason._tag === "NotFound" ? "there is no such file" : reason.message

const isMissing = (value: unknown) => value === undefined || value === null

const stdio = Effect.fnUntraced(function*(variables: Variables, entry: Entry) {
  // Some have the arguments with the command, some a level deeper.
  const nested = isEntry(entry.command) ? { ...entry, ...entry.command, command: entry.command.path } : entry
  const [command, ...first] = Array.isArray(nested.command) ? nested.command : [nested.command]
  if (isMissing(command) || command === "") {
    return yield* Effect.fail("it has neither a \"command\" nor a \"url\"")
  }
  const args = isMissing(nested.args) ? [] : yield* texts(variables, "args", nested.args)
  const file = anyOf(nested, "envFile")
  const ofFile = file === undefined ? {} : yield* readEnvFile(variables, yield* text(variables, "envFile", file))
  const env = anyOf(nested, "env", "environment")
  const ofEntry = env === undefined ? {} : yield* record(variables, "env", env)
  return {
    command: yield* text(variables, "command", command),
    args: [...yield* texts(variables, "command", first), ...args],
    env: { ...ofFile, ...ofEntry },
    cwd: yield* optional(anyOf(nested, "cwd"), (value) => text(variables, "cwd", value)),
    ...(yield* common(variables, nested))
  }
})

const http = Effect.fnUntraced(function*(variables: Variables, entry: Entry, url: unknown) {
  const headers = anyOf(entry, "headers", "http_headers") ??
    (isEntry(entry.requestInit) ? entry.requestInit.headers : undefined)
  return {
    url: yield* text(variables, "url", url),
    headers: yield* optional(headers, (value) => record(variables, "headers", value)),
    ...(yield* common(variables, entry))
  }
})

const decodeStdio = Schema.decodeUnknownEffect(StdioServer)
const decodeHttp = Schema.decodeUnknownEffect(HttpServer)

const isOff = (entry: unknown) => isEntry(entry) && (entry.disabled === true || entry.enabled === false)

const decodeEntry = Effect.fnUntraced(function*(name: string, entry: unknown, workspace: string) {
  if (!isEntry(entry)) {
    return yield* Effect.fail("it should be an object, with a \"command\" or a \"url\"")
  }
  const variables: Variables = { workspace, environment: process.env, secrets: new Set() }
  const kind = anyOf(entry, "type", "transport")
  const transport = typeof kind === "string" ? transports[kind] : undefined
  if (kind !== undefined && transport === undefined) {
    return yield* Effect.fail(
      `its type ${JSON.stringify(kind)} is not known: it may be ${Object.keys(transports).join(", ")}`
    )
  }
  const url = anyOf(entry, "url", "serverUrl", "httpUrl", "uri")
  const isHttp = transport === undefined ? url !== undefined && entry.command === undefined : transport === "http"
  if (isHttp && url === undefined) {
    return yield* Effect.fail("it has no \"url\"")
  }
  const described = { name, ...(isHttp ? yield* http(variables, entry, url) : yield* stdio(variables, entry)) }
  const secrets = variables.secrets.size === 0 ? undefined : Array.from(variables.secrets)
  const decode: (value: unknown) => Effect.Effect<ServerConfig, Schema.SchemaError> = isHttp ? decodeHttp : decodeStdio
  return yield* Effect.mapError(
    decode(defined({ ...described, secrets })),
    // What the entry asked for was read already, and what is left says nothing of values.
    () => "it is not understood"
  )
})

/** The servers of a file's text, except for those that it says are not to be used. */
export const decode = Effect.fn("Config.decode")(function*(source: string, path: string) {
  const folder = dirname(resolve(path))
  const workspace = basename(folder) === ".vscode" || basename(folder) === ".cursor" ? dirname(folder) : folder
  const servers = yield* Effect.flatMap(parse(source), serversIn)
  return yield* Effect.forEach(
    Object.entries(servers).filter(([, entry]) => !isOff(entry)),
    ([server, entry]) =>
      Effect.mapError(decodeEntry(server, entry, workspace), (problem) => `server ${server}: ${problem}`)
  )
})
