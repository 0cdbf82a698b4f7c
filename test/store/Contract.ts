/**
 * What every store must do, seen from outside.
 */
import { assert, describe, it } from "@effect/vitest"
import { CellId, Epoch, type Fenced, Generation, type StoreFailure, ToolCallId } from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

export interface Implementation {
  readonly name: string
  /** A store of its own at each use. */
  readonly layer: (bounds?: Store.Bounds) => Layer.Layer<Store.Store, unknown>
  /** How many sequences of operations are tried: fewer where a store takes long to be made. */
  readonly runs?: number
}

export const cell = (name: string) => CellId.make(name)

export const created = (
  id: string,
  more: { readonly source?: string; readonly number?: number } = {}
): Store.Record => ({
  _tag: "Created",
  cellId: cell(id),
  number: more.number ?? 1,
  at: 1000,
  kind: "continuing",
  request: { callId: "call-1", source: more.source ?? "text(1)" },
  tools: 0,
  ownTools: false,
  engine: "V8",
  seed: "1",
  stored: 0
})

export const output = (id: string, text: string): Store.Record => ({
  _tag: "Output",
  cellId: cell(id),
  items: [{ type: "input_text", text }]
})

export const settled = (id: string): Store.Record => ({
  _tag: "Settled",
  cellId: cell(id),
  at: 2000,
  outcome: { _tag: "Completed" }
})

export const stored = (
  id: string,
  version: number,
  writes: ReadonlyArray<readonly [string, string]>
): Store.Record => ({
  _tag: "Stored",
  cellId: cell(id),
  version,
  writes
})

/** A record in a word. */
const say = (record: Store.Record) =>
  record._tag === "Output"
    ? record.items.map((item) => item.type === "input_text" ? item.text : item.type).join()
    : "cellId" in record
    ? `${record._tag} ${record.cellId}`
    : record._tag

/** What can happen to the sessions of a store; `epoch` counts back from the last one that was given. */
const Operation = Schema.Union([
  Schema.TaggedStruct("Claim", {
    session: Schema.Literals(["s", "t"]),
    owner: Schema.Literals(["a", "b"]),
    lease: Schema.Literals([0, 3_600_000]),
    insteadOf: Schema.Literals(["a", "b", "none"])
  }),
  Schema.TaggedStruct("Append", {
    session: Schema.Literals(["s", "t"]),
    epoch: Schema.Literals([0, 1, 2, 3]),
    count: Schema.Literals([0, 1, 2, 3])
  }),
  Schema.TaggedStruct("Renew", {
    session: Schema.Literals(["s", "t"]),
    epoch: Schema.Literals([0, 1, 2]),
    lease: Schema.Literals([0, 3_600_000])
  }),
  Schema.TaggedStruct("Release", { session: Schema.Literals(["s", "t"]), epoch: Schema.Literals([0, 1, 2]) }),
  Schema.TaggedStruct("Remove", { session: Schema.Literals(["s", "t"]) })
])

interface Model {
  owner: string | undefined
  isLeased: boolean
  epoch: number
  texts: Array<string>
}

