/** Messages that no client would send, by the hundred: each is answered or refused, and the next one is heard. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { start } from "../cli/Process.ts"
import * as Dice from "../host/Dice.ts"
import { command, textOf } from "./SdkClient.ts"

const methods = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/read",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
  "resources/subscribe",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "elicitation/create",
  "server/discover",
  "subscriptions/listen",
  "@effect/rpc/Eof",
  "@effect/rpc/Interrupt",
  "2025-11-25/tools/list",
  "__proto__",
  ""
]

const params = [
  { name: "exec" },
  { name: "exec", arguments: { source: "text(1)" } },
  { name: "exec", arguments: { source: "notify(1)" }, _meta: { progressToken: {} } },
  { name: "wait", arguments: { cell_id: "x" } },
  { name: "search", arguments: { query: "x" } },
  { requestId: 1 },
  { requestId: "1" },
  { level: "debug" },
  { uri: "no://such" },
  { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
  { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }
]

/** A line, and the id under which something has to come back for it. */
const line = (dice: Dice.Dice, id: number): { readonly text: string; readonly asks: number | undefined } => {
  const { chance, pick } = dice
  const message: Record<string, unknown> = {
    jsonrpc: chance(0.97) ? "2.0" : Dice.anyValue(dice, 0),
    method: chance(0.97) ? pick(methods) : Dice.anyValue(dice, 0),
    params: chance(0.7) ? pick(params) : Dice.anyValue(dice, 0),
    ...(chance(0.8) ? { id } : chance(0.5) ? { id: Dice.anyValue(dice, 0) } : {}),
    ...(chance(0.1) ? { [pick(["result", "error", "headers", "chunk"])]: Dice.anyValue(dice, 0) } : {})
  }
  const isRequest = message.jsonrpc === "2.0" && typeof message.method === "string" && message.id === id
  const text = JSON.stringify(chance(0.02) ? [message] : message)
  return chance(0.05)
    ? { text: Dice.damage(dice, Buffer.from(text)).toString().replaceAll("\n", " "), asks: undefined }
    : { text, asks: isRequest && text.startsWith("{") ? id : undefined }
}

const initialize = (id: string) =>
  JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } }
  })

const last = JSON.stringify({
  jsonrpc: "2.0",
  id: "last",
  method: "tools/call",
  params: { name: "exec", arguments: { source: "text('alive')" } }
})

describe("any messages", () => {
  it.live("are answered or refused", () =>
    Effect.forEach([1, 2, 3], (seed) =>
      Effect.gen(function*() {
        const dice = Dice.makeDice(seed)
        const lines = Array.from({ length: 400 }, (_, index) => line(dice, index))
        const running = yield* start(process.execPath, [command, "mcp"], { keepOpen: true })
        const texts = [...seed === 1 ? [] : [initialize("first")], ...lines.map(({ text }) => text)]
        running.child.stdin.write([...texts, initialize("again"), last, ""].join("\n"))
        yield* running.printed("\"id\":\"last\"")
        running.child.stdin.end()
        const { status, stderr, stdout } = yield* running.result
        assert.deepStrictEqual([status, stderr], [0, ""], `seed ${seed}`)
        const answers = stdout.trimEnd().split("\n").map((text): any => JSON.parse(text))
        assert.include(textOf(answers.find(({ id }) => id === "last").result), "alive")
        // Two requests may have been cancelled by chance.
        const answered = new Set(answers.filter(({ error, result }) => error ?? result).map(({ id }) => id))
        const unanswered = lines.flatMap(({ asks }) =>
          asks === undefined || asks === 1 || answered.has(asks) ? [] : [asks]
        )
        assert.deepStrictEqual(unanswered, [], `seed ${seed}`)
      }), { discard: true }))
})
