import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Isolate, type Program } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as harness from "./harness.ts"

/** The lines that calls of a script are said to come from, and what it has put out. */
const run = Effect.fnUntraced(function*(source: string, options?: Partial<Program>) {
  const lease = yield* Isolate.use(({ lease }) => lease)
  const program = harness.program(source, { locatesCalls: true, ...options })
  const lines: Array<number | undefined> = []
  const { error, texts } = yield* harness.hear(yield* lease.start(program), program.tools, (event) => {
    if (event._tag === "ToolCalls") {
      lines.push(...event.calls.map(({ line }) => line))
    }
  })
  return { lines, texts, error: error?.text }
})

/** A script that uses this tool, line by line. */
const script = (...lines: ReadonlyArray<string>) => lines.join("\n")

layer(V8.layer({ warmLanes: 0 }), { excludeTestServices: true })("the line of a call", (it) => {
  it.effect("is that of the script that makes it, however it does", () =>
    Effect.gen(function*() {
      const { error, lines } = yield* run(script(
        "await tools.echo(1)",
        "const { echo } = tools",
        "await echo(2)",
        "await Promise.all([1, 2].map((n) =>",
        "  tools.echo(n)))",
        "await Promise.all([1].map(tools.echo))",
        "async function later(n) {",
        "  await null",
        "  return tools.echo(n)",
        "}",
        "await later(1)",
        "await Promise.resolve().then(() => tools.echo(3))",
        "await Reflect.apply(tools.echo, undefined, [1])",
        "await new Promise((done) => setTimeout(() => done(tools.echo(1)), 1))",
        "class A { static { this.done = tools.echo(1) } }",
        "await A.done"
      ))
      assert.isUndefined(error)
      assert.deepStrictEqual(lines, [1, 3, 5, 5, 6, 9, 12, 13, 14, 15])
    }))

  it.effect("is not told where nothing asks for it", () =>
    Effect.gen(function*() {
      const { lines } = yield* run("await tools.echo(1)", { locatesCalls: false })
      assert.deepStrictEqual(lines, [undefined])
    }))

  it.effect("is not looked for in a script that may write stacks itself, which sees nothing of it", () =>
    Effect.gen(function*() {
      const seen = "() => { text('seen'); return 'exec_main.mjs:99:1' }"
      const tampered = [
        `Error.prepareStackTrace = ${seen}`,
        "Object.defineProperty(Error, 'prepareStackTrace', { get() { text('seen') } })",
        `Function.prototype.prepareStackTrace = ${seen}`,
        `Object.prototype.prepareStackTrace = ${seen}`,
        "Object.setPrototypeOf(Error, new Proxy(() => {}, { get() { text('seen') }, has() { text('seen') } }))",
        "Object.setPrototypeOf(Function.prototype, new Proxy({}, { get() { text('seen') }, has() { text('seen') } }))",
        "Error.stackTraceLimit = 0",
        "delete Error.stackTraceLimit"
      ]
      for (const line of tampered) {
        const { error, lines, texts } = yield* run(script(line, "tools.echo(1); exit()"))
        assert.isUndefined(error, line)
        assert.deepStrictEqual(lines, [undefined], line)
        assert.deepStrictEqual(texts, [], line)
      }
    }))

  it.effect("is not for a script to say", () =>
    Effect.gen(function*() {
      const tampered = [
        "globalThis.Error = class { get stack() { return 'exec_main.mjs:99:1' } }",
        "Object.defineProperty(Error.prototype, 'stack', { get() { return 'exec_main.mjs:99:1' } })",
        "Object.defineProperty(Error.prototype, 'message', { get() { throw 1 }, set() { throw 2 } })",
        "Error.captureStackTrace = () => { throw 1 }",
        "Object.defineProperty(Error, Symbol.hasInstance, { get() { throw 1 } })",
        "String.prototype.match = RegExp.prototype.exec = () => ({ 1: '99' })"
      ]
      for (const line of tampered) {
        const { error, lines } = yield* run(script(line, "await tools.echo(1)"))
        assert.isUndefined(error, line)
        assert.deepStrictEqual(lines, [2], line)
      }
    }))
})
