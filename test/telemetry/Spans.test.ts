import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Trace from "effect-code-mode/telemetry/Trace"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import * as PlayedHost from "../remote/PlayedHost.ts"
import { calls, finished, layer, makeCell, output, request, started, toolCallId } from "../session/TestSession.ts"
import * as Traced from "./Traced.ts"

const { attributes, parentOf, status } = Traced

/** Lets everything happen that can happen by itself. */
const settle = Effect.forEach(Array.from({ length: 30 }), () => Effect.yieldNow, { discard: true })

const called = (id: string, input: string): Isolate.IsolateEvent => ({
  _tag: "ToolCalls",
  calls: [{ id: toolCallId(id), tool: 0, input }]
})

const parentInHandler = Effect.map(
  Effect.option(Effect.currentParentSpan),
  (span) => span._tag === "Some" ? span.value : undefined
)

describe("spans of a session", () => {
  it.effect("go from the caller to the handler, with ids, sizes and times, and no values", () => {
    const { only, traced } = Traced.make()
    return Effect.gen(function*() {
      const handled: Array<unknown> = []
      const invokeTool = () =>
        Effect.gen(function*() {
          handled.push((yield* parentInHandler)?.spanId)
          yield* Effect.sleep("3 seconds")
          return "secret result"
        })
      yield* Effect.gen(function*() {
        const { isolate, session, cell } = yield* Effect.withSpan(makeCell, "caller")
        yield* isolate.emit(called("tool-1", "\"secret input\""), output("secret output"))
        yield* TestClock.adjust("3 seconds")
        yield* isolate.emit(finished())
        yield* session.observe(cell)
        assert.strictEqual(status(only("code-mode.session")), "goes on")
      }).pipe(Effect.provide(layer({ invokeTool, sessionId: "s-1" }), { local: true }))
      const [caller, session, cell, call] = [
        only("caller"),
        only("code-mode.session"),
        only("code-mode.cell"),
        only("execute_tool tool")
      ]
      assert.deepStrictEqual([session, cell, call].map(status), ["ok", "ok", "ok"])
      assert.deepStrictEqual([parentOf(session), parentOf(cell), parentOf(call)], [undefined, caller, cell])
      assert.deepStrictEqual(cell.links.map(({ span }) => span), [session])
      assert.deepStrictEqual(handled, [call.spanId])
      assert.deepStrictEqual(attributes(session), { "code_mode.session.id": "s-1" })
      assert.deepStrictEqual(attributes(cell), {
        "code_mode.session.id": "s-1",
        "code_mode.cell.id": "1",
        "code_mode.call.id": "call-1",
        "code_mode.cell.kind": "continuing",
        "code_mode.cell.language": "javascript",
        "code_mode.source.bytes": 0,
        "code_mode.calls": 1,
        "code_mode.output.bytes": 13,
        "code_mode.cell.outcome": "Completed"
      })
      assert.deepStrictEqual(attributes(call), {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "tool",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "tool-1",
        "code_mode.session.id": "s-1",
        "code_mode.cell.id": "1",
        "code_mode.call.id": "call-1",
        "code_mode.input.bytes": 14,
        "code_mode.queued.milliseconds": 0,
        "code_mode.call.outcome": "Succeeded",
        "code_mode.approval.milliseconds": 0,
        "code_mode.output.bytes": 15
      })
      const ended = call.status as Extract<Tracer.SpanStatus, { _tag: "Ended" }>
      assert.strictEqual(ended.endTime - ended.startTime, 3_000_000_000n)
      assert.notMatch(
        JSON.stringify([session, cell, call].map((span) => [attributes(span), span.status, span.events]), bigints),
        /secret/
      )
    }).pipe(traced)
  })

  const bigints = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value

  it.effect("say how what failed has failed, and nothing of what it said", () => {
    const { named, only, spans, traced } = Traced.make()
    return Effect.gen(function*() {
      const agreed = yield* Deferred.make<void>()
      const invokeTool = ({ toolCallId }: Protocol.NestedToolCall) =>
        toolCallId === "fails"
          ? Effect.fail(new Protocol.ToolError({ text: "secret failure" }))
          : toolCallId === "refused"
          ? Effect.fail(new Protocol.ToolError({ text: "secret reason", performed: false }))
          : toolCallId === "dies"
          ? Effect.die(new Error("secret defect"))
          : toolCallId === "asks"
          ? Delegate.awaitingApproval(Deferred.await(agreed)).pipe(Effect.andThen(Effect.never))
          : Effect.never
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("fails", "refused", "dies", "asks", "stopped"))
        yield* TestClock.adjust("2 seconds")
        yield* Deferred.succeed(agreed, undefined)
        yield* settle
        yield* session.terminate(cell)
        const { cell: broken, isolate: other } = yield* makeCell
        yield* other.emit(finished({ error: "secret error" }))
        yield* session.observe(broken)
      }).pipe(Effect.provide(layer({ invokeTool }), { local: true }))
      assert.deepStrictEqual(
        named("execute_tool tool").map((span) => [
          attributes(span)["gen_ai.tool.call.id"],
          status(span),
          attributes(span)["code_mode.call.outcome"]
        ]),
        [
          ["fails", "ToolError", "Failed"],
          ["refused", "ToolError", "NotStarted"],
          ["dies", "Defect", "Failed"],
          ["asks", "Interrupt", "Interrupted"],
          ["stopped", "Interrupt", "Interrupted"]
        ]
      )
      const asks = named("execute_tool tool")[3]!
      assert.deepStrictEqual(asks.events.map(([name, at]) => [name, at]), [
        ["approval.awaited", 0n],
        ["approval.over", 2_000_000_000n]
      ])
      assert.strictEqual(attributes(asks)["code_mode.approval.milliseconds"], 2000)
      assert.deepStrictEqual(named("code-mode.cell").map(status), ["Interrupt", "ScriptError"])
      assert.strictEqual(status(only("code-mode.session")), "ok")
      const exits = spans.map(({ status }) =>
        status._tag === "Ended" && Exit.isFailure(status.exit)
          ? Cause.pretty(status.exit.cause) + JSON.stringify(Cause.prettyErrors(status.exit.cause).map(String))
          : ""
      )
      assert.notMatch(exits.join(), /secret/)
    }).pipe(traced, Effect.provideService(References.MinimumLogLevel, "None"))
  })

  it.effect("end as refused where there is no cell, and stand below the session without a caller", () => {
    const { named, only, traced } = Traced.make()
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const { session } = yield* makeCell
        yield* Effect.flip(session.create(request()))
      }).pipe(Effect.provide(layer({ limits: { maxLiveCells: 1, maxSourceBytes: 1 } }), { local: true }))
      assert.deepStrictEqual(named("code-mode.cell").map(status), ["Interrupt"])
      assert.strictEqual(parentOf(only("code-mode.cell")), only("code-mode.session"))
      yield* Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        yield* Effect.flip(session.create(request()))
      }).pipe(
        Effect.provide(Runtime.layer(), { local: true }),
        Effect.provide(Delegate.layerNoop),
        Effect.provideService(
          Isolate.Isolate,
          Isolate.Isolate.of({
            lease: Effect.succeed({
              start: () => Effect.fail(new Protocol.IsolateFailure({ text: "secret" }))
            })
          })
        )
      )
      assert.deepStrictEqual(named("code-mode.cell").map(status), ["Interrupt", "IsolateFailure"])
    }).pipe(traced)
  })

  it.effect("are not made without a tracer, nor where the caller says so", () =>
    Effect.gen(function*() {
      const { spans, traced } = Traced.make()
      const seen: Array<Tracer.AnySpan | undefined> = []
      const run = Effect.gen(function*() {
        const { isolate } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        yield* settle
      }).pipe(
        Effect.provide(
          layer({ invokeTool: () => Effect.as(Effect.map(parentInHandler, (span) => seen.push(span)), null) }),
          { local: true }
        )
      )
      yield* Effect.withTracerEnabled(traced(run), false)
      assert.deepStrictEqual(spans, [])
      yield* run
      assert.deepStrictEqual(seen, [undefined, undefined])
      const elsewhere = Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "2".repeat(16) })
      yield* Effect.withParentSpan(run, elsewhere)
      assert.strictEqual(seen[2], elsewhere)
    }))

  it.effect("are those of what is logged meanwhile", () => {
    const { only, traced } = Traced.make()
    const logged: Array<readonly [string | undefined, unknown]> = []
    return Effect.gen(function*() {
      const { isolate } = yield* makeCell
      yield* isolate.emit(calls("tool-1"))
      yield* settle
    }).pipe(
      Effect.provide(layer({ invokeTool: () => Effect.die("bug"), sessionId: "s" }), { local: true }),
      Effect.provide(Logger.layer([
        Logger.make(({ fiber }) =>
          logged.push([
            Context.getOrUndefined(fiber.context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)?.spanId,
            fiber.getRef(References.CurrentLogAnnotations)
          ])
        )
      ])),
      Effect.andThen(Effect.sync(() =>
        assert.deepStrictEqual(logged, [[
          only("execute_tool tool").spanId,
          { sessionId: "s", cellId: "1", callId: "call-1", toolCallId: "tool-1" }
        ]])
      )),
      traced
    )
  })
})

