/**
 * The command line of `code-mode-host`. It is not made with `effect/cli`, which takes 65 ms to load, half of what a host
 * takes to be there; and a host is started often.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LogLevel } from "effect/LogLevel"
import * as Schema from "effect/Schema"
import { isIPv4, isIPv6 } from "node:net"
import { parseArgs } from "node:util"
import type * as Host from "../../Host.ts"
import { Limits } from "../../Protocol.ts"
import * as V8 from "../../V8.ts"
import * as Frame from "../../wire/Frame.ts"
import * as ExportTo from "./ExportTo.ts"
import * as InspectAddress from "./InspectAddress.ts"

/** What the command line asks for. */
export type Command = Help | Serve

export interface Help {
  readonly _tag: "Help"
}

export interface Serve {
  readonly _tag: "Serve"
  readonly listen: Listen
  readonly host: Host.Options
  readonly engine: V8.Options
  readonly logLevel: LogLevel
  readonly inspect: InspectAddress.InspectAddress | undefined
  /** Where the host tells of itself. */
  readonly otlp: string | undefined
  readonly metrics: number | undefined
}

/** What is spoken, and where. Without an address, the client is at standard input and output. */
export type Listen =
  | { readonly protocol: "frames" | "rpc"; readonly address: string | undefined }
  | { readonly protocol: "grpc"; readonly address: { readonly host: string; readonly port: number } | undefined }

/** The command line is wrong. */
class UsageError extends Schema.TaggedError<UsageError>("effect-code-mode/bin/UsageError")("UsageError", {
  message: Schema.String,
  status: Schema.Literals([1, 2])
}) {}

// =============================================================================
// Bounds
// =============================================================================

/** The bounds of each session, of the host, and of its engine. */
const engine = V8.resolve({})
const defaults = {
  ...Limits.make({}),
  maxFrameBytes: Frame.maxPayload,
  maxLanes: engine.maxLanes,
  warmLanes: engine.warmLanes,
  maxMemoryBytes: engine.maxMemoryBytes,
  laneKillAfter: Duration.millis(engine.killAfterMillis)
}
type BoundName = keyof typeof defaults

const descriptions: { readonly [Name in BoundName]: string } = {
  cancellationGrace: "time for all callbacks of a cell, or of a session, to end once they are cancelled",
  notificationDelivery: "time for one notification to be delivered",
  maxHeapSizeBytes: "JavaScript heap of a cell; its session may ask for less",
  maxCpuTime: "processor time of a cell",
  maxWallTime: "time from the start of a cell to the end of its script",
  maxLiveCells: "cells of the host at a time",
  maxToolCallsInFlight: "tool calls of a client at a time; further ones wait",
  maxPendingCallbacks: "tool calls and notifications of a cell, running or waiting",
  maxPendingInputBytes: "inputs of a cell's tool calls that have no answer",
  maxUndeliveredOutputBytes: "output of a cell that was not read",
  maxStoredBytes: "stored values of a session",
  maxSourceBytes: "source of a cell",
  maxRememberedCells: "ended cells of a session that are told apart from unknown ones",
  maxFrameBytes: "payload of one message, either way",
  maxLanes: "lanes, processes that run cells, at a time; past it sessions share them",
  warmLanes: "lanes that stand ready for the next session; a session without one waits for its start",
  maxMemoryBytes: "memory of the host and its lanes together",
  laneKillAfter: "time that a lane may go on with a cell that has ended before it takes no more cells"
}

const names = Object.keys(descriptions) as ReadonlyArray<BoundName>

/** A bound's flag. Durations are given in milliseconds. */
const flagOf = (name: BoundName): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) + (Duration.isDuration(defaults[name]) ? "-ms" : "")

const numberOf = (value: (typeof defaults)[BoundName]): number =>
  Duration.isDuration(value) ? Duration.toMillis(value) : value

const boundHelp = (name: BoundName) => {
  const number = numberOf(defaults[name])
  return `  --${flagOf(name)} N\n      ${descriptions[name]} (${Number.isFinite(number) ? number : "no bound"})`
}

// =============================================================================
// The command line
// =============================================================================

const logLevels: Readonly<Record<string, LogLevel>> = {
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  none: "None"
}

export const help = `Usage: code-mode-host [OPTIONS]

Runs code-mode sessions for other programs, over the framed JSON of Codex's code-mode host, or gRPC.

Options:
  --listen URL
      stdio, stdio:// or unix:///PATH (stdio); with rpc+ before it, serves this package's own Remote sessions;
      grpc+stdio:// or grpc://IP:PORT for gRPC
${names.map(boundHelp).join("\n")}
  --strict-isolation
      refuse a cell that would have to share a lane
  --no-code-generation
      take eval and Function from cells
  --inspect PORT
      show sessions, calls and output as they go on, in a page at this port of this machine, 0 for a free one; its address
      is written to standard error
  --otlp URL
      send spans, metrics and logs to this collector of OpenTelemetry, such as http://localhost:4318
  --metrics PORT
      serve metrics for Prometheus at this port of 127.0.0.1, 0 for a free one
  --log-level ${Object.keys(logLevels).join("|")}
      what is written to standard error (warn)
  -h, --help
      print this`

