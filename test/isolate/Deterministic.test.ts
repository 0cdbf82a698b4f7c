/** Programs that do the same again: nothing that a script finds differs between two runs of the same turns. */
import { assert, describe, it } from "@effect/vitest"
import { type Deterministic, Isolate, type IsolateEvent, type Turn } from "effect-code-mode/Isolate"
import { ToolCallId } from "effect-code-mode/Protocol"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import { hear, hearUntil, program } from "./harness.ts"

const engine = V8.layer({ warmLanes: 0 })
const lease = Effect.flatMap(Isolate.useSync((engine) => engine.lease), (lease) => lease)
const now = Date.UTC(2024, 1, 29, 12, 30, 15, 250)
const seed = "0123456789abcdef0123456789abcdef"

const isFrontier = ({ _tag }: IsolateEvent) => _tag === "Frontier"
const textsOf = (events: ReadonlyArray<IsolateEvent>) =>
  events.flatMap((event) => event._tag === "Output" ? event.items : []).map((item) =>
    item.type === "input_text" ? item.text : item.type
  )

/** Starts a source, and hears what it does before its first turn. */
const begin = Effect.fnUntraced(function*(source: string, deterministic: Deterministic = { seed, now }) {
  const session = yield* lease
  return yield* session.start(program(source, { pausable: true, deterministic }))
})

const runOnce = (source: string, deterministic?: { readonly seed: string; readonly now: number }) =>
  Effect.flatMap(begin(source, deterministic), (handle) => hear(handle, []))

const everything = `
  const random = Array.from({ length: 5 }, Math.random)
  class Later extends Date {}
  text({
    random,
    now: Date.now(),
    made: new Date().getTime(),
    text: Date(),
    class: new Later().getTime(),
    reflected: Reflect.construct(Date, [], Later) instanceof Later,
    given: new Date(5).getTime(),
    utc: Date.UTC(1970, 0, 2),
    format: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "full", timeStyle: "long" }).format(),
    parts: new Intl.DateTimeFormat("en", { timeZone: "UTC" }).formatToParts().map(({ value }) => value).join(""),
    temporal: globalThis.Temporal && [
      Temporal.Now.instant().epochMilliseconds,
      Temporal.Now.zonedDateTimeISO("UTC").toString(),
      Temporal.Now.plainDateISO("UTC").toString(),
      Temporal.Now.plainDateTimeISO("UTC").toString(),
      Temporal.Now.plainTimeISO("UTC").toString()
    ]
  })`