describe("spans of a session at a host", () => {
  /** A session whose client and host each have a tracer, or none. */
  const run = Effect.fnUntraced(function*(
    client: ReturnType<typeof Traced.make> | undefined,
    host: ReturnType<typeof Traced.make> | undefined
  ) {
    const handled: Array<string | undefined> = []
    const logged: Array<unknown> = []
    const asked = yield* Deferred.make<void>()
    const invokeTool = () =>
      Effect.gen(function*() {
        const parent = yield* parentInHandler
        handled.push(parent?.spanId)
        logged.push(yield* References.CurrentLogAnnotations)
        yield* Deferred.succeed(asked, undefined)
        return null
      })
    const traced = client?.traced ?? ((self) => self)
    const body = Effect.gen(function*() {
      const { open } = yield* (host?.traced ?? ((self) => self))(PlayedHost.connect())
      yield* Effect.gen(function*() {
        const session = yield* open({ invokeTool })
        const cell = yield* Effect.withSpan(session.create(request()), "caller")
        const isolate = yield* Effect.flatMap(Isolate.TestIsolates, ({ next }) => next)
        yield* isolate.emit(started, calls("tool-1"))
        yield* Deferred.await(asked)
        yield* settle
        yield* isolate.emit(finished())
        yield* session.observe(cell)
        assert.deepStrictEqual(logged, [
          { sessionId: "1", cellId: cell.id, callId: "call-1", toolCallId: "tool-1" }
        ])
        yield* session.shutdown
      }).pipe(traced)
    })
    yield* Effect.scoped(Effect.provide(body, Isolate.layerTest))
    return { handled }
  })

  it.effect("go through a host that has no tracer", () =>
    Effect.gen(function*() {
      const client = Traced.make()
      const { handled } = yield* run(client, undefined)
      const [caller, cell, call] = [
        client.only("caller"),
        client.only("code-mode.cell"),
        client.only("execute_tool tool")
      ]
      assert.deepStrictEqual(client.spans.map(status), Array.from(client.spans, () => "ok"))
      assert.strictEqual(parentOf(cell), caller)
      assert.strictEqual(cell.kind, "client")
      assert.deepInclude(parentOf(call), { _tag: "ExternalSpan", spanId: cell.spanId, traceId: caller.traceId })
      assert.deepStrictEqual(handled, [call.spanId])
      assert.strictEqual(attributes(cell)["code_mode.cell.outcome"], "Completed")
      assert.deepStrictEqual(client.only("code-mode.session").kind, "client")
    }))

  it.effect("of both sides are of one trace", () =>
    Effect.gen(function*() {
      const [client, host] = [Traced.make(), Traced.make()]
      const { handled } = yield* run(client, host)
      const above = (span: Tracer.Span) => parentOf(span)?.spanId
      const [here, there] = [client.only("execute_tool tool"), host.only("execute_tool tool")]
      assert.deepStrictEqual(handled, [here.spanId])
      assert.strictEqual(above(here), there.spanId)
      assert.strictEqual(above(there), host.only("code-mode.cell").spanId)
      assert.strictEqual(above(host.only("code-mode.cell")), client.only("code-mode.cell").spanId)
      assert.deepStrictEqual(host.spans.map(status), Array.from(host.spans, () => "ok"))
      assert.strictEqual(there.traceId, client.only("caller").traceId)
    }))

  it.effect("of a host alone are its own", () =>
    Effect.gen(function*() {
      const host = Traced.make()
      const { handled } = yield* run(undefined, host)
      // What its client's handler asks elsewhere belongs below it.
      assert.deepStrictEqual(handled, [host.only("execute_tool tool").spanId])
      assert.strictEqual(parentOf(host.only("code-mode.cell")), host.only("code-mode.session"))
    }))
})

