/**
 * The flags that say which tools a cell has, and the delegate that they make.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Delegate from "../Delegate.ts"
import type { ServerConfig } from "../Mcp.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as PathFlag from "./PathFlag.ts"
import * as Reporter from "./Reporter.ts"
import * as ServerFlag from "./ServerFlag.ts"
import { foreign, join, text } from "./terminal/Printable.ts"
import * as ToolChoice from "./ToolChoice.ts"
import * as ToolTimeout from "./ToolTimeout.ts"

const glob = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("GLOB"), Flag.withDescription(description), Flag.atLeast(0))

export const flags = {
  servers: ServerFlag.flag,
  configs: PathFlag.make("config").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Use the servers of this mcpServers file, as Claude Desktop and Cursor have it. May be repeated"
    ),
    Flag.atLeast(0)
  ),
  allow: glob("allow", "Give the cell only the tools whose names match, such as 'mcp__fs__read_*'. May be repeated"),
  deny: glob("deny", "Keep the tools whose names match from the cell. May be repeated"),
  toolTimeout: DurationFlag.make("tool-timeout").pipe(
    Flag.withDescription("Fail a tool call that takes longer, such as 30s"),
    Flag.optional
  )
}

export interface Flags extends ToolChoice.Choice {
  readonly servers: ReadonlyArray<ServerConfig>
  readonly configs: ReadonlyArray<string>
  readonly toolTimeout: Option.Option<Duration.Duration>
}

/** Tells whoever is there to be told that servers start. */
const starting = <A, E, R>(names: ReadonlyArray<string>, self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Effect.serviceOption(Reporter.Reporter),
    Option.match({
      onNone: () => self,
      onSome: (reporter) => {
        const servers = names.map((name) => foreign("server that starts", name, "prose"))
        return reporter.during(text`starting ${join(servers, text`, `)}`, self)
      }
    })
  )

/** The MCP client takes longer to load than a cell without servers takes to run. */
const connect = Effect.fnUntraced(function*({ configs, servers }: Flags) {
  if (servers.length === 0 && configs.length === 0) {
    return Delegate.layerNoop
  }
  const ConfigFile = yield* Effect.promise(() => import("./ConfigFile.ts"))
  const Mcp = yield* Effect.promise(() => import("../Mcp.ts"))
  const configured = yield* Effect.forEach(configs, ConfigFile.read)
  const all = [...servers, ...configured.flat()]
  const names = all.map((server) => server.name ?? ("url" in server ? server.url : server.command))
  return Layer.effectContext(starting(names, Layer.build(Mcp.layer(all))))
})

/** The tools that the flags ask for. */
export const layer = (flags: Flags) => {
  const chosen = ToolChoice.layer(flags, Layer.unwrap(connect(flags)))
  return Option.match(flags.toolTimeout, {
    onNone: () => chosen,
    onSome: (timeout) => ToolTimeout.layer(timeout, chosen)
  })
}
