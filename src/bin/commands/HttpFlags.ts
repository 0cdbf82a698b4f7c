/**
 * The flags of a server over HTTP, and the server that they ask for.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as WebGate from "../../wire/WebGate.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"

/** Who may use it is known by this token, where there is one. It is not a flag, as every process can see flags. */
const tokenVariable = "EFFECT_CODE_MODE_TOKEN"

const port = Flag.Int("http").pipe(
  Flag.withMetavar("PORT"),
  Flag.withDescription(
    "Serve any number of clients over HTTP at this port, 0 for a free one, and not at standard input"
  ),
  Flag.mapEffect((port) =>
    port >= 0 && port < 65536
      ? Effect.succeed(port)
      : Effect.fail(new CliError.UserError({ cause: port, userMessage: `--http ${port}: a port is from 0 to 65535` }))
  ),
  Flag.optional
)

export const flags = {
  http: port,
  host: Flag.String("host").pipe(
    Flag.withMetavar("ADDRESS"),
    Flag.withDescription(
      `With --http: listen at this address (default: 127.0.0.1). Where others can reach it, ${tokenVariable} has to be set`
    ),
    Flag.optional
  ),
  allowedHosts: Flag.String("allow-host").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "With --http: a name under which clients may ask for it, besides its address. May be repeated"
    ),
    Flag.atLeast(0)
  ),
  allowedOrigins: Flag.String("allow-origin").pipe(
    Flag.withMetavar("ORIGIN"),
    Flag.withDescription("With --http: pages of this origin may be its clients, too. May be repeated"),
    Flag.atLeast(0)
  )
}

export type Flags = Command.Command.Config.Infer<typeof flags>

/** Where to listen, and whom to hear; nothing where it is not to be over HTTP. */
export const read = Effect.fnUntraced(function*({ allowedHosts, allowedOrigins, host, http }: Flags) {
  if (Option.isNone(http)) {
    const unused = Option.isSome(host)
      ? text`--host`
      : allowedHosts.length > 0
      ? text`--allow-host`
      : allowedOrigins.length > 0
      ? text`--allow-origin`
      : undefined
    return unused === undefined ? undefined : yield* Failure.toStart(text`${unused} goes with --http PORT`)
  }
  const address = Option.getOrElse(host, () => "127.0.0.1")
  const token = process.env[tokenVariable] ?? ""
  if (!WebGate.isLoopback(address) && token === "") {
    return yield* Failure.toStart(
      text`others can reach ${
        foreign("address to listen at", address, "word")
      }: set EFFECT_CODE_MODE_TOKEN to what they have to know`
    )
  }
  return {
    port: http.value,
    host: address,
    token: token === "" ? undefined : Redacted.make(token),
    // A page cannot know the token, whatever it calls us.
    allowedHosts: WebGate.isLoopback(address)
      ? [...WebGate.loopbackNames, ...allowedHosts]
      : allowedHosts.length > 0
      ? allowedHosts
      : "any" as const,
    allowedOrigins
  }
})
