/**
 * The flags that say which tools a cell has, and the delegate that they make.
 *
 * @internal
 */
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { basename, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Delegate from "../../Delegate.ts"
import type { Observer, Options, ServerConfig } from "../../Mcp.ts"
import * as Reporter from "../report/Reporter.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Questions from "../terminal/Questions.ts"
import * as Approvals from "./Approvals.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as PathFlag from "./PathFlag.ts"
import * as ServerFlag from "./ServerFlag.ts"
import * as ToolChoice from "./ToolChoice.ts"

const glob = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("GLOB"), Flag.withDescription(description), Flag.atLeast(0))

export const flags = {
  servers: ServerFlag.flag,
  configs: PathFlag.make("config").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Use the servers of this file, as Claude, Cursor, VS Code and others have it. May be repeated"
    ),
    Flag.atLeast(0)
  ),
  inheritEnv: Flag.Boolean("inherit-env").pipe(
    Flag.withDescription(
      "Give the servers that are started all of the environment, and not only PATH, HOME and the like"
    ),
    Flag.withDefault(false)
  ),
  optional: Flag.Boolean("optional").pipe(
    Flag.withDescription("Go on without servers that cannot be used"),
    Flag.withDefault(false)
  ),
  startTimeout: DurationFlag.make("start-timeout").pipe(
    Flag.withDescription("How long a server may take to be ready, such as 5m (default: 1m)"),
    Flag.optional
  ),
  root: Flag.String("root").pipe(
    Flag.withMetavar("DIR"),
    Flag.withOptionalValue("."),
    Flag.withDescription("Tell servers that this folder is theirs to work in (default: the working folder)"),
    Flag.optional
  ),
  allow: glob("allow", "Give the cell only the tools whose names match, such as 'mcp__fs__read_*'. May be repeated"),
  deny: glob("deny", "Keep the tools whose names match from the cell. May be repeated"),
  approve: Approvals.flag,
  toolTimeout: DurationFlag.make("tool-timeout").pipe(
    Flag.withDescription("Fail a tool call that takes longer, such as 30s"),
    Flag.optional
  )
}

export type Flags = Command.Command.Config.Infer<typeof flags>

/** Who hears of servers and answers them, where it is not the person at the terminal. */
export const ServerOptions = Context.Reference<Pick<Options, "elicit" | "observer"> | undefined>(
  "effect-code-mode/bin/ServerOptions",
  { defaultValue: () => undefined }
)

/** Tells the reporter what servers do, where there is one. */
const observer = Effect.map(
  Effect.serviceOption(Reporter.Reporter),
  Option.match({
    onNone: (): Observer => ({}),
    onSome: (reporter): Observer => ({
      onStart: (server, start) =>
        reporter.during(text`starting ${foreign("server that starts", server, "prose")}`, start),
      onProgress: ({ toolCallId }, progress) => reporter.toolProgress(toolCallId, progress),
      onLog: (server, _, said) => reporter.serverSaid(server, said),
      onToolsChanged: reporter.toolsChanged
    })
  })
)

/** The MCP client takes longer to load than a cell without servers takes to run. */
const connect = Effect.fnUntraced(function*({ configs, inheritEnv, optional, root, servers, startTimeout }: Flags) {
  if (servers.length === 0 && configs.length === 0) {
    return Delegate.layerNoop
  }
  const ConfigFile = yield* Effect.promise(() => import("./ConfigFile.ts"))
  const Mcp = yield* Effect.promise(() => import("../../Mcp.ts"))
  const configured = yield* Effect.forEach(configs, ConfigFile.read)
  const all = [...servers, ...configured.flat()].map((server): ServerConfig => ({
    ...server,
    ...(inheritEnv && "command" in server ? { inheritEnv } : {}),
    ...(optional ? { optional } : {})
  }))
  const converse = yield* Questions.Conversation
  return Mcp.layer(all, {
    observer: yield* observer,
    elicit: converse === undefined ? undefined : Questions.ask(converse),
    ...yield* ServerOptions,
    startTimeout: Option.getOrUndefined(startTimeout),
    roots: Option.match(root, {
      onNone: () => undefined,
      onSome: (folder) => [{ uri: pathToFileURL(resolve(folder)).href, name: basename(resolve(folder)) }]
    })
  })
})

/** So many tools are too many for a model to be shown them all. */
const manyTools = 30

/** The tools that the flags ask for. */
const chosen = (flags: Flags) => ToolChoice.layer(flags, Layer.unwrap(connect(flags)))

const withCatalogue = (flags: Flags) =>
  flags.servers.length === 0 && flags.configs.length === 0
    ? chosen(flags)
    : Layer.unwrap(Effect.map(
      Effect.promise(() => import("../../Catalogue.ts")),
      (Catalogue) => Catalogue.layer(chosen(flags), { from: manyTools })
    ))

/** The tools that a cell has. */
export const layer = (flags: Flags) => {
  const all = withCatalogue(flags)
  return Option.match(flags.toolTimeout, {
    onNone: () => all,
    onSome: (timeout) => Delegate.mapLayer((self) => Delegate.withTimeout(self, timeout))(all)
  })
}
