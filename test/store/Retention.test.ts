import { assert, describe, it } from "@effect/vitest"
import * as Store from "effect-code-mode/Store"
import * as Digest from "effect-code-mode/store/Digest"
import * as Retention from "effect-code-mode/store/Retention"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { cell, created, output, stored } from "./Contract.ts"

const settledAt = (id: string, at: number): Store.Record => ({
  _tag: "Settled",
  cellId: cell(id),
  at,
  outcome: { _tag: "Completed" }
})

const heard = (id: string): Store.Record => ({
  _tag: "Heard",
  cellId: cell(id),
  from: 0,
  to: 1,
  event: { _tag: "Ended" }
})

const namesOf = (records: ReadonlyArray<Store.Record>) =>
  records.flatMap((record) => record._tag === "Created" ? [record.cellId as string] : [])

/** Cells, each with its number. */
const records: ReadonlyArray<Store.Record> = [
  created("read", { number: 1 }),
  settledAt("read", 1000),
  heard("read"),
  created("unread", { number: 2 }),
  settledAt("unread", 1000),
  created("live", { number: 3 }),
  created("recent", { number: 4 }),
  settledAt("recent", 5000),
  heard("recent"),
  created("last", { number: 5 }),
  settledAt("last", 1000),
  heard("last")
]

describe("retention", () => {
  it("forgets what is over for so long, and never the last cell", () => {
    const forget = (retention: Store.Retention, now: number) => Retention.plan(records, retention, now).forget
    assert.deepStrictEqual(forget({ endedFor: 3000 }, 4000), [cell("read")])
    assert.deepStrictEqual(forget({ endedFor: 3000 }, 3999), [])
    assert.deepStrictEqual(forget({ endedFor: 3000, unreadFor: 4000 }, 5000), [cell("read"), cell("unread")])
    assert.deepStrictEqual(forget({ endedFor: 0 }, 5000), [cell("read"), cell("recent")])
    assert.deepStrictEqual(forget({}, 7 * 86_400_000 + 1000), [cell("read")])
    assert.deepStrictEqual(Retention.plan([], {}, 0), { forget: [], records: [] })
  })

  it("puts stored values together, and leaves apart what a live cell does not see", () => {
    const writes = Array.from(
      { length: 100 },
      (_, index) => stored(`${index}`, index + 1, [[`${index % 10}`, `${index}`]])
    )
    const all = [...writes, created("live", { number: 1 })]
    const seeing = (version: number) =>
      all.map((record): Store.Record => record._tag === "Created" ? { ...record, stored: version } : record)
    assert.deepStrictEqual(Retention.plan(seeing(10), {}, 0).records, [])
    const { records: [values] } = Retention.plan(seeing(75), {}, 0)
    assert.strictEqual(values?._tag === "Values" && values.version, 75)
    const after = [values!, ...writes.slice(75)]
    for (const version of [75, 80, 100]) {
      assert.deepStrictEqual(Digest.make(after).valuesAt(version), Digest.make(writes).valuesAt(version))
    }
  })

  it.effect("goes through sessions that have no owner", () =>
    Effect.gen(function*() {
      const store = yield* Store.Store
      const fill = Effect.fnUntraced(function*(session: string, records: ReadonlyArray<Store.Record>) {
        const epoch = yield* store.claim(session, "a", "1 hour")
        yield* store.append(session, epoch, records)
        return epoch
      })
      yield* store.release("free", yield* fill("free", records))
      yield* store.release("over", yield* fill("over", [created("one"), settledAt("one", 0), heard("one")]))
      yield* store.release("asleep", yield* fill("asleep", [created("one"), output("one", "waits")]))
      yield* fill("owned", records)
      yield* TestClock.setTime(4000)
      assert.deepStrictEqual(yield* Store.prune({ endedFor: 3000, unusedFor: 4001 }), { sessions: 0, cells: 1 })
      assert.deepStrictEqual(namesOf((yield* store.load("free")).records), ["unread", "live", "recent", "last"])
      assert.deepStrictEqual(namesOf((yield* store.load("owned")).records).length, 5)
      assert.deepStrictEqual(yield* Store.prune({ unusedFor: 4000 }), { sessions: 1, cells: 1 })
      assert.deepStrictEqual((yield* store.list).map(({ session }) => session), ["asleep", "free", "owned"])
      // It can be had at once.
      yield* store.claim("free", "b", "1 hour")
    }).pipe(Effect.provide(Store.layerMemory())))
})
