/**
 * `effect-code-mode mcp`: the tools of MCP servers, behind one that gives a session to a model.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Environment from "../../mcp/Environment.ts"
import { text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Approvals from "./Approvals.ts"
import * as Checking from "./Checking.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as Failure from "./Failure.ts"
import * as HttpFlags from "./HttpFlags.ts"
import * as InspectFlag from "./InspectFlag.ts"
import * as ToolFlags from "./ToolFlags.ts"

const flags = {
  ...ToolFlags.flags,
  ...HttpFlags.flags,
  inspect: InspectFlag.flag,
  check: Checking.flag,
  yieldAfter: DurationFlag.make("yield-after").pipe(
    Flag.withDescription("How long exec waits for a cell, which goes on then (default: 10s)"),
    Flag.withDefault(Duration.seconds(10))
  ),
  maxWait: DurationFlag.make("max-wait").pipe(
    Flag.withDescription(
      "The longest that exec and wait take, whatever they are asked for (default: 50s, as clients give up after a minute)"
    ),
    Flag.withDefault(Duration.seconds(50))
  ),
  maxOutput: Flag.Int("max-output").pipe(
    Flag.withMetavar("TOKENS"),
    Flag.withDescription("How much output a model sees at a time, in tokens of four bytes (default: 10000)"),
    Flag.withDefault(10_000)
  ),
  structured: Flag.Boolean("structured").pipe(
    Flag.withDescription(
      "Give results as structured content, too. Some clients show a model nothing else, and no image"
    ),
    Flag.withDefault(false)
  )
}

type Flags = Command.Command.Config.Infer<typeof flags>

/** One that starts itself goes on with that. One behind another is not forbidden. */
const maxDepth = 2

const checkDepth = Effect.suspend(() =>
  Environment.depth() >= maxDepth
    ? Failure.toStart(
      text`it has started itself: a file of --config has an entry for it, which may say "disabled": true`
    )
    : Effect.void
)

/** Loaded when it is used: the protocol takes longer to load than the other commands take to run. */
const load = Effect.promise(() => import("./McpService.ts"))

const serve = Effect.fnUntraced(
  function*(flags: Flags) {
    yield* checkDepth
    if (Option.isNone(flags.http) && process.stdin.isTTY === true) {
      yield* Printer.tell(
        text`effect-code-mode: this is a server for an MCP client that starts it, and waits for one here. Ctrl-D ends it`
      )
    }
    const service = yield* load
    const where = yield* HttpFlags.read(flags)
    const tools = ToolFlags.layer(flags)
    const options = {
      codeMode: { yieldTime: flags.yieldAfter, maxWait: flags.maxWait, maxOutputTokens: flags.maxOutput },
      structured: flags.structured,
      check: yield* Checking.forModels(flags.check),
      needsApproval: Option.match(flags.approve, { onNone: () => undefined, onSome: Approvals.isNeeded })
    }
    return yield* Effect.provide(
      where === undefined ? service.stdio(tools, options) : service.http(tools, { ...options, ...where }),
      InspectFlag.layer(flags.inspect, "mcp")
    )
  },
  Effect.scoped,
  Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart)
)

export const command = Command.make("mcp", flags, serve).pipe(
  Command.withDescription("Serve the tools of MCP servers to a model, as one MCP server with exec, wait and search"),
  Command.withExamples([
    { command: "effect-code-mode mcp --config ~/.cursor/mcp.json", description: "Serve at standard input and output" },
    { command: "effect-code-mode mcp --config mcp.json --http 3000", description: "Serve at http://127.0.0.1:3000/mcp" }
  ])
)
