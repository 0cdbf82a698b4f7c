/**
 * A host over gRPC with as much to do as its bounds let it have: `npm run test:strain`. It takes minutes and gigabytes, and
 * is no part of `npm test`.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Call, type Client, type Session, tool } from "../grpc/Client.ts"
import * as HostAt from "../grpc/HostAt.ts"
import * as Lanes from "../hostile/Lanes.ts"

const mebibyte = 1024 * 1024
const forever = "await new Promise(() => {})"
const hold = { enabled_tools: [tool("hold")] }

const started = (execution: Call<unknown>) => Effect.map(execution.heard(1), ([first]) => first !== undefined)

const trials: Readonly<Record<string, (client: Client, session: Session) => Effect.Effect<void>>> = {
  "60 MiB as the answer of a tool, and as output": Effect.fnUntraced(function*(client, session) {
    const calls = session.subscribe()
    yield* calls.begun
    const execution = session.execute("const r = await tools.hold(); text(r.length); text(r)", hold)
    const [call] = yield* calls.heard(1)
    const { code } = yield* session.complete(call!.invocation_id, "x".repeat(60 * mebibyte))
    assert.strictEqual(code, "OK")
    assert.strictEqual((yield* execution.end).code, "OK")
    const texts = execution.messages[1]!.outcome!.content_items.map(({ text }) => text!.text.length)
    assert.deepStrictEqual(texts, [8, 60 * mebibyte])
    const { code: tooLong } = yield* client.ask("CompleteToolCall", {
      session_id: session.id,
      invocation_id: call!.invocation_id,
      succeeded: { output_json: Buffer.alloc(65 * mebibyte, "1") }
    })
    assert.strictEqual(tooLong, "OUT_OF_RANGE")
  }),

  "10,000 resets": Effect.fnUntraced(function*(client, session) {
    const held = session.execute(forever, { yield_time_ms: 0 })
    yield* held.end
    const cellId = held.messages[0]!.started!.cell_id
    for (let round = 0; round < 100; round++) {
      const calls = Array.from({ length: 100 }, (_, index) =>
        client.start("Wait", {
          session_id: session.id,
          cell_id: cellId,
          wait_id: `${round}-${index}`,
          yield_time_ms: 60_000
        }))
      yield* Effect.yieldNow
      calls.forEach((call) => call.reset())
      yield* Effect.forEach(calls, (call) => call.end, { discard: true })
    }
    const { value } = yield* session.wait(cellId, "last", 0)
    assert.isTrue(value?.live_cell?.yielded !== undefined)
  }),

  "500 executions that are reset": Effect.fnUntraced(function*(_client, session) {
    const executions = Array.from({ length: 500 }, () => session.execute(forever))
    for (const execution of executions) {
      execution.reset()
    }
    yield* Effect.forEach(executions, (execution) => execution.end, { discard: true })
    assert.deepStrictEqual(yield* session.run("text('alive')"), ["Completed", "alive"])
  }),

  "2,000 open executions": Effect.fnUntraced(function*(client, session) {
    const executions = Array.from({ length: 2_000 }, () => session.execute(forever, { yield_time_ms: 3_600_000 }))
    const all = yield* Effect.forEach(executions, started)
    assert.isTrue(all.every((one) => one))
    assert.isTrue(executions.every((execution) => !execution.hasEnded))
    assert.strictEqual((yield* client.ask("CancelWait", { session_id: session.id, wait_id: "w" })).code, "OK")
    assert.strictEqual((yield* session.close()).code, "OK")
    for (const execution of executions) {
      assert.strictEqual((yield* execution.end).code, "OK")
    }
  }),

  "a reader that stalls": Effect.fnUntraced(function*(_client, session) {
    const execution = session.execute(`for (let i = 0; i < 40; i++) notify('x'.repeat(${mebibyte})); text('done')`)
    session.lease.stream.pause()
    yield* started(execution)
    yield* Effect.sleep("1 second")
    assert.deepStrictEqual(yield* session.run("text('meanwhile')"), ["Completed", "meanwhile"])
    session.lease.stream.resume()
    yield* execution.end
    yield* session.lease.heard(41)
  })
}

for (const [name, trial] of Object.entries(trials)) {
  it.live(name, () =>
    Effect.gen(function*() {
      const host = yield* HostAt.stdio()
      const session = yield* host.client.open()
      yield* trial(host.client, session)
      const lanes = Lanes.lanesOf(host.child.pid!)
      host.child.stdin.end()
      assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
      yield* Effect.repeat(Effect.sleep("20 millis"), { while: () => lanes.some(Lanes.isAlive) })
    }), 300_000)
}