/** Plays operations against a store and against a model of it. */
const play = Effect.fnUntraced(function*(operations: ReadonlyArray<typeof Operation.Type>) {
  const store = yield* Store.Store
  const model = new Map<string, Model>()
  let last = 0
  let written = 0

  for (const operation of operations) {
    const { session } = operation
    const state = model.get(session)
    const taken = state?.owner !== undefined && state.isLeased
    switch (operation._tag) {
      case "Claim": {
        const { insteadOf, lease, owner } = operation
        const result = yield* Effect.result(store.claim(session, owner, lease, { insteadOf }))
        if (taken && state.owner !== owner && state.owner !== insteadOf) {
          assert.deepStrictEqual(result._tag === "Failure" && [result.failure._tag], ["SessionTaken"])
          break
        }
        assert.isTrue(result._tag === "Success" && result.success > last, "an epoch is greater than all before")
        last = result._tag === "Success" ? result.success : last
        model.set(session, { texts: state?.texts ?? [], owner, isLeased: lease > 0, epoch: last })
        break
      }
      case "Append": {
        const epoch = last - operation.epoch
        const texts = Array.from({ length: operation.count }, () => `text ${++written}`)
        const result = yield* Effect.result(
          store.append(session, Epoch.make(epoch), texts.map((text) => output("cell", text)))
        )
        const isOwner = state?.owner !== undefined && state.epoch === epoch
        assert.strictEqual(result._tag === "Success" || result.failure._tag, isOwner || "Fenced")
        if (isOwner) {
          state.texts.push(...texts)
        }
        break
      }
      case "Renew": {
        const epoch = last - operation.epoch
        const result = yield* Effect.result(store.renew(session, Epoch.make(epoch), operation.lease))
        const isOwner = state?.owner !== undefined && state.epoch === epoch
        assert.strictEqual(result._tag === "Success" || result.failure._tag, isOwner || "Fenced")
        if (isOwner) {
          state.isLeased = operation.lease > 0
        }
        break
      }
      case "Release": {
        const epoch = last - operation.epoch
        yield* store.release(session, Epoch.make(epoch))
        if (state?.epoch === epoch) {
          state.owner = undefined
        }
        break
      }
      case "Remove": {
        const result = yield* Effect.result(store.remove(session))
        assert.strictEqual(
          result._tag === "Success" ? result.success : result.failure._tag,
          taken ? "SessionTaken" : state !== undefined
        )
        if (!taken) {
          model.delete(session)
        }
      }
    }
  }

  for (const session of ["s", "t"]) {
    const { records } = yield* store.load(session)
    assert.deepStrictEqual(records.map(say), model.get(session)?.texts ?? [])
  }
  const list = yield* store.list
  assert.deepStrictEqual(
    list.map(({ epoch, owner, session }): Array<unknown> => [session, epoch, owner]),
    Array.from(model, ([session, { epoch, owner }]) => [session, epoch, owner] as Array<unknown>).sort()
  )
})

