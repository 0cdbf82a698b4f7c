/**
 * `--mcp '[NAME=]COMMAND ARG…'`: an MCP server on the command line.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ServerConfig } from "../Mcp.ts"
import * as Words from "./Words.ts"

/** A name in front of the command. A path with `=` in it is none: it has a slash or a dot before that. */
const named = /^(?<name>[\w-]+)=(?<command>[^]*)$/

export const parse = (value: string): Result.Result<ServerConfig, string> =>
  Result.flatMap(Words.split(value), ([first = "", ...args]) => {
    const { command = first, name } = named.exec(first)?.groups ?? {}
    return command === ""
      ? Result.fail("there is no command")
      : Result.succeed({ ...(name === undefined ? {} : { name }), command, args })
  })

/** The flag, which may be given any number of times. */
export const flag = Flag.String("mcp").pipe(
  Flag.withMetavar("[NAME=]COMMAND"),
  Flag.withDescription(
    "Start this MCP server; the cell sees its tools as tools.mcp__NAME__TOOL. " +
      "NAME is what the server calls itself, unless given. May be repeated"
  ),
  Flag.mapEffect((value) =>
    Effect.fromResult(parse(value)).pipe(
      Effect.mapError((problem) =>
        new CliError.UserError({ cause: problem, userMessage: `--mcp '${value}': ${problem}` })
      )
    )
  ),
  Flag.atLeast(0)
)