const flags = {
  help: { type: "boolean", short: "h", default: false },
  listen: { type: "string", default: "stdio" },
  "strict-isolation": { type: "boolean", default: false },
  "no-code-generation": { type: "boolean", default: false },
  "log-level": { type: "string", default: "warn" },
  inspect: { type: "string" },
  otlp: { type: "string" },
  metrics: { type: "string" },
  ...Object.fromEntries(names.map((name) => [flagOf(name), { type: "string" } as const]))
} as const

const unixPrefix = "unix://"

const remotePrefix = "rpc+"

const grpcPrefix = "grpc://"

const listenError = (message: string) => Effect.fail(new UsageError({ message, status: 1 }))

const toPath = (url: string): Effect.Effect<string | undefined, UsageError> =>
  url === "stdio" || url === "stdio://"
    ? Effect.succeed(undefined)
    : url.startsWith(`${unixPrefix}/`)
    ? Effect.succeed(url.slice(unixPrefix.length))
    : listenError(
      `unsupported --listen URL \`${url}\`; expected \`stdio\`, \`stdio://\`, \`unix:///PATH\`, \`grpc+stdio://\` or `
        + "`grpc://IP:PORT`"
    )

const toListen = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Listen, UsageError> {
  if (url === "grpc+stdio://") {
    return { protocol: "grpc", address: undefined }
  }
  if (url.startsWith(grpcPrefix)) {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(url.slice(grpcPrefix.length)) ?? []
    const host = isIPv6(bracketed ?? "") ? bracketed : isIPv4(plain ?? "") ? plain : undefined
    return host === undefined || Number(port) > 65_535
      ? yield* listenError(`invalid gRPC --listen URL \`${url}\`; expected \`grpc://IP:PORT\``)
      : { protocol: "grpc", address: { host, port: Number(port) } }
  }
  return url.startsWith(remotePrefix)
    ? { protocol: "rpc", address: yield* toPath(url.slice(remotePrefix.length)) }
    : { protocol: "frames", address: yield* toPath(url) }
})

const toBound = (name: BoundName, text: string): Effect.Effect<number | Duration.Duration, UsageError> => {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value)
    ? Effect.succeed(Duration.isDuration(defaults[name]) ? Duration.millis(value) : value)
    : Effect.fail(new UsageError({ message: `--${flagOf(name)} takes a number, and got \`${text}\``, status: 2 }))
}

const toLogLevel = (text: string): Effect.Effect<LogLevel, UsageError> =>
  Object.hasOwn(logLevels, text)
    ? Effect.succeed(logLevels[text]!)
    : Effect.fail(
      new UsageError({
        message: `--log-level is one of ${Object.keys(logLevels).join(", ")}, and not \`${text}\``,
        status: 2
      })
    )

const toInspect = (text: string | undefined): Effect.Effect<InspectAddress.InspectAddress | undefined, UsageError> => {
  const address = text === undefined ? undefined : InspectAddress.parse(text)
  return text !== undefined && address === undefined
    ? Effect.fail(
      new UsageError({ message: `--inspect takes ${InspectAddress.expected}, and got \`${text}\``, status: 2 })
    )
    : Effect.succeed(address)
}

/** Where to tell of the host, if it is asked for. */
const toTarget = <A>(
  flag: string,
  value: string | undefined,
  decode: (value: string) => A | ExportTo.Wrong
): Effect.Effect<A | undefined, UsageError> => {
  const decoded = value === undefined ? undefined : decode(value)
  return decoded instanceof ExportTo.Wrong
    ? Effect.fail(new UsageError({ message: `--${flag} \`${value}\`: ${decoded.why}`, status: 2 }))
    : Effect.succeed(decoded)
}

/** Reads a command line. */
export const parse = Effect.fnUntraced(function*(args: ReadonlyArray<string>): Effect.fn.Return<Command, UsageError> {
  const { values } = yield* Effect.try({
    try: () => parseArgs({ args: [...args], options: flags }),
    catch: (error) => new UsageError({ message: (error as Error).message, status: 2 })
  })
  if (values.help) {
    return { _tag: "Help" }
  }
  const listen = yield* toListen(values.listen)
  const logLevel = yield* toLogLevel(values["log-level"])
  const otlp = yield* toTarget("otlp", values.otlp, ExportTo.toUrl)
  const metrics = yield* toTarget("metrics", values.metrics, ExportTo.toPort)
  const texts = new Map<string, unknown>(Object.entries(values))
  const given: { -readonly [Name in BoundName]?: (typeof defaults)[Name] } = {}
  for (const name of names) {
    const text = texts.get(flagOf(name))
    if (text !== undefined) {
      Object.assign(given, { [name]: yield* toBound(name, String(text)) })
    }
  }
  const { laneKillAfter, maxFrameBytes, maxLanes, maxMemoryBytes, warmLanes, ...limits } = given
  return {
    _tag: "Serve",
    listen,
    logLevel,
    inspect: yield* toInspect(values.inspect),
    otlp,
    metrics,
    host: { limits: Limits.make(limits), maxFrameBytes },
    engine: {
      laneKillAfter,
      maxLanes,
      maxMemoryBytes,
      warmLanes,
      strictIsolation: values["strict-isolation"],
      codeGeneration: !values["no-code-generation"]
    }
  }
})
