/** The timers of a cell, beside a list that is sorted anew each time. */
import { assert, describe, it } from "@effect/vitest"
import { makeTimers } from "effect-code-mode/isolate/lane/Timers"
import * as Schema from "effect/Schema"
import { afterEach, beforeEach, vi } from "vitest"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
})
afterEach(() => {
  vi.useRealTimers()
})

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Step = Schema.Union([
  Schema.TaggedStruct("Set", { delay: between(0, 50) }),
  Schema.TaggedStruct("Set", { delay: between(0, 2) }),
  Schema.TaggedStruct("Set", { delay: between(0, 1_000) }),
  Schema.TaggedStruct("Set", { delay: between(0, 1_000) }),
  Schema.TaggedStruct("Clear", { which: between(1, 200) }),
  Schema.TaggedStruct("Pass", { millis: between(1, 60) })
])

const Steps = Schema.Array(Step).check(Schema.isMinLength(100), Schema.isMaxLength(300))

const play = (steps: typeof Steps.Type) => {
  const fired: Array<number> = []
  const expected: Array<number> = []
  let waiting: Array<{ readonly id: number; readonly due: number }> = []
  let now = 0
  let lastId = 0
  let known = 0
  const timers = makeTimers((id) => fired.push(id))
  for (const step of steps) {
    switch (step._tag) {
      case "Set":
        waiting.push({ id: ++lastId, due: now + step.delay })
        timers.set(lastId, step.delay)
        break
      case "Clear":
        waiting = waiting.filter(({ id }) => id !== step.which)
        timers.clear(step.which)
        break
      case "Pass": {
        now += step.millis
        vi.advanceTimersByTime(step.millis)
        const due = waiting.filter((timer) => timer.due <= now).sort((a, b) => a.due - b.due || a.id - b.id)
        expected.push(...due.map(({ id }) => id))
        waiting = waiting.filter((timer) => timer.due > now)
        break
      }
    }
    assert.strictEqual(timers.size(), waiting.length)
    // What was there before has been compared.
    assert.deepStrictEqual([fired.length, fired.slice(known)], [expected.length, expected.slice(known)])
    known = fired.length
  }
  timers.clearAll()
  vi.advanceTimersByTime(1000)
  assert.deepStrictEqual(fired, expected)
  assert.strictEqual(vi.getTimerCount(), 0)
}

describe("timers", () => {
  it.prop(
    "fire when they are due, in the order of their deadlines, and not once they are cleared",
    [Steps],
    ([steps]) => play(steps),
    { arbitrary: { runs: 500 } }
  )

  it("that are cleared leave nothing behind, however far away they were", () => {
    const timers = makeTimers(() => {})
    // With one that is due sooner, those that are cleared are not the next.
    timers.set(0, 1e8)
    const before = process.memoryUsage().heapUsed
    for (let id = 1; id <= 1_000_000; id++) {
      timers.set(id, 1e9)
      timers.clear(id)
    }
    assert.isBelow(process.memoryUsage().heapUsed - before, 50e6)
    assert.strictEqual(timers.size(), 1)
  })
})
