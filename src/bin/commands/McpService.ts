/**
 * The MCP server as the command runs it: while servers start, the end of its input is seen already.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Stdio } from "effect/Stdio"
import type { Delegate } from "../../Delegate.ts"
import type { Isolate } from "../../Isolate.ts"
import * as ModelConnection from "../../mcp-server/ModelConnection.ts"
import * as StdioService from "../../mcp-server/StdioService.ts"
import * as Transport from "../../wire/Transport.ts"

export const stdio = Effect.fnUntraced(function*<E, R>(
  services: Layer.Layer<Delegate | Isolate, E, R>,
  options: ModelConnection.Options
) {
  const transport = Transport.fromStdio(yield* Stdio)
  yield* StdioService.serve(transport, (send) =>
    Effect.flatMap(
      Layer.build(services),
      (context) => Effect.provideContext(ModelConnection.make(options, send), context)
    ))
})