describe("the context of a trace", () => {
  const id = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }
  const written = `00-${id.traceId}-${id.spanId}-01`

  it("is read and written as W3C says", () => {
    const read = Trace.fromParent(written)
    assert.deepInclude(read, { ...id, sampled: true })
    assert.strictEqual(Trace.toParent(Context.make(Tracer.ParentSpan, read!) as Context.Context<never>), written)
    assert.isFalse(Trace.fromParent(`${written.slice(0, -1)}0`)!.sampled)
    for (
      const wrong of [
        undefined,
        7,
        "",
        written.toUpperCase(),
        `ff${written.slice(2)}`,
        `${written}-more`,
        `00-${"0".repeat(32)}-${id.spanId}-01`,
        `00-${id.traceId}-${"0".repeat(16)}-01`
      ]
    ) {
      assert.isUndefined(Trace.fromParent(wrong), String(wrong))
    }
  })

  it.effect("is that of a span which is exported, past those that are not", () =>
    Effect.gen(function*() {
      const sent = Effect.map(Effect.context<never>(), Trace.toParent)
      assert.isUndefined(yield* Effect.withSpan(sent, "goes nowhere"))
      assert.strictEqual(yield* Trace.below(Effect.withSpan(sent, "goes nowhere"), written), written)
      const { only, traced } = Traced.make()
      const parent = yield* traced(Trace.below(Effect.withSpan(sent, "here"), written))
      assert.strictEqual(parent, `00-${id.traceId}-${only("here").spanId}-01`)
      assert.strictEqual(
        yield* traced(
          Effect.withSpan(sent, "not there", { annotations: Context.make(Tracer.DisablePropagation, true) })
        ),
        undefined
      )
    }))
})
