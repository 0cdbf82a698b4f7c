/**
 * `effect-code-mode mcp`: the tools of MCP servers, behind one that gives a session to a model.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as V8 from "../../V8.ts"
import * as Failure from "./Failure.ts"
import * as ToolFlags from "./ToolFlags.ts"

interface Flags extends ToolFlags.Flags {
  readonly structured: boolean
}

/** Loaded when it is used: the protocol takes longer to load than the other commands take to run. */
const load = Effect.promise(() => import("./McpService.ts"))

const serve = Effect.fnUntraced(function*(flags: Flags) {
  const { stdio } = yield* load
  yield* stdio(Layer.merge(ToolFlags.layer(flags), V8.layer()), { structured: flags.structured })
}, Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart))

export const command = Command.make(
  "mcp",
  {
    ...ToolFlags.flags,
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
    { command: "effect-code-mode mcp --config ~/.cursor/mcp.json", description: "Serve at standard input and output" }
  ])
)
