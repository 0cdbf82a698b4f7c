import { assert, describe, it } from "@effect/vitest"
import * as JsonRpcCodec from "effect-code-mode/mcp-server/JsonRpcCodec"
import * as ProtocolEnd from "effect-code-mode/mcp-server/ProtocolEnd"
import * as AiMcpServer from "effect/ai/McpServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

describe("the end of a connection", () => {
  it.live("answers a request that came before it ran, and waited for something", () =>
    Effect.gen(function*() {
      const answers = yield* Queue.unbounded<unknown>()
      const { receive } = yield* ProtocolEnd.make({
        server: yield* AiMcpServer.McpServer.make,
        info: { name: "name", version: "1", instructions: "" },
        before: (method) => method === "tools/list" ? Effect.sleep("10 millis") : undefined,
        send: (message) => Effect.asVoid(Queue.offer(answers, "requestId" in message ? message.requestId : undefined))
      })
      const say = (message: object) => receive(JsonRpcCodec.decode(JSON.stringify({ jsonrpc: "2.0", ...message })))
      const clientInfo = { name: "client", version: "1" }
      yield* say({
        id: 0,
        method: "initialize",
        params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo }
      })
      yield* say({ id: 1, method: "tools/list" })
      assert.deepStrictEqual([yield* Queue.take(answers), yield* Queue.take(answers)], [0, 1])
    }).pipe(Effect.timeout("50 seconds")))
})
