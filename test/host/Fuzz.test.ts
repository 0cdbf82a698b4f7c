/**
 * Clients that say anything at all, to a host that also serves one who behaves.
 *
 * Every client is made of a seed, which a failure names.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Client, say } from "./Client.ts"
import { anyValue, damage, type Dice, makeDice, randomBytes } from "./Dice.ts"
import * as HostProcess from "./HostProcess.ts"

const hello = { type: "connection/hello", supportedVersions: [1], requiredCapabilities: [], optionalCapabilities: [] }

const sources = [
  "text(1)",
  "while (true) {}",
  "await tools.a({ b: 1 })",
  "for (let i = 0; i < 50; i++) tools.a(i); notify('n')",
  "yield_control(); text('x'.repeat(1e5))",
  "store('k', 1); throw new Error('boom')",
  "not javascript",
  "await new Promise(() => {})"
]

/** A message that a client may send, about sessions, cells and requests that may or may not be there. */
const anyMessage = ({ below, chance, pick }: Dice, id: number): unknown => {
  const sessionId = pick(["s", "t", "u"])
  const cell = String(below(4))
  const yieldTime = pick([0, 5, 20, 20_000])
  switch (below(9)) {
    case 0:
      return { type: "operation/request", id, request: { method: "session/open", sessionId } }
    case 1:
    case 2:
      return {
        type: "operation/request",
        id,
        request: {
          method: "session/execute",
          sessionId,
          request: {
            tool_call_id: "c",
            enabled_tools: [{
              name: "a",
              tool_name: { name: "a", namespace: null },
              description: "",
              kind: pick(["function", "freeform"]),
              input_schema: null,
              output_schema: null
            }],
            source: pick(sources),
            yield_time_ms: chance(0.1) ? null : yieldTime,
            max_output_tokens: pick([null, 0, 10, -1])
          }
        }
      }
    case 3:
      return {
        type: "operation/request",
        id,
        request: { method: "session/wait", sessionId, request: { cell_id: cell, yield_time_ms: yieldTime } }
      }
    case 4:
      return { type: "operation/request", id, request: { method: "session/terminate", sessionId, cellId: cell } }
    case 5:
      return chance(0.3)
        ? { type: "operation/request", id, request: { method: "session/shutdown", sessionId } }
        : { type: "operation/yield", id: below(id + 1) }
    case 6:
      return { type: "operation/cancel", id: below(id + 1) }
    default:
      return {
        type: "delegate/response",
        id: below(60),
        result: pick([
          { status: "ok", value: { type: "tool/result", result: { any: [1, null] } } },
          { status: "ok", value: { type: "notification/delivered" } },
          { status: "error", message: "no" }
        ])
      }
  }
}

const frame = (payload: Buffer): Buffer => {
  const header = Buffer.alloc(4)
  header.writeUInt32LE(payload.length)
  return Buffer.concat([header, payload])
}

const toFrame = (message: unknown) => frame(Buffer.from(JSON.stringify(message)))

/** Waits until the host has dealt with everything so far, or has had enough. */
const breathe = (client: Client, id: number) =>
  Effect.raceFirst(
    client.left,
    Effect.exit(client.answer(client.ask({ method: "session/shutdown", sessionId: "nobody" }, id)))
  )

/** Sends messages with ids that `nextId` gives, in a few bursts. */
const chatter = Effect.fnUntraced(function*(client: Client, dice: Dice, nextId: (turn: number) => number) {
  client.send(hello)
  client.send({ type: "operation/request", id: 1000, request: { method: "session/open", sessionId: "s" } })
  for (let turn = 0; turn < 60; turn++) {
    client.send(anyMessage(dice, nextId(turn)))
    if (dice.chance(0.1)) {
      yield* breathe(client, 2000 + turn)
    }
  }
})

/** What may go wrong in a client's life. */
const lives: { readonly [name: string]: (client: Client, dice: Dice) => Effect.Effect<void> } = {
  "random bytes": (client, dice) => Effect.sync(() => client.write(randomBytes(dice, dice.below(2000)))),
  "random payloads": (client, dice) =>
    Effect.sync(() => {
      client.send(hello)
      client.write(frame(randomBytes(dice, dice.below(200))))
    }),
  "random JSON": (client, dice) =>
    Effect.sync(() => {
      client.send(hello)
      client.send(anyValue(dice, 0))
    }),
  "a truncated frame": (client, dice) =>
    Effect.sync(() => {
      client.send(hello)
      const bytes = toFrame(anyMessage(dice, 1))
      client.write(bytes.subarray(0, dice.below(bytes.length)))
    }),
  "damaged frames": (client, dice) =>
    Effect.sync(() => {
      const messages = Array.from({ length: 20 }, (_, id) => toFrame(anyMessage(dice, id)))
      client.write(damage(dice, damage(dice, Buffer.concat([toFrame(hello), ...messages]))))
    }),
  "no greeting": (client, dice) => Effect.sync(() => client.send(anyMessage(dice, 1))),
  "messages in any order": (client, dice) => chatter(client, dice, (turn) => turn),
  "messages in any order, with ids that come back": (client, dice) => chatter(client, dice, () => dice.below(200)),
  "messages, and no ear for the answers": (client, dice) =>
    Effect.sync(() => {
      client.pause()
      client.send(hello)
      client.send({ type: "operation/request", id: 1000, request: { method: "session/open", sessionId: "s" } })
      for (let id = 0; id < 60; id++) {
        client.send(anyMessage(dice, id))
      }
    })
}

const seeds = 6

for (const [name, live] of Object.entries(lives)) {
  it.live(`a host survives ${name}`, () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix()
      const steady = yield* host.connect
      yield* steady.hello()
      yield* steady.open()
      const { initial } = yield* steady.execute("text(await tools.hold())", { tools: ["hold"] })
      const { id } = yield* steady.heardType("delegate/request")

      for (let seed = 1; seed <= seeds; seed++) {
        const client = yield* host.connect
        yield* live(client, makeDice(seed))
        client.end()
        client.resume()
        yield* client.left.pipe(
          Effect.timeoutOrElse({
            duration: "10 seconds",
            orElse: () => Effect.die(new Error(`the host does not let go of the client of seed ${seed}`))
          })
        )
        assert.deepStrictEqual(say(yield* steady.run("text('alive')")), ["Result", "alive"], `seed ${seed}`)
      }

      steady.respond(id, "well")
      assert.deepStrictEqual(say(yield* initial), ["Result", "well"])
      host.child.kill("SIGTERM")
      const { status, stderr } = yield* host.ended
      assert.strictEqual(status, 0)
      assert.notInclude(stderr, "This is a bug")
      assert.notInclude(stderr, "for no reason of its own")
    }).pipe(Effect.timeout("60 seconds")), 70_000)
}
