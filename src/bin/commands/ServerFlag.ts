/**
 * `--mcp '[NAME=]COMMAND ARG…'` and `--mcp [NAME=]URL`: an MCP server on the command line.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { defined } from "../../data/Defined.ts"
import type { ServerConfig } from "../../Mcp.ts"
import * as Words from "./Words.ts"

/** A name in front of the command. A path with `=` in it is none: it has a slash or a dot before that. */
const named = /^(?<name>[\w-]+)=(?<command>[^]*)$/

export const parse = (value: string): Result.Result<ServerConfig, string> =>
  Result.flatMap(Words.split(value), ([first = "", ...args]): Result.Result<ServerConfig, string> => {
    const { command = first, name } = named.exec(first)?.groups ?? {}
    const naming = defined({ name })
    return command === ""
      ? Result.fail("there is no command")
      : /^https?:\/\//.test(command) && args.length === 0
      ? Result.succeed({ ...naming, url: command })
      : Result.succeed({ ...naming, command, args })
  })

/** The flag, which may be given any number of times. */
export const flag = Flag.String("mcp").pipe(
  Flag.withMetavar("[NAME=]COMMAND|URL"),
  Flag.withDescription(
    "Start this MCP server, or use the one at this URL; the cell sees its tools as tools.mcp__NAME__TOOL. " +
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
