import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import type { Outgoing, Refusal } from "effect-code-mode/mcp-server/JsonRpcCodec"
import * as ModelConnection from "effect-code-mode/mcp-server/ModelConnection"
import * as McpServer from "effect-code-mode/McpServer"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"

const layer = Layer.mergeAll(Delegate.layerNoop, V8.layer({ warmLanes: 0 }), McpServer.layerClients)

const request = (id: number, tag: string, payload: object) =>
  ({ _tag: "Request", id, tag, payload, headers: [] }) as const

/** A client that reads as long as its latch is open, and has made a cell. */
const connect = Effect.gen(function*() {
  const reading = Latch.makeUnsafe(true)
  const heard = yield* Queue.make<Outgoing | Refusal>()
  const connection = yield* ModelConnection.make(
    {},
    (message) => reading.whenOpen(Effect.asVoid(Queue.offer(heard, message)))
  )
  yield* connection.receive(request(0, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "test", version: "1" }
  }))
  yield* connection.receive(request(1, "tools/call", { name: "exec", arguments: { source: "text(1)" } }))
  yield* connection.idle
  yield* Queue.takeAll(heard)
  return { connection, heard, reading }
})

const logsOf = (messages: ReadonlyArray<Outgoing | Refusal>) =>
  messages.flatMap((message) =>
    message._tag === "Request" && message.tag === "notifications/message"
      ? [(message.payload as { readonly data: string }).data]
      : []
  )

describe("clients that share servers", () => {
  it.live("keep no server waiting when they do not read", () =>
    Effect.gen(function*() {
      const { options } = yield* McpServer.Clients
      const { heard, reading } = yield* connect
      reading.closeUnsafe()
      const said = Array.from({ length: 1000 }, (_, index) => `line ${index}`)
      yield* Effect.timeout(
        Effect.forEach(said, (line) => options.observer.onLog!("server", "info", line), { discard: true }),
        "50 seconds"
      )
      yield* reading.open
      // What there was room for arrives, in order.
      const first = logsOf([yield* Queue.take(heard)])
      assert.deepStrictEqual(first, ["line 0"])
    }).pipe(Effect.provide(layer)))

  it.live("are asked and told by the only one that can be meant", () =>
    Effect.gen(function*() {
      const { options } = yield* McpServer.Clients
      const one = yield* connect
      yield* options.observer.onLog!("server", "info", "to one")
      assert.deepStrictEqual(logsOf([yield* Queue.take(one.heard)]), ["to one"])
      const two = yield* connect
      yield* options.observer.onLog!("server", "info", "to nobody")
      assert.deepStrictEqual(yield* options.elicit({ server: "server", message: "?", schema: {} }), {
        action: "decline"
      })
      for (const { connection, heard } of [one, two]) {
        yield* connection.receive(request(2, "ping", {}))
        yield* connection.idle
        assert.deepStrictEqual(logsOf(yield* Queue.takeAll(heard)), [])
      }
    }).pipe(Effect.provide(layer)))
})
