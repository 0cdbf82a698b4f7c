/**
 * The command line of `code-mode-host`. Its own few lines, because a host is started often and has to be there soon.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import { Limits } from "../Protocol.ts"

/** What the command line asks for. */
export type Command = Help | Serve

export interface Help {
  readonly _tag: "Help"
}

export interface Serve {
  readonly _tag: "Serve"
  /** Of the socket; without it, the client is at standard input and output. */
  readonly path: string | undefined
  readonly limits: Limits
}

/** The command line is wrong. */
export class UsageError extends Schema.TaggedError<UsageError>("effect-code-mode/bin/UsageError")("UsageError", {
  text: Schema.String,
  status: Schema.Literals([1, 2])
}) {
  override get message() {
    return this.text
  }
}

type LimitName = keyof typeof Limits.fields

const descriptions: { readonly [Name in LimitName]: string } = {
  cancellationGrace: "time for all callbacks of a cell, or of a session, to end once they are cancelled",
  notificationDelivery: "time for one notification to be delivered",
  maxHeapSizeBytes: "JavaScript heap of a cell, unless its session asks for another",
  maxCpuTime: "processor time of a cell",
  maxWallTime: "time from the start of a cell to the end of its script",
  maxLiveCells: "cells of the host at a time",
  maxToolCallsInFlight: "tool calls of a client at a time; further ones wait",
  maxPendingCallbacks: "tool calls and notifications of a cell, running or waiting",
  maxUndeliveredOutputBytes: "output of a cell that nobody has read",
  maxStoredBytes: "stored values of a session",
  maxSourceBytes: "source of a cell",
  maxRememberedCells: "ended cells of a session that are told apart from unknown ones"
}

const defaults = Limits.make({})
const names = Object.keys(descriptions) as ReadonlyArray<LimitName>

/** A limit's flag. Durations are given in milliseconds. */
const flagOf = (name: LimitName): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) + (Duration.isDuration(defaults[name]) ? "-ms" : "")

const numberOf = (value: Limits[LimitName]): number => Duration.isDuration(value) ? Duration.toMillis(value) : value

const limitHelp = (name: LimitName) =>
  `  --${flagOf(name)} N\n      ${descriptions[name]} (${
    Number.isFinite(numberOf(defaults[name])) ? numberOf(defaults[name]) : "no bound"
  })`

export const help = `Usage: code-mode-host [OPTIONS]

Runs code-mode sessions for other programs, over the framed JSON of Codex's code-mode host.

Options:
  --listen URL
      stdio, stdio:// or unix:///PATH (stdio)
${names.map(limitHelp).join("\n")}
  -h, --help
      print this`

const flags = {
  help: { type: "boolean", short: "h", default: false },
  listen: { type: "string", default: "stdio" },
  ...Object.fromEntries(names.map((name) => [flagOf(name), { type: "string" } as const]))
} as const

const unixPrefix = "unix://"

const toPath = (url: string): Effect.Effect<string | undefined, UsageError> => {
  if (url === "stdio" || url === "stdio://") {
    return Effect.succeed(undefined)
  }
  return url.startsWith(`${unixPrefix}/`)
    ? Effect.succeed(url.slice(unixPrefix.length))
    : Effect.fail(
      new UsageError({
        text: `unsupported --listen URL \`${url}\`; expected \`stdio\`, \`stdio://\` or \`unix:///PATH\``,
        status: 1
      })
    )
}

const toLimit = (name: LimitName, text: string): Effect.Effect<object, UsageError> => {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value)
    ? Effect.succeed({ [name]: Duration.isDuration(defaults[name]) ? Duration.millis(value) : value })
    : Effect.fail(new UsageError({ text: `--${flagOf(name)} takes a number, and got \`${text}\``, status: 2 }))
}

/** Reads a command line. */
export const parse = Effect.fnUntraced(function*(args: ReadonlyArray<string>): Effect.fn.Return<Command, UsageError> {
  const { values } = yield* Effect.try({
    try: () => parseArgs({ args: [...args], options: flags }),
    catch: (error) => new UsageError({ text: (error as Error).message, status: 2 })
  })
  if (values.help) {
    return { _tag: "Help" }
  }
  const path = yield* toPath(values.listen)
  const given = new Map<string, unknown>(Object.entries(values))
  const changed = yield* Effect.forEach(names, (name) => {
    const text = given.get(flagOf(name))
    return text === undefined ? Effect.succeed({}) : toLimit(name, String(text))
  })
  return { _tag: "Serve", path, limits: Limits.make(Object.assign({}, ...changed)) }
})
