/** The host over gRPC, as a process, with real cells. */
import { assert, describe, it } from "@effect/vitest"
import * as Service from "effect-code-mode/wire/grpc/Service"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isRunning } from "../cli/Process.ts"
import * as HostProcess from "../host/HostProcess.ts"
import { type Client, framed, say, type Session, tool } from "./Client.ts"
import * as HostAt from "./HostAt.ts"

const tick = Schedule.spaced("10 millis")

const test = <E>(name: string, body: () => Effect.Effect<unknown, E, Scope.Scope>) =>
  it.live(name, () => Effect.timeout(body(), "50 seconds"), 60_000)

const forever = "await new Promise(() => {})"

const firstCell = "1"

/** Waits until the cells of a session are gone. */
const missing = (session: Session, cellId = firstCell) =>
  Effect.map(session.terminate(cellId), ({ value }) => value?.missing_cell !== undefined)

/** Waits with ids that are fresh, until that ends as it is to end. */
const untilWait = (session: Session, code: string) => {
  let waits = 0
  return Effect.repeat(
    Effect.suspend(() => session.wait(firstCell, `${code}-${++waits}`, 0)),
    { until: (answer) => answer.code === code, schedule: tick }
  )
}

const events = (session: Session) =>
  session.lease.messages.flatMap((event) =>
    Object.entries(event).filter(([, value]) => value !== undefined).map(([name]) => name)
  )