export const contract = ({ layer, name, runs = 60 }: Implementation) => {
  const test = (
    name: string,
    body: (store: Store.Store["Service"]) => Effect.Effect<unknown, unknown>,
    bounds?: Store.Bounds
  ) =>
    it.live(
      name,
      () =>
        Effect.flatMap(Store.Store, body).pipe(
          Effect.provide(layer(bounds), { local: true }),
          Effect.timeout("50 seconds")
        )
    )

  const refusalOf = (effect: Effect.Effect<unknown, Fenced | StoreFailure>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag === "StoreFailure" ? error.reason : error._tag)

  describe(`a store ${name}`, () => {
    test("gives a journal back as it was appended", (store) =>
      Effect.gen(function*() {
        const records: ReadonlyArray<Store.Record> = [
          {
            _tag: "Tools",
            number: 1,
            definitions: [{
              name: "t",
              toolName: { name: "t", namespace: null },
              description: "",
              kind: "function",
              inputSchema: { type: "object" }
            }]
          },
          { _tag: "Values", version: 3, values: [["key", "[1,\"\\u0000\"]"], ["__proto__", "null"]] },
          created("one", { source: "text('a line\\n \ud83d\ude00 \u0000 \ud800')" }),
          { _tag: "Turn", cellId: cell("one"), turn: 1, at: 17.5, cause: { _tag: "Timer" } },
          { _tag: "Called", cellId: cell("one"), call: ToolCallId.make("tool-1"), tool: 0, input: "{\"deep\":[[[]]]}" },
          { _tag: "Called", cellId: cell("one"), call: ToolCallId.make("tool-2"), tool: 0 },
          {
            _tag: "Answered",
            cellId: cell("one"),
            call: ToolCallId.make("tool-1"),
            answer: { _tag: "Resolved", json: "{\"__proto__\":1}" }
          },
          {
            _tag: "Answered",
            cellId: cell("one"),
            call: ToolCallId.make("tool-2"),
            answer: { _tag: "Rejected", text: "it may have been performed", effect: "unknown" }
          },
          {
            _tag: "Turn",
            cellId: cell("one"),
            turn: 2,
            at: 18,
            cause: { _tag: "Answers", calls: [ToolCallId.make("tool-2"), ToolCallId.make("tool-1")] }
          },
          output("one", "out"),
          { _tag: "Heard", cellId: cell("one"), key: "k", wait: 10, from: 0, to: 1, event: { _tag: "Yielded" } },
          stored("one", 4, [["key", "2"]]),
          settled("one")
        ]
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, records.slice(0, 3))
        yield* store.append("s", epoch, [])
        yield* store.append("s", epoch, records.slice(3))
        assert.deepStrictEqual(yield* store.load("s"), { session: "s", records })
      }))

    test("has no records of a session that is not there, and does not make it", (store) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* store.load("nowhere"), { session: "nowhere", records: [] })
        assert.deepStrictEqual(yield* store.list, [])
        assert.isFalse(yield* store.remove("nowhere"))
        yield* store.release("nowhere", Epoch.make(1))
      }))

    test("keeps other owners away for as long as a lease lasts", (store) =>
      Effect.gen(function*() {
        yield* store.claim("s", "a", "1 hour")
        const error = yield* Effect.flip(store.claim("s", "b", "1 hour"))
        assert.deepStrictEqual(error._tag === "SessionTaken" && [error.session, error.owner], ["s", "a"])
        // Others are of no concern to it.
        yield* store.claim("t", "b", "1 hour")
        // The same owner starts again.
        const again = yield* store.claim("s", "a", "50 millis")
        const next = yield* store.claim("s", "b", "1 hour").pipe(
          Effect.retry({ while: (e) => e._tag === "SessionTaken" })
        )
        assert.isAbove(next, again)
      }))

    test("takes leases of any length", (store) =>
      Effect.gen(function*() {
        yield* store.claim("s", "a", "Infinity")
        assert.strictEqual((yield* Effect.flip(store.claim("s", "b", 0)))._tag, "SessionTaken")
        const epoch = yield* store.claim("s", "a", "1 nanos")
        yield* store.renew("s", epoch, "1500 micros")
        yield* store.claim("s", "b", 0).pipe(Effect.retry({ while: (error) => error._tag === "SessionTaken" }))
      }))

    test("lets an owner that is known to be gone be replaced", (store) =>
      Effect.gen(function*() {
        const old = yield* store.claim("s", "a", "1 hour")
        assert.strictEqual((yield* Effect.flip(store.claim("s", "b", 0, { insteadOf: "c" })))._tag, "SessionTaken")
        const epoch = yield* store.claim("s", "b", "1 hour", { insteadOf: "a" })
        assert.strictEqual(yield* refusalOf(store.append("s", old, [created("one")])), "Fenced")
        yield* store.append("s", epoch, [created("one")])
      }))

    test("refuses the owner of a session that was removed, also when there is a new one of this name", (store) =>
      Effect.gen(function*() {
        const old = yield* store.claim("s", "a", 0)
        assert.isTrue(yield* store.remove("s"))
        assert.strictEqual(yield* refusalOf(store.append("s", old, [created("one")])), "Fenced")
        const epoch = yield* store.claim("s", "a", 0)
        assert.isAbove(epoch, old)
        assert.strictEqual(yield* refusalOf(store.append("s", old, [created("one")])), "Fenced")
        assert.strictEqual(yield* refusalOf(store.renew("s", old, "1 hour")), "Fenced")
      }))

    test("removes no session that is owned, or that has changed", (store) =>
      Effect.gen(function*() {
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [created("one")])
        assert.strictEqual((yield* Effect.flip(store.remove("s")))._tag, "SessionTaken")
        yield* store.release("s", epoch)
        const [summary] = yield* store.list
        assert.isFalse(yield* store.remove("s", { unchangedSince: summary!.changedAt - 1 }))
        assert.isTrue(yield* store.remove("s", { unchangedSince: summary!.changedAt }))
        assert.deepStrictEqual((yield* store.load("s")).records, [])
      }))

    test("loads what it has of one cell", (store) =>
      Effect.gen(function*() {
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [
          { _tag: "Tools", number: 1, definitions: [] },
          created("one"),
          created("two", { number: 2 }),
          output("one", "of one"),
          stored("two", 1, []),
          output("two", "of two")
        ])
        const { records } = yield* store.load("s", { cell: cell("one") })
        assert.deepStrictEqual(records.map(say), ["Tools", "Created one", "of one", "Stored two"])
      }))

    test("loads cells that have ended without what only says how they came to it", (store) =>
      Effect.gen(function*() {
        const call = ToolCallId.make("tool-1")
        const lifeOf = (id: string): ReadonlyArray<Store.Record> => {
          const cellId = cell(id)
          return [
            created(id),
            { _tag: "Called", cellId, call, tool: 0 },
            { _tag: "Asked", cellId, call },
            { _tag: "Attempted", cellId, call, attempt: 1 },
            output(id, `of ${id}`),
            { _tag: "Yielded", cellId },
            { _tag: "Notified", cellId, number: 1, text: "" },
            { _tag: "Frontier", cellId, timers: 0, generation: Generation.make(1) },
            { _tag: "Delivered", cellId, number: 1 },
            { _tag: "Answered", cellId, call, answer: { _tag: "Resolved", json: "1" } },
            { _tag: "Resumed", cellId, generation: Generation.make(1) },
            { _tag: "Turn", cellId, turn: 1, at: 1, cause: { _tag: "Timer" } },
            stored(id, 1, []),
            { _tag: "Heard", cellId, from: 0, to: 1, event: { _tag: "Ended" } }
          ]
        }
        const [one, two] = [lifeOf("one"), lifeOf("two")]
        const tools: Store.Record = { _tag: "Tools", number: 1, definitions: [] }
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [tools, ...one, ...two, settled("one")])
        // A cell of this name that has ended elsewhere is another one.
        yield* store.append("t", yield* store.claim("t", "a", "1 hour"), [created("two"), settled("two")])
        const ofOne = ["Created one", "of one", "Yielded one", "Resumed one", "Stored one", "Heard one"]
        const load = (part: Parameters<typeof store.load>[1]) =>
          Effect.map(store.load("s", part), ({ records }) => records.map(say))
        assert.deepStrictEqual(yield* load({ ended: "outcomes" }), [
          "Tools",
          ...ofOne,
          ...two.map(say),
          "Settled one"
        ])
        assert.deepStrictEqual(yield* load({ ended: "outcomes", cell: cell("one") }), [
          "Tools",
          ...ofOne,
          "Stored two",
          "Settled one"
        ])
        assert.deepStrictEqual(yield* load({ cell: cell("one") }), [
          "Tools",
          ...one.map(say),
          "Stored two",
          "Settled one"
        ])
      }))

    test("forgets cells, and not what they have stored", (store) =>
      Effect.gen(function*() {
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [created("one"), stored("one", 1, [["a", "1"]]), settled("one")])
        yield* store.append("s", epoch, [created("two", { number: 2 })])
        yield* store.append("s", epoch, [output("two", "later")], { forget: [cell("one"), cell("never")] })
        assert.deepStrictEqual((yield* store.load("s")).records.map(say), ["Stored one", "Created two", "later"])
        const [summary] = yield* store.list
        assert.deepStrictEqual([summary!.liveCells, summary!.settledCells], [1, 0])
        // A cell may come again in the same append.
        yield* store.append("s", epoch, [created("two", { number: 3 })], { forget: [cell("two")] })
        assert.deepStrictEqual((yield* store.load("s")).records.map(say), ["Stored one", "Created two"])
      }))

    test("replaces stored values by all of them", (store) =>
      Effect.gen(function*() {
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [
          { _tag: "Values", version: 0, values: [] },
          stored("one", 1, [["a", "1"]]),
          stored("two", 2, [["a", "2"]]),
          stored("three", 3, [["a", "3"]])
        ])
        yield* store.append("s", epoch, [{ _tag: "Values", version: 2, values: [["a", "2"]] }])
        assert.deepStrictEqual((yield* store.load("s")).records.map(say), ["Stored three", "Values"])
      }))

    test("says how large a session is, and how many of its cells live", (store) =>
      Effect.gen(function*() {
        const sizeOf = Effect.map(store.list, (list) =>
          list.map(({ bytes, liveCells, settledCells }) => [bytes > 0, liveCells, settledCells]))
        const epoch = yield* store.claim("s", "a", "1 hour")
        assert.deepStrictEqual(yield* sizeOf, [[false, 0, 0]])
        yield* store.append("s", epoch, [
          created("one"),
          created("two", { number: 2 }),
          output("one", "\u00e9".repeat(99))
        ])
        assert.deepStrictEqual(yield* sizeOf, [[true, 2, 0]])
        yield* store.append("s", epoch, [settled("two")])
        assert.deepStrictEqual(yield* sizeOf, [[true, 1, 1]])
        yield* store.append("s", epoch, [], { forget: [cell("one"), cell("two")] })
        assert.deepStrictEqual(yield* sizeOf, [[false, 0, 0]])
      }))

    test(
      "refuses what is past a bound, and writes nothing of it; an ending fits all the same",
      (store) =>
        Effect.gen(function*() {
          const epoch = yield* store.claim("s", "a", "1 hour")
          const { append } = store
          assert.strictEqual(
            yield* refusalOf(append("s", epoch, [created("one"), output("one", "x".repeat(2000))])),
            "TooLarge"
          )
          assert.deepStrictEqual((yield* store.load("s")).records, [])
          const some = [output("one", "x".repeat(900)), output("one", "x".repeat(900))]
          yield* append("s", epoch, [created("one"), ...some])
          assert.strictEqual(yield* refusalOf(append("s", epoch, some)), "TooLarge")
          yield* append("s", epoch, [settled("one")])
          // The session has a bound, too.
          yield* append("s", epoch, [created("two"), output("two", "x".repeat(900)), output("two", "x".repeat(900))])
          assert.strictEqual(yield* refusalOf(append("s", epoch, [created("three"), ...some.slice(1)])), "TooLarge")
          yield* append("s", epoch, [created("three"), ...some.slice(1)], { forget: [cell("one")] })
        }),
      { maxRecordBytes: 1000, maxCellBytes: 2500, maxSessionBytes: 5000 }
    )

    test("takes appends at the same time, each whole", (store) =>
      Effect.gen(function*() {
        const sessions = ["a", "b", "c"]
        const epochs = yield* Effect.forEach(sessions, (session) => store.claim(session, "me", "1 hour"))
        const results = yield* Effect.forEach(
          Array.from({ length: 90 }, (_, index) => index),
          (index) => {
            // Every tenth comes from an owner that is fenced.
            const epoch = index % 10 === 0 ? Epoch.make(0) : epochs[index % 3]!
            const records = [output("one", `${index} first`), output("one", `${index} second`)]
            return Effect.result(store.append(sessions[index % 3]!, epoch, records))
          },
          { concurrency: "unbounded" }
        )
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Failure").length, 9)
        for (const [number, session] of sessions.entries()) {
          const texts = (yield* store.load(session)).records.map(say)
          const wanted = Array.from(
            { length: 90 },
            (_, index) => index % 3 === number && index % 10 !== 0 ? [`${index} first`, `${index} second`] : []
          )
          assert.deepStrictEqual(texts, wanted.flat())
        }
      }))

    it.live.prop(
      "has one owner of a session at most, whatever is asked in which order",
      [Schema.Array(Operation)],
      ([operations]) => play(operations).pipe(Effect.provide(layer(), { local: true })),
      { arbitrary: { runs, seed: 20_261_129 }, timeout: 60_000 }
    )
  })
}
