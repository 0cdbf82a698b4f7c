/**
 * What any executor of programs that models write owes its host. The cases are those of the conformance kit of
 * danieljvdm/effect-agent, 17 of them, asked of code mode and of its session. Where ours answers otherwise on purpose, the
 * case says so.
 */
import { assert, describe, it } from "@effect/vitest"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import { type LimitsInput, type NestedToolCall, ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Model from "./Model.ts"

type Invoke = (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>

const unused: Invoke = ({ tool }) => Effect.die(new Error(`${tool} was called`))

/** A host with two tools of a warehouse, and what was called. */
const host = (invoke: Invoke) => {
  const calls: Array<string> = []
  return {
    calls,
    layer: Delegate.layer({
      tools: ["query", "count"].map((name) => Delegate.definition(name, { description: "", inputSchema: {} })),
      invokeTool: (call) =>
        Effect.suspend(() => {
          calls.push(call.tool)
          return invoke(call)
        })
    })
  }
}

/** Gives a program to a session of its own. */
const exec = Effect.fnUntraced(function*(
  source: string,
  options: { readonly invoke?: Invoke; readonly limits?: LimitsInput; readonly maxOutputTokens?: number } = {}
) {
  const { calls, layer: delegate } = host(options.invoke ?? unused)
  const layer = CodeMode.layer({ maxOutputTokens: options.maxOutputTokens }).pipe(
    Layer.provideMerge(Runtime.layer({ limits: options.limits })),
    Layer.provide([delegate, V8.layer({ warmLanes: 0 })])
  )
  return yield* Effect.gen(function*() {
    const codeMode = yield* CodeMode.CodeMode
    const output = yield* codeMode.exec({ source })
    const texts = Model.outputOf(output).output
    const { exec } = yield* codeMode.descriptions
    const live = yield* (yield* Runtime.SessionRuntime).cells
    return { ...output, texts, calls, description: exec, live }
  }).pipe(Effect.provide(layer, { local: true }))
})

describe("an executor", () => {
  it.live("gives the value that a program computes", () =>
    Effect.gen(function*() {
      const { status, texts } = yield* exec(
        "async () => { const all = [1, 2, 3].map((n) => n * 2); return { all, sum: all.reduce((a, b) => a + b, 0) } }"
      )
      assert.deepStrictEqual([status, texts], ["Completed", ["{\"all\":[2,4,6],\"sum\":12}"]])
    }))

  it.live("says what its bounds are, as they are, also where a program fails", () =>
    Effect.gen(function*() {
      const limits = { maxHeapSizeBytes: 96 * 1024 * 1024, maxWallTime: Duration.seconds(42) }
      for (const source of ["async () => 1", "async () => {"]) {
        const { description } = yield* exec(source, { limits })
        assert.include(description, "memory 96 MiB, source 1 MiB, time 42s")
      }
    }))

  it.live("makes calls in the order of the program, and accounts for them", () =>
    Effect.gen(function*() {
      const { calls, ledger, texts } = yield* exec(
        "async () => { const { rows } = await tools.query({ sql: 's' }); return { rows, n: await tools.count({ of: 't' }) } }",
        { invoke: ({ tool }) => Effect.succeed(tool === "query" ? { rows: [1, 2, 3] } : 3) }
      )
      assert.deepStrictEqual(texts, ["{\"rows\":[1,2,3],\"n\":3}"])
      assert.deepStrictEqual(calls, ["query", "count"])
      assert.deepStrictEqual(ledger?.calls.map(({ state, tool }) => [tool, state]), [
        ["query", "Succeeded"],
        ["count", "Succeeded"]
      ])
    }))

  const denied: Invoke = () => Effect.fail(new ToolError({ text: "denied: not on Sundays" }))

  it.live("lets a program go on after a call that failed, with what its tool said", () =>
    Effect.gen(function*() {
      const { status, texts } = yield* exec(
        "async () => { try { await tools.query({}); return 'not here' } catch (e) { return { caught: e } } }",
        { invoke: denied }
      )
      assert.deepStrictEqual([status, texts[0]], ["Completed", "{\"caught\":\"denied: not on Sundays\"}"])
    }))

  it.live("fails a program that does not catch it, with what its tool said", () =>
    Effect.gen(function*() {
      const { error, status } = yield* exec("async () => tools.query({})", { invoke: denied })
      assert.strictEqual(status, "Failed")
      assert.strictEqual(error?._tag, "ScriptError")
      assert.match(error!.text, /^denied: not on Sundays/)
    }))

  it.live("says what is wrong with a source that is no program", () =>
    Effect.gen(function*() {
      const { calls, error, status } = yield* exec("async () => {")
      assert.strictEqual(status, "Failed")
      assert.strictEqual(error?._tag, "ScriptError")
      assert.match(error!.text, /^SyntaxError: /)
      assert.deepStrictEqual(calls, [])
    }))

  it.live("takes a program that is no function for what it is: its value is shown", () =>
    Effect.gen(function*() {
      const { status, texts } = yield* exec("1 + 1")
      assert.deepStrictEqual([status, texts], ["Completed", ["2"]])
    }))

  it.live("refuses a source that is larger than its bound, and reads nothing of it", () =>
    Effect.gen(function*() {
      const { live, status, texts } = yield* exec(`async () => "${"x".repeat(2_000)}"`, {
        limits: { maxSourceBytes: 256 }
      })
      assert.strictEqual(status, "Refused")
      assert.deepStrictEqual([texts, live], [[], []])
    }))

  it.live("ends a program that would never end: at once where nothing can wake it, else when its time is over", () =>
    Effect.gen(function*() {
      const stalled = yield* exec("async () => { await new Promise(() => {}); return 1 }")
      assert.strictEqual(stalled.status, "Failed")
      assert.include(stalled.error!.text, "waits for something that cannot come")
      const waiting = yield* exec("async () => { await tools.query({}); return 1 }", {
        invoke: () => Effect.never,
        limits: { maxWallTime: Duration.millis(300) }
      })
      assert.deepStrictEqual([waiting.status, waiting.error?._tag], ["Failed", "LimitExceeded"])
      const busy = yield* exec("while (true) {}", { limits: { maxWallTime: Duration.millis(300) } })
      assert.deepStrictEqual([busy.status, busy.error?._tag], ["Failed", "LimitExceeded"])
      assert.deepStrictEqual([stalled.live, waiting.live, busy.live], [[], [], []])
    }))

  it.live("fails a program that puts out more than is kept for its reader", () =>
    Effect.gen(function*() {
      const { error, status } = yield* exec("for (let i = 0; i < 640; i++) console.log('x'.repeat(256))", {
        limits: { maxUndeliveredOutputBytes: 2048 }
      })
      assert.deepStrictEqual([status, error?._tag], ["Failed", "LimitExceeded"])
    }))

  it.live("cuts a value that is larger than its budget, and says so: the program has done its work", () =>
    Effect.gen(function*() {
      const { status, texts } = yield* exec("async () => 'y'.repeat(40_960)", { maxOutputTokens: 100 })
      assert.strictEqual(status, "Completed")
      assert.isBelow(texts.join("").length, 1000)
      assert.match(texts.join("\n"), /^[^]*y…\d+ tokens truncated…y[^]*$/)
    }))

  it.live("makes no call beyond the number that may be under way", () =>
    Effect.gen(function*() {
      const { calls, texts } = yield* exec(
        "const all = await Promise.allSettled([1, 2, 3].map(() => tools.query({}))); text(all.map(({ status }) => status))",
        { invoke: () => Effect.as(Effect.sleep("50 millis"), null), limits: { maxPendingCallbacks: 2 } }
      )
      assert.deepStrictEqual(calls, ["query", "query"])
      assert.strictEqual(texts[0], "[\"fulfilled\",\"fulfilled\",\"rejected\"]")
    }))

  it.live("rejects a call whose answer is not JSON, and harms nothing else", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<unknown> = [{ bogus: 1n }, () => 1, Symbol("s")]
      for (const answer of answers) {
        const { status, texts } = yield* exec("text(await tools.query({}).then(() => 'resolved', () => 'rejected'))", {
          invoke: () => Effect.succeed(answer as Schema.Json)
        })
        assert.deepStrictEqual([status, texts[0]], ["Completed", "rejected"], String(answer))
      }
    }))

  it.live("gives what a program put out before it threw", () =>
    Effect.gen(function*() {
      const { error, status, texts } = yield* exec(
        "async () => { console.log('before the failure'); throw new Error('deliberate') }"
      )
      assert.deepStrictEqual([status, texts[0]], ["Failed", "before the failure"])
      assert.match(error!.text, /^Error: deliberate\n {4}at exec_main\.mjs:1:56/)
    }))

  it.live("puts out no function as a value, and takes none as an argument", () =>
    Effect.gen(function*() {
      const value = yield* exec("async () => (() => 1)")
      assert.deepStrictEqual([value.status, value.texts], [
        "Completed",
        ["The cell put out nothing. Call text(value) with what you want to see."]
      ])
      const argument = yield* exec("text(await tools.query(() => 1).catch((e) => e.message))")
      assert.strictEqual(argument.texts[0], "tools.query expects a JSON value, got a function")
      assert.deepStrictEqual(argument.calls, [])
    }))

  it.live("has no network to be asked for", () =>
    Effect.gen(function*() {
      const { texts } = yield* exec(
        "text([typeof fetch, typeof XMLHttpRequest, typeof WebSocket, typeof process, typeof require].join(' '))"
      )
      assert.deepStrictEqual(texts, [Array(5).fill("undefined").join(" ")])
      for (const source of ["await import('node:net')", "import 'https://a.example/b.js'"]) {
        const { status, texts } = yield* exec(source)
        assert.strictEqual(status, "Failed")
        assert.include(texts.join("\n"), "no network")
      }
    }))

  it.live("takes the interruption of its caller to calls that are under way, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let interrupted = 0
      const { layer: delegate } = host(() =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              interrupted++
            })
          )
        )
      )
      const layer = CodeMode.layer().pipe(
        Layer.provideMerge(Runtime.layer()),
        Layer.provide([delegate, V8.layer({ warmLanes: 0 })])
      )
      yield* Effect.gen(function*() {
        const codeMode = yield* CodeMode.CodeMode
        const fiber = yield* Effect.forkChild(codeMode.exec({ source: "async () => tools.query({})" }))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(yield* (yield* Runtime.SessionRuntime).cells, [])
      }).pipe(Effect.provide(layer))
    }))
})