describe("a deterministic program", () => {
  it.live("finds the same numbers and the same time again", () =>
    Effect.gen(function*() {
      const [first, second, other] = yield* Effect.all([
        runOnce(everything),
        runOnce(everything),
        runOnce(everything, { seed: "f".repeat(32), now })
      ])
      assert.isUndefined(first.error)
      assert.deepStrictEqual(first.texts, second.texts)
      const found = JSON.parse(first.texts[0]!)
      assert.deepInclude(found, {
        now,
        made: now,
        class: now,
        reflected: true,
        given: 5,
        utc: 86_400_000,
        format: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "full", timeStyle: "long" }).format(now),
        parts: "2/29/2024"
      })
      assert.include(found.text, "Feb 29 2024")
      if (found.temporal !== undefined) {
        assert.deepStrictEqual(found.temporal, [
          now,
          "2024-02-29T12:30:15.25+00:00[UTC]",
          "2024-02-29",
          "2024-02-29T12:30:15.25",
          "12:30:15.25"
        ])
      }
      assert.strictEqual(new Set(found.random).size, 5)
      assert.isTrue(found.random.every((number: number) => number >= 0 && number < 1))
      assert.notDeepEqual(JSON.parse(other.texts[0]!).random, found.random)
    }).pipe(Effect.provide(engine)))

  it.live("its random numbers are spread over all that they may be", () =>
    Effect.gen(function*() {
      const { texts } = yield* runOnce(`
        const counts = new Array(10).fill(0)
        for (let i = 0; i < 100_000; i++) counts[Math.floor(Math.random() * 10)]++
        text(counts)`)
      const counts: ReadonlyArray<number> = JSON.parse(texts[0]!)
      assert.isTrue(counts.every((count) => count > 9_500 && count < 10_500), texts[0])
    }).pipe(Effect.provide(engine)))

  it.live("its clock stands still within a turn, and its timers fire when they are told to", () =>
    Effect.gen(function*() {
      const handle = yield* begin(`
        const later = new Promise((resolve) => setTimeout(resolve, 3_600_000))
        setTimeout(() => text(["first", Date.now()]), 10)
        const gone = setTimeout(() => text("never"), 5)
        clearTimeout(gone)
        const began = Date.now()
        for (let i = 0; i < 3e7; i++);
        text(Date.now() - began)
        text(["answer", await tools.hold(), Date.now()])
        text(["second", await later, Date.now()].filter(Boolean))`)
      const first = yield* hearUntil(handle, isFrontier)
      assert.deepStrictEqual(textsOf(first), ["0"])
      const pendingToolCalls = first.flatMap((event) => event._tag === "ToolCalls" ? event.calls : []).map(({ id }) =>
        id
      )
      assert.deepStrictEqual(first.at(-1), { _tag: "Frontier", pendingToolCalls, timers: 2, due: now + 10 })

      const turn = (turn: Turn) => {
        handle.resume(turn)
        return hearUntil(handle, isFrontier)
      }
      // Late, and it is still its turn.
      const second = yield* turn({ now: now + 50, timer: true })
      assert.deepStrictEqual(textsOf(second), [JSON.stringify(["first", now + 50])])
      assert.deepStrictEqual(second.at(-1), { _tag: "Frontier", pendingToolCalls, timers: 1, due: now + 3_600_000 })
      handle.resolve(pendingToolCalls[0]!, "1")
      const third = yield* turn({ now: now + 60, timer: false })
      assert.deepStrictEqual(textsOf(third), [JSON.stringify(["answer", 1, now + 60])])
      handle.resume({ now: now + 3_600_000, timer: true })
      const last = yield* hear(handle, [])
      assert.deepStrictEqual(last.texts, [JSON.stringify(["second", now + 3_600_000])])
      assert.isTrue(last.finished)
    }).pipe(Effect.provide(engine)))

  it.live("has nothing that shows when memory is freed, and its builtins look like others", () =>
    Effect.gen(function*() {
      const source = `text([
        typeof WeakRef, typeof FinalizationRegistry, Math.random.name, Math.random.length, Date.name, Date.length,
        String(Date.now), Object.keys(Math).length, Object.getOwnPropertyNames(Date.prototype).length,
        new Date(0).constructor === Date, "prototype" in Math.random
      ])
      const format = new Intl.DateTimeFormat("en", { timeZone: "UTC" })
      text([format.format === format.format, [new Date(0)].map(format.format), format.format(0)])`
      const [still, plain] = yield* Effect.all([
        runOnce(source),
        Effect.flatMap(lease, (session) => Effect.flatMap(session.start(program(source)), (handle) => hear(handle, [])))
      ])
      assert.deepStrictEqual(
        JSON.parse(still.texts[0]!),
        JSON.parse(plain.texts[0]!).map((found: unknown, place: number) =>
          place === 0 ? "undefined" : place === 6 ? "function () { [native code] }" : found
        )
      )
      assert.strictEqual(still.texts[1], plain.texts[1])
    }).pipe(Effect.provide(engine)))

  it.live("has the turns that it had before without being told to, and then stands where it stood", () =>
    Effect.gen(function*() {
      const source = `
        setTimeout(() => text(["timer", Date.now()]), 10)
        const sum = await tools.hold(1)
        text([sum, Date.now()])
        try { await tools.hold(2) } catch (error) { text([error, Math.random()]) }
        text(await tools.hold(3))`
      const [first, second, third] = [1, 2, 3].map((number) => ToolCallId.make(`tool-${number}`))
      const told = yield* begin(source)
      const heard = [...yield* hearUntil(told, isFrontier)]
      const turn = (turn: Turn, answer: () => void) => {
        answer()
        told.resume(turn)
        return Effect.map(hearUntil(told, isFrontier), (events) => void heard.push(...events))
      }
      yield* turn({ now: now + 1, timer: false }, () => told.resolve(first!, "7"))
      yield* turn({ now: now + 20, timer: true }, () => {})
      yield* turn({ now: now + 30, timer: false }, () => told.reject(second!, "no"))

      const again = yield* begin(source, {
        seed,
        now,
        turns: [
          { now: now + 1, timer: false, answers: [[first!, true, "7"]] },
          { now: now + 20, timer: true, answers: [] },
          { now: now + 30, timer: false, answers: [[second!, false, "\"no\""]] }
        ]
      })
      const repeated: Array<IsolateEvent> = []
      for (let turns = 0; turns < 4; turns++) {
        repeated.push(...yield* hearUntil(again, isFrontier))
      }
      assert.deepStrictEqual(repeated, heard)
      for (const handle of [told, again]) {
        handle.resolve(third!, "\"end\"")
        handle.resume({ now: now + 40, timer: false })
      }
      const ends = yield* Effect.all([hear(told, []), hear(again, [])])
      assert.deepStrictEqual(ends.map(({ texts }) => texts), [["end"], ["end"]])
    }).pipe(Effect.provide(engine)))

  it.live("that is given turns which do not fit stands still at the end of them", () =>
    Effect.gen(function*() {
      const turn = { now, timer: true, answers: [[ToolCallId.make("tool-9"), true, "1"]] } as const
      const handle = yield* begin("await tools.hold()", {
        seed,
        now,
        turns: Array.from({ length: 20_000 }, () => turn)
      })
      for (let turns = 0; turns <= 20_000; turns++) {
        yield* hearUntil(handle, isFrontier)
      }
      handle.resolve(ToolCallId.make("tool-1"), "1")
      handle.resume({ now, timer: false })
      assert.isTrue((yield* hear(handle, [])).finished)
    }).pipe(Effect.provide(engine)))

  it.live("a due time has a bound", () =>
    Effect.gen(function*() {
      const handle = yield* begin("await new Promise((resolve) => setTimeout(resolve, 1e300))")
      const [frontier] = (yield* hearUntil(handle, isFrontier)).slice(-1)
      assert.deepStrictEqual(frontier, { _tag: "Frontier", pendingToolCalls: [], timers: 1, due: 999_999_999_999_999 })
    }).pipe(Effect.provide(engine)))
})
