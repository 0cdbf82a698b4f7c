/**
 * Hostile cells: whatever a script does, it hurts its own cell only, and at the worst its own session's lane.
 *
 * A sample of the scripts runs with every test run, all of them by `npm run test:hostile`.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { createContext, runInContext } from "node:vm"
import * as Lanes from "./Lanes.ts"
import { measures } from "./Measures.ts"
import * as Playground from "./Playground.ts"
import * as Script from "./Script.ts"
import * as Surroundings from "./Surroundings.ts"
import * as Trial from "./Trial.ts"

const sample = new Set([
  "escape/callers",
  "escape/clock",
  "escape/constructor-chain",
  "escape/dynamic-import",
  "escape/new-target",
  "escape/prepare-stack-trace",
  "escape/promise-replaced",
  "escape/species",
  "escape/walk-callbacks",
  "escape/walk-errors",
  "escape/walk-helpers",
  "escape/walk-results",
  "exit/caught",
  "exit/getter",
  "exit/helpers-after",
  "exit/sentinel",
  "loops/array-fill-unrolled",
  "loops/catch-overflow",
  "loops/stack-getter",
  "memory/array-fill",
  "memory/intl-date",
  "memory/array-concat",
  "memory/resizable-subclass",
  "memory/string-upper",
  "names/stored-key-large",
  "names/stored-names",
  "names/tools",
  "poison/array-methods",
  "poison/json",
  "poison/object-accessors",
  "seal/every-callback",
  "seal/late-proxy",
  "seal/take-over",
  "seal/unhandled",
  "stack/content",
  "stack/eval",
  "storms/calls-5000",
  "storms/deaf-host",
  "storms/text",
  "time/json-deep",
  "time/regexp-nested",
  "values/deep-input",
  "values/thrown-location",
  "values/throwing-proxy"
])

/** Cells of a durable session find some builtins replaced. */
const durable = new Set([
  "escape/callers",
  "escape/clock",
  "escape/constructor-chain",
  "escape/walk-errors",
  "escape/walk-helpers",
  "seal/every-callback",
  "seal/take-over"
])

const measure = measures[process.env["HOSTILE_WITHOUT"] ?? ""]
const only = process.env["HOSTILE_ONLY"]
const chosen = Script.all.filter(({ name }) =>
  measure === undefined
    ? only === undefined ? process.env["HOSTILE"] === "all" || sample.has(name) : new RegExp(only).test(name)
    : measure.scripts.test(name)
)

describe.runIf(process.platform === "linux")("hostile cells", () => {
  layer(Surroundings.layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect.each(chosen.map((script) => [script.name, script] as const))(
      "%s",
      ([, script]) => Effect.map(Trial.run(script), ({ complaints }) => assert.deepStrictEqual(complaints, [])),
      90_000
    )

    it.effect.each(chosen.filter(({ name }) => durable.has(name)).map((script) => [script.name, script] as const))(
      "of a durable session: %s",
      ([, script]) => Effect.map(Trial.run(script, true), ({ complaints }) => assert.deepStrictEqual(complaints, [])),
      90_000
    )

    it.effect("a lane that does not hear any more is killed, and replaced", () =>
      Effect.gen(function*() {
        const { bystanderLanes, engine } = yield* Surroundings.Surroundings
        const { ask, session } = yield* Playground.open(engine, { onSaid: () => {} })
        yield* ask
        const cell = yield* session.create({ callId: "busy", source: "for (;;);" })
        const lane = Lanes.lanesOf(process.pid).find((pid) => !bystanderLanes.includes(pid))
        process.kill(lane!, "SIGSTOP")
        assert.strictEqual((yield* session.terminate(cell))._tag, "Terminated")
        assert.isFalse(yield* ask)
        yield* Effect.yieldNow.pipe(
          Effect.repeat({ while: () => Lanes.isAlive(lane!) }),
          Effect.timeout(Playground.wedged)
        )
        const { initial } = yield* session.execute({ callId: "next", source: "text(1)" })
        assert.strictEqual((yield* initial)._tag, "Completed")
      }))

    it.effect("a lane of a host that is root has a user of its own", () =>
      Effect.map(
        Surroundings.Surroundings,
        ({ bystanderLanes }) =>
          bystanderLanes.forEach((pid) =>
            process.getuid?.() === 0
              ? assert.notInclude([0, undefined], Lanes.user(pid))
              : assert.strictEqual(Lanes.user(pid), process.getuid?.())
          )
      ))

    it.effect("a lane has nothing in its environment", () =>
      Effect.map(
        Surroundings.Surroundings,
        ({ bystanderLanes }) => assert.deepStrictEqual(bystanderLanes.map(Lanes.environment), [""])
      ))

    it.effect.each<[string, string, RegExp]>([
      ["a secret", "text(`it is ${\"secret-of-the-host\"}-1f7a`)", /knows a secret/],
      ["the wrong end", "throw 1", /ended as ScriptError/],
      [
        "a lane that dies",
        "let n = 0; (function f() { try { f() } catch {} if (n++ < 3000) eval(\"1+\" + n) })()",
        /neighbour/
      ]
    ])("a trial notices %s", ([, source, complaint]) =>
      Effect.gen(function*() {
        const script = { family: "", name: "", about: "", source, expectation: { ends: ["ok" as const], seconds: 30 } }
        const { complaints } = yield* Trial.run(script)
        assert.match(complaints.join("\n"), complaint)
      }))
  })
})

describe("the measures", () => {
  it.each(Object.entries(measures))("%s can be switched off", (_, { file, from, scripts }) => {
    assert.strictEqual(readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8").split(from).length, 2)
    assert.isTrue(Script.all.some(({ name }) => scripts.test(name)))
  })
})

describe("the walk", () => {
  const walk = (program: string) => {
    const texts: Array<string> = []
    const context = createContext({ text: (text: string) => texts.push(text), host: { list: [() => process] } })
    runInContext(readFileSync(new URL("kit.js", import.meta.url), "utf8"), context)
    // A context of this process has its host's objects and no host behind its own `Function`.
    runInContext(
      `globalThis.own = [() => 1]; delete globalThis.host.list.constructor; ${program}; kit.verdict()`,
      context
    )
    return texts.join()
  }

  it("finds an object of another realm, however deep", () => {
    assert.include(walk("kit.probe(\"host\", { a: [host] })"), "ESCAPED: host.a")
    assert.include(
      walk("kit.probe(\"f\", Object.setPrototypeOf(host.list[0], null) && { get f() {} , g: text })"),
      "ESCAPED"
    )
    assert.include(walk("kit.probe(\"c\", Object.setPrototypeOf(host.constructor, Function.prototype))"), "ESCAPED: c")
  })

  it("finds nothing in what is of its own", () => {
    assert.strictEqual(
      walk("kit.probe(\"own\", own); kit.probe(\"Math\", Math); kit.probe(\"Intl\", Intl)"),
      "contained"
    )
  })
})
