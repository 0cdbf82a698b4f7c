/**
 * Clients that say anything at all over HTTP/2, to a host that also serves one who behaves.
 *
 * Every client is made of a seed, which a failure names.
 */
import { assert, it } from "@effect/vitest"
import * as Protobuf from "effect-code-mode/wire/grpc/Protobuf"
import * as Service from "effect-code-mode/wire/grpc/Service"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { damage, type Dice, makeDice, randomBytes } from "../host/Dice.ts"
import * as HostProcess from "../host/HostProcess.ts"
import { framed, servicePath, tool } from "./Client.ts"
import * as HostAt from "./HostAt.ts"
import { flags, frame, hello, request, types } from "./RawHttp2.ts"

const sources = [
  "text(1)",
  "while (true) {}",
  "await tools.a({ b: 1 })",
  "for (let i = 0; i < 50; i++) tools.a(i); notify('n')",
  "yield_control(); text('x'.repeat(1e5))",
  "throw new Error('boom')",
  "await new Promise(() => {})"
]

/** A message of a client about a session that is there, or about one that is not. */
const anyMessage = (dice: Dice, session: string): readonly [method: string, message: Buffer] => {
  const { below, pick } = dice
  const session_id = pick([session, session, session, "", "x", "00000000-0000-0000-0000-000000000000"])
  const id = pick(["a", "b", "c", ""])
  const cell_id = pick(["1", "2", "3", ""])
  const yield_time_ms = pick([0, 5, 20, 20_000])
  const say = <A>(method: string, type: Protobuf.Message<A>, value: Protobuf.Input<A>) =>
    [method, Protobuf.encode(type, value)] as const
  switch (below(10)) {
    case 0:
      return say("OpenSession", Service.OpenSessionRequest, {
        output_truncation: below(4),
        max_pending_delegate_calls: pick([undefined, 0, 1])
      })
    case 1:
    case 2:
    case 3:
      return say("Execute", Service.ExecuteRequest, {
        session_id,
        execution_id: pick([id, String(below(1e6))]),
        tool_call_id: "c",
        source: pick(sources),
        enabled_tools: [{ ...tool("a"), kind: below(4) }],
        yield_time_ms
      })
    case 4:
      return say("Wait", Service.WaitRequest, { session_id, cell_id, wait_id: id, yield_time_ms })
    case 5:
      return say("Terminate", Service.TerminateRequest, { session_id, cell_id })
    case 6:
      return say("SubscribeToToolCalls", Service.SubscribeToToolCallsRequest, {
        session_id,
        tool_names: pick([[], [{ name: "a" }], [{ name: "" }]])
      })
    case 7:
      return say("CancelWait", Service.CancelWaitRequest, { session_id, wait_id: id })
    case 8:
      return say(
        "YieldObservation",
        Service.YieldObservationRequest,
        pick([{ session_id, execution_id: id }, { session_id }])
      )
    default:
      return say("CompleteToolCall", Service.CompleteToolCallRequest, {
        session_id,
        invocation_id: session_id,
        succeeded: { output_json: Buffer.from(pick(["1", "{", ""])) }
      })
  }
}

/** The frames of calls, on streams 1, 3, 5, …, with what may come between them. */
const calls = (dice: Dice, count: number, session: string): ReadonlyArray<Buffer> =>
  Array.from({ length: count }, (_, index) => {
    const stream = 2 * index + 1
    const [method, message] = anyMessage(dice, session)
    const body = dice.chance(0.2) ? damage(dice, message.length === 0 ? Buffer.from([0]) : message) : message
    return [
      frame(types.headers, flags.endHeaders, stream, request(servicePath + method)),
      frame(types.data, dice.chance(0.9) ? flags.endStream : 0, stream, framed(body, dice.chance(0.05) ? 1 : 0)),
      ...(dice.chance(0.2) ? [frame(types.reset, 0, stream, Buffer.from([0, 0, 0, 8]))] : [])
    ]
  }).flat()

const anyFrame = (dice: Dice) =>
  frame(dice.below(12), dice.below(256), dice.pick([0, 1, 2, 3, 2 ** 31 - 1]), randomBytes(dice, dice.below(40)))

const some = <A>(count: number, make: () => A) => Array.from({ length: count }, make)