describe("a host over gRPC", () => {
  test("runs cells whose tools its client runs", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open()
      const calls = session.subscribe("add")
      yield* calls.begun
      const execution = session.execute(
        "text('a'); text(await tools.add({ x: 1 })); notify('n'); store('k', 2); image('data:image/png;base64,AA')",
        { enabled_tools: [tool("add")], execution_id: "e" }
      )
      const [call] = yield* calls.heard(1)
      assert.deepInclude(call, {
        session_id: session.id,
        execution_id: "e",
        cell_id: firstCell,
        runtime_tool_call_id: "tool-1",
        tool_name: { name: "add", namespace: undefined },
        tool_kind: 1,
        sequence: 1
      })
      assert.strictEqual(Buffer.from(call!.input_json!).toString(), "{\"x\":1}")
      assert.strictEqual((yield* session.complete(call!.invocation_id, "two")).code, "OK")
      // One that comes again changes nothing.
      assert.strictEqual((yield* session.complete(call!.invocation_id, "three")).code, "OK")
      assert.strictEqual((yield* execution.end).code, "OK")
      assert.deepStrictEqual(say(execution.messages[1]!.outcome), ["Completed", "a", "two", "image"])
      yield* session.lease.heard(3)
      assert.deepStrictEqual(events(session), ["opened", "notification", "cell_closed"])
      assert.strictEqual(session.lease.messages[2]!.cell_closed!.final_tool_call_sequence, 1)
      assert.deepStrictEqual(yield* session.run("text(load('k'))"), ["Completed", "2"])
      assert.deepStrictEqual(yield* session.run("throw new Error('no')"), [
        "Completed",
        "! Error: no\n    at exec_main.mjs:1:7"
      ])
    }))

  test("gives tool calls to those who want them, in turn, and fails those that nobody wants", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open({ max_pending_delegate_calls: 3 })
      const source = (count: number) =>
        `const all = await Promise.allSettled(Array.from({ length: ${count} }, () => tools.a()));`
        + "text(all.map((one) => one.value ?? one.reason).join())"
      const enabled_tools = [tool("a")]
      assert.deepStrictEqual(yield* session.run(source(1), { enabled_tools }), [
        "Completed",
        "no code-mode tool subscription matches the requested tool"
      ])
      const [one, all] = [session.subscribe("a"), session.subscribe()]
      yield* Effect.all([one.begun, all.begun, session.subscribe("b").begun])
      const execution = session.execute(
        `const told = () => tools.a().catch((reason) => { notify(reason); throw reason });`
          + source(4).replace("tools.a()", "told()"),
        { enabled_tools }
      )
      yield* one.heard(2)
      yield* all.heard(1)
      // After the start of the session and the end of its first cell, it hears of the call that fails. The others wait.
      yield* session.lease.heard(3)
      for (const call of [...one.messages, ...all.messages]) {
        yield* session.complete(call.invocation_id, call.sequence)
      }
      yield* execution.end
      assert.deepStrictEqual(say(execution.messages[1]!.outcome), [
        "Completed",
        "1,2,3,code-mode session has too many pending delegate calls"
      ])
    }))

  test("tells that a tool call is cancelled, and ends a session whose calls nobody will answer", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open()
      const calls = session.subscribe()
      yield* calls.begun
      const enabled_tools = [tool("a")]
      session.execute("await tools.a()", { enabled_tools })
      const [call] = yield* calls.heard(1)
      assert.deepStrictEqual(say((yield* session.terminate(firstCell)).value!.live_cell), ["Terminated"])
      yield* session.lease.heard(3)
      assert.strictEqual(session.lease.messages[1]!.tool_call_cancelled!.invocation_id, call!.invocation_id)
      assert.strictEqual((yield* session.complete(call!.invocation_id, 1)).code, "OK")

      const execution = session.execute("await tools.a()", { enabled_tools })
      yield* calls.heard(2)
      calls.reset()
      assert.strictEqual((yield* session.lease.end).code, "OK")
      assert.strictEqual((yield* execution.end).code, "OK")
      assert.strictEqual((yield* session.close()).code, "NOT_FOUND")
    }))

  test("yields, waits, cancels and terminates as it is told", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open()
      const session_id = session.id
      const execution = session.execute(`text('a'); ${forever}`, { execution_id: "e", yield_time_ms: 60_000 })
      yield* execution.heard(1)
      yield* client.ask("YieldObservation", { session_id, execution_id: "e" })
      yield* execution.end
      assert.strictEqual(say(execution.messages[1]!.outcome)[0], "Yielded")

      const waiting = client.start("Wait", { session_id, cell_id: "1", wait_id: "w", yield_time_ms: 60_000 })
      yield* untilWait(session, "FAILED_PRECONDITION")
      yield* client.ask("CancelWait", { session_id, wait_id: "w" })
      assert.deepInclude(yield* waiting.end, { code: "CANCELLED", message: "code-mode wait was cancelled" })

      const reset = client.start("Wait", { session_id, cell_id: "1", wait_id: "r", yield_time_ms: 60_000 })
      reset.reset()
      const next = yield* untilWait(session, "OK")
      assert.strictEqual(say(next.value!.live_cell)[0], "Yielded")
      assert.strictEqual(say((yield* session.terminate("1")).value!.live_cell)[0], "Terminated")
      assert.isTrue(yield* missing(session))
    }))

  test("ends the cell of an execution that is reset", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open()
      const execution = session.execute("while (true) {}")
      yield* execution.heard(1)
      execution.reset()
      yield* Effect.repeat(missing(session), { until: (gone) => gone, schedule: tick })
    }))

  test("truncates where it was asked to, and says so", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio()
      const session = yield* client.open({ output_truncation: 2 })
      assert.strictEqual(session.lease.messages[0]!.opened!.output_truncation, 2)
      const source = "text('word '.repeat(500))"
      const [, text] = yield* session.run(source, { max_output_tokens: 5 })
      assert.match(text!, /^Warning: truncated output/)
      assert.deepStrictEqual(yield* (yield* client.open()).run(source, { max_output_tokens: 5 }), [
        "Completed",
        "word ".repeat(500)
      ])
    }))

  test("keeps to the bounds of its operator, whatever a session wishes", () =>
    Effect.gen(function*() {
      const { client } = yield* HostAt.stdio("--max-heap-size-bytes", String(16 * 2 ** 20), "--max-live-cells", "1")
      const session = yield* client.open({ cell_execution_limits: { max_heap_size_bytes: 2 ** 40 } })
      const [, ...said] = yield* session.run("const all = []; for (;;) all.push(new Array(1e5).fill(1.5))")
      assert.match(said.join(), /memory|heap/i)
      yield* session.run(forever, { yield_time_ms: 0 })
      assert.deepStrictEqual(yield* session.run("1"), [
        "RESOURCE_EXHAUSTED",
        "code-mode host has too many active cells"
      ])
    }))

  test("is gone when its client is, with status 0", () =>
    Effect.gen(function*() {
      const { child, client, ended } = yield* HostAt.stdio()
      const session = yield* client.open()
      yield* session.execute("while (true) {}").heard(1)
      child.stdin.end()
      assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
    }))

  test("serves many at a port, who share its sessions", () =>
    Effect.gen(function*() {
      const host = yield* HostAt.tcp()
      const [first, second] = [yield* host.connect, yield* host.connect]
      const session = yield* first.open()
      const there: Client["ask"] = second.ask
      const session_id = session.id
      const execution = second.start("Execute", { session_id, execution_id: "e", tool_call_id: "c", source: forever })
      yield* execution.heard(1)
      first.close()
      // It belongs to the call that opened it.
      assert.strictEqual((yield* execution.end).code, "OK")
      assert.strictEqual((yield* there("CancelWait", { session_id, wait_id: "w" })).code, "NOT_FOUND")
      assert.strictEqual((yield* (yield* second.open()).run("1"))[0], "Completed")
      host.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
    }))

  test("tells at a port that it is well, and what it takes", () =>
    Effect.gen(function*() {
      const host = yield* HostAt.tcp()
      const get = (path: string, method = "GET") =>
        Effect.map(Effect.promise(() => fetch(`${host.url}${path}`, { method })), ({ status }) => status)
      assert.deepStrictEqual([yield* get("/healthz"), yield* get("/healthz", "POST"), yield* get("/")], [200, 505, 505])
      const client = yield* host.connect
      const health = (service: string) =>
        client.send(
          "/grpc.health.v1.Health/Check",
          Service.HealthCheckResponse,
          framed(Buffer.from([0x0a, service.length, ...Buffer.from(service)]))
        )
      const well = health("codex.code_mode.v1.CodeModeHost")
      assert.strictEqual((yield* well.end).code, "OK")
      assert.deepStrictEqual(well.messages, [{ status: 1 }])
      assert.strictEqual((yield* health("other").end).code, "NOT_FOUND")

      yield* (yield* client.open()).run("for (const end = Date.now() + 300; Date.now() < end;) {}")
      const { value } = yield* client.ask("GetProcessMetrics", {})
      assert.isTrue(isRunning(value!.process_id))
      assert.closeTo(value!.process_start_time_seconds, Date.now() / 1000, 20)
      assert.isAbove(value!.cpu_seconds_total, 0.1)
      assert.isAbove(value!.resident_memory_bytes, 30 * 2 ** 20)
    }))

  test("refuses an address that is none", () =>
    Effect.gen(function*() {
      for (const url of ["grpc://localhost:0", "grpc://127.0.0.1", "grpc://127.0.0.1:0/", "grpc://127.0.0.1:70000"]) {
        const { ended } = yield* HostProcess.start("--listen", url)
        assert.deepStrictEqual(yield* ended, {
          status: 1,
          stderr: `code-mode-host: invalid gRPC --listen URL \`${url}\`; expected \`grpc://IP:PORT\`\n`
        })
      }
    }))
})
