/**
 * `effect-code-mode mcp`: the tools of MCP servers, behind one that gives a session to a model.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as V8 from "../../V8.ts"
import * as Approvals from "./Approvals.ts"
import * as Checking from "./Checking.ts"
import * as Failure from "./Failure.ts"
import * as HttpFlags from "./HttpFlags.ts"
import * as ToolFlags from "./ToolFlags.ts"

interface Flags extends ToolFlags.Flags, HttpFlags.Flags {
  readonly structured: boolean
  readonly check: Checking.Level
}

/** Loaded when it is used: the protocol takes longer to load than the other commands take to run. */
const load = Effect.promise(() => import("./McpService.ts"))

const serve = Effect.fnUntraced(
  function*(flags: Flags) {
    const service = yield* load
    const where = yield* HttpFlags.read(flags)
    const services = Layer.merge(service.shared(ToolFlags.layer(flags)), V8.layer())
    const options = {
      structured: flags.structured,
      check: yield* Checking.forModels(flags.check),
      needsApproval: Option.match(flags.approve, { onNone: () => undefined, onSome: Approvals.isNeeded })
    }
    return yield* where === undefined
      ? service.stdio(services, options)
      : service.http(services, { ...options, ...where })
  },
  Effect.scoped,
  Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart)
)

export const command = Command.make(
  "mcp",
  {
    ...ToolFlags.flags,
    ...HttpFlags.flags,
    check: Checking.flag,
    structured: Flag.Boolean("structured").pipe(
      Flag.withDescription(
        "Give results as structured content, too. Some clients show a model nothing else, and no image"
      ),
      Flag.withDefault(false)
    )
  },
  serve
).pipe(
  Command.withDescription("Serve the tools of MCP servers to a model, as one MCP server with exec, wait and search"),
  Command.withExamples([
    { command: "effect-code-mode mcp --config ~/.cursor/mcp.json", description: "Serve at standard input and output" },
    { command: "effect-code-mode mcp --config mcp.json --http 3000", description: "Serve at http://127.0.0.1:3000/mcp" }
  ])
)