/** What a client may send in its life. */
const lives: { readonly [name: string]: (dice: Dice, session: string) => ReadonlyArray<Buffer> } = {
  "random bytes": (dice) => [randomBytes(dice, 1 + dice.below(2000))],
  "the start of a greeting": (dice) => [hello.subarray(0, 1 + dice.below(hello.length - 1))],
  "random bytes after the greeting": (dice) => [hello, randomBytes(dice, dice.below(2000))],
  "frames of any kind": (dice) => [hello, ...some(20, () => anyFrame(dice))],
  "frames of any kind amid calls": (dice, session) => [
    hello,
    ...calls(dice, 10, session).flatMap((call) => dice.chance(0.1) ? [anyFrame(dice), call] : [call])
  ],
  "headers that are none": (dice) => [
    hello,
    ...some(
      5,
      () => frame(types.headers, flags.endHeaders + dice.below(2), 1 + 2 * dice.below(9), randomBytes(dice, 30))
    )
  ],
  "calls in any order": (dice, session) => [hello, ...calls(dice, 60, session)],
  "damaged calls": (dice, session) => [
    damage(dice, damage(dice, Buffer.concat([hello, ...calls(dice, 20, session)])))
  ],
  "random messages": (dice) => [
    hello,
    ...some(20, () => randomBytes(dice, dice.below(60))).flatMap((message, index) => [
      frame(
        types.headers,
        flags.endHeaders,
        2 * index + 1,
        request(servicePath + dice.pick(["OpenSession", "Execute", "CompleteToolCall", "Wait"]))
      ),
      frame(types.data, flags.endStream, 2 * index + 1, framed(message))
    ])
  ]
}

/** Connects, says it, and leaves: in good order or not, and having listened or not. */
const visit = (port: number, dice: Dice, said: ReadonlyArray<Buffer>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("error", () => {}).on("close", () => resume(Effect.void))
    if (dice.chance(0.7)) socket.resume()
    for (const bytes of said) socket.write(bytes)
    if (dice.chance(0.5)) {
      socket.end(() => socket.resume())
    } else {
      const timer = setTimeout(() => socket.destroy(), dice.below(100))
      socket.on("close", () => clearTimeout(timer))
    }
    return Effect.sync(() => socket.destroy())
  })

const seeds = 12

for (const [name, live] of Object.entries(lives)) {
  it.live(`a host over gRPC survives ${name}`, () =>
    Effect.gen(function*() {
      const host = yield* HostAt.tcp()
      const client = yield* host.connect
      const session = yield* client.open()
      const tools = session.subscribe("hold")
      yield* tools.begun
      const held = session.execute("text(await tools.hold())", { enabled_tools: [tool("hold")] })
      const [call] = yield* tools.heard(1)
      const other = yield* client.open()

      for (let seed = 1; seed <= seeds; seed++) {
        const dice = makeDice(seed)
        yield* visit(host.port, dice, live(dice, other.id)).pipe(
          Effect.timeoutOrElse({
            duration: "10 seconds",
            orElse: () => Effect.die(new Error(`the host does not let go of the client of seed ${seed}`))
          })
        )
        assert.deepStrictEqual(yield* session.run("text('alive')"), ["Completed", "alive"], `seed ${seed}`)
      }

      yield* session.complete(call!.invocation_id, "well")
      yield* held.end
      assert.strictEqual(held.messages[1]?.outcome?.content_items[0]?.text?.text, "well")
      host.child.kill("SIGTERM")
      const { status, stderr } = yield* host.ended
      assert.deepStrictEqual([status, stderr], [0, ""])
    }).pipe(Effect.timeout("60 seconds")), 70_000)
}

it.live(
  "a host over gRPC at standard input and output ends well, whatever its client says",
  () =>
    Effect.forEach(Object.values(lives), (live, index) =>
      Effect.gen(function*() {
        const { child, ended } = yield* HostProcess.start("--listen", "grpc+stdio://")
        for (const bytes of live(makeDice(index + 1), "x")) child.stdin.write(bytes)
        child.stdout.resume()
        child.stdin.end()
        assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
      }).pipe(Effect.scoped), { concurrency: 2, discard: true }).pipe(Effect.timeout("60 seconds")),
  70_000
)
