/**
 * `effect-code-mode run FILE`: runs a cell to its end.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Delegate from "../Delegate.ts"
import * as V8 from "../isolate/V8.ts"
import type { ServerConfig } from "../Mcp.ts"
import * as Runtime from "../Runtime.ts"
import * as Execute from "./Execute.ts"
import * as Failure from "./Failure.ts"
import * as Render from "./Render.ts"
import * as ServerFlag from "./ServerFlag.ts"
import * as Source from "./Source.ts"
import * as ToolCallLog from "./ToolCallLog.ts"

/** The MCP client takes longer to load than a cell without servers takes to run. */
const mcp = (servers: ReadonlyArray<ServerConfig>) =>
  Layer.unwrap(Effect.map(Effect.promise(() => import("../Mcp.ts")), (Mcp) => Mcp.layer(servers)))

const session = (servers: ReadonlyArray<ServerConfig>) =>
  Runtime.layer().pipe(
    Layer.provide(ToolCallLog.layer(servers.length === 0 ? Delegate.layerNoop : mcp(servers))),
    Layer.provide(V8.layer())
  )

const run = Effect.fn("Run.run")(function*(file: string, servers: ReadonlyArray<ServerConfig>) {
  const source = yield* Source.read(file)
  const outcome = yield* Execute.execute(source.text).pipe(
    Effect.provide(session(servers)),
    Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.toStart)
  )
  if (outcome._tag === "Terminated") {
    return yield* Failure.toCell({ message: "the cell waits for something that can never come" })
  }
  if (outcome.error !== undefined) {
    return yield* Failure.toCell({ message: Render.failure(source, outcome.error) })
  }
})

export const command = Command.make(
  "run",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The cell: an ES module with top-level await. - is standard input")
    ),
    servers: ServerFlag.flag
  },
  ({ file, servers }) => run(file, servers)
).pipe(
  Command.withDescription("Run JavaScript that calls the tools of MCP servers"),
  Command.withExamples([
    { command: "echo 'text(6 * 7)' | effect-code-mode run -", description: "Run a cell from standard input" },
    {
      command: "effect-code-mode run cell.js --mcp 'fs=npx -y @modelcontextprotocol/server-filesystem .'",
      description: "Run a cell with the tools of a server, named fs"
    }
  ])
)
