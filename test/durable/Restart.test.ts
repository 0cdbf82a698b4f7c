/** What the next process finds of a session, and what it does with it. */
import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import * as Holder from "effect-code-mode/durable/Holder"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { makeWorld, open, textsOf, until, type World } from "./Harness.ts"

const engine = V8.layer({ warmLanes: 2, warmIsolates: 1 })

const makeStore = (bounds?: Store.Bounds) =>
  Effect.map(Layer.build(Layer.fresh(Store.layerMemory(bounds))), Context.get(Store.Store))

const hold = () => Effect.never

type Session = Runtime.SessionRuntime["Service"]

/** Processes of one store and one world, one after the other. */
const processes = Effect.fnUntraced(function*(
  options: {
    readonly world?: World
    readonly bounds?: Store.Bounds
    readonly session?: Partial<Runtime.DurableOptions>
  } = {}
) {
  const store = yield* makeStore(options.bounds)
  const world = options.world ?? makeWorld({ hold })
  const context = yield* Layer.build(engine)
  const run = <A, E>(body: (session: Session) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.scoped(Effect.flatMap(open(store, world, Layer.succeedContext(context), options.session), body))
  return { store, world, run }
})

const test = (name: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.timeout(Effect.scoped(body), "50 seconds"))

const request = (source: string, idempotencyKey?: string): Protocol.CellRequest => ({
  callId: "call",
  source,
  ...(idempotencyKey === undefined ? {} : { idempotencyKey })
})

describe("calls that had no answer", () => {
  test(
    "reject where they must not be repeated, and are made again where they may be",
    Effect.gen(function*() {
      const world = makeWorld()
      const both = makeWorld({ once: hold, again: hold })
      const { run, store } = yield* processes({ world: both })
      const source = `
        const [once, again] = await Promise.allSettled([tools.once(1), tools.again(2)])
        text(once.reason); text(again.value)`
      const cell = yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.create(request(source, "task"))
          yield* both.called(2)
          return cell
        })
      )
      const context = yield* Layer.build(engine)
      const session = yield* open(store, world, Layer.succeedContext(context))
      const event = yield* session.observe(cell)
      assert.deepStrictEqual(textsOf(event), [
        "tools.once was interrupted by the end of its process: it may have been performed, and is not performed again",
        `{"again":2}`
      ])
      assert.deepStrictEqual(
        world.performed.map(({ attempt, key, tool }) => [tool, attempt, key]),
        [["again", 2, both.performed.find(({ tool }) => tool === "again")!.key]]
      )
      assert.strictEqual(both.performed[0]!.key, `s/${cell.id}/tool-1`)
      assert.deepStrictEqual(
        (yield* session.ledger(cell.id)).calls.map(({ state, tool }) => [tool, state]),
        [["once", "Interrupted"], ["again", "Succeeded"]]
      )
    })
  )

  test(
    "are asked for again where they waited for an approval, and then performed once",
    Effect.gen(function*() {
      const store = yield* makeStore()
      const context = yield* Layer.build(engine)
      const performed: Array<string> = []
      const process = Effect.fnUntraced(function*(approver: Layer.Layer<Approver.Approver>) {
        const tools = Delegate.layer({
          tools: [{
            name: "deploy",
            toolName: { name: "deploy", namespace: null },
            description: "",
            kind: "function",
            annotations: { needsApproval: true }
          }],
          invokeTool: ({ idempotencyKey }) => Effect.sync(() => performed.push(idempotencyKey))
        })
        const delegate = Layer.effect(Delegate.Delegate, Effect.flatMap(Delegate.Delegate, Delegate.withApproval)).pipe(
          Layer.provide([tools, approver])
        )
        return yield* open(store, { ...makeWorld(), layer: delegate }, Layer.succeedContext(context))
      })
      let asked = 0
      const deaf = Approver.layerCallback(() => {
        asked++
        return Effect.never
      })
      const cell = yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* process(deaf)
        const cell = yield* session.create(request("text(await tools.deploy({}))", "task"))
        yield* until(() => asked === 1)
        return cell
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* process(deaf)
        yield* until(() => asked === 2)
        const [live] = yield* session.cells
        assert.deepStrictEqual(live?.awaitingApproval.length, 1)
      }))
      const session = yield* process(Approver.layerApproveAll)
      assert.deepStrictEqual(textsOf(yield* session.observe(cell)), ["1"])
      assert.strictEqual(performed.length, 1)
    })
  )
})

describe("observers", () => {
  test(
    "get the event of a key again, and nothing twice without one",
    Effect.gen(function*() {
      const { run } = yield* processes()
      const source = "text('a'); yield_control(); text('b'); await tools.hold()"
      const first = yield* run((session) =>
        Effect.gen(function*() {
          const { cell, initial } = yield* session.execute(request(source, "task"), { idempotencyKey: "k" })
          const event = yield* initial
          assert.deepStrictEqual(textsOf(event), ["a"])
          return { cell, event }
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          const { cell, initial } = yield* session.execute(request(source, "task"), { idempotencyKey: "k" })
          assert.deepStrictEqual(cell, first.cell)
          assert.deepStrictEqual(yield* initial, first.event)
          assert.strictEqual(
            (yield* Effect.flip(session.observe(cell, { idempotencyKey: "k", yieldAfter: 5 })))._tag,
            "IdempotencyConflict"
          )
          assert.strictEqual((yield* Effect.flip(session.create(request("1", "task"))))._tag, "IdempotencyConflict")
          assert.deepStrictEqual(textsOf(yield* session.observe(cell, { yieldAfter: 0 })), ["b"])
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          const event = yield* session.observe(first.cell, { yieldAfter: 0 })
          assert.deepStrictEqual([event._tag, ...textsOf(event)], ["Yielded"])
          assert.strictEqual((yield* session.terminate(first.cell))._tag, "Terminated")
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* session.cells, [])
          const missing = yield* Effect.flip(session.observe(first.cell))
          assert.isTrue(missing._tag === "MissingCell" && missing.finished)
          assert.strictEqual(yield* session.awaitSettled(first.cell.id), "Terminated")
          assert.deepStrictEqual(yield* session.observe(first.cell, { idempotencyKey: "k" }), first.event)
        })
      )
    })
  )

  test(
    "find an outcome that nobody has read, and cells have new ids",
    Effect.gen(function*() {
      const { run } = yield* processes()
      const cell = yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.create(request("store('n', 1); text('done'); throw new Error('no')"))
          yield* session.awaitSettled(cell.id)
          return cell
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* session.storedValues, { n: 1 })
          const other = yield* session.create(request("text(load('n') + 1); store('n', 2)"))
          assert.notStrictEqual(other.id, cell.id)
          assert.deepStrictEqual(textsOf(yield* session.observe(other)), ["2"])
          const event = yield* session.observe(cell)
          assert(event._tag === "Completed")
          assert.deepStrictEqual(textsOf(event), ["done"])
          assert.include(event.error?.text, "no")
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* session.storedValues, { n: 2 })
          assert.deepStrictEqual(yield* session.cells, [])
        })
      )
    })
  )

  test(
    "of a pausable cell get the frontier that they had",
    Effect.gen(function*() {
      const { run } = yield* processes()
      const source = `
        setTimeout(() => text("timer"), 1)
        text("a"); text(await tools.again(1)); text("b"); await tools.hold(); text("never")`
      const [cell, first] = yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.createPausable(request(source, "task"))
          return [cell, yield* session.awaitFrontier(cell)] as const
        })
      )
      assert(first._tag === "Frontier")
      assert.deepStrictEqual([first.generation, ...textsOf(first)], [1, "a"])
      yield* run((session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* session.awaitFrontier(cell), first)
          assert.strictEqual(yield* session.resume(cell, first.generation), "Resumed")
        })
      )
      const second = yield* run((session) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* session.resume(cell, first.generation), "AlreadyRunning")
          return yield* session.awaitFrontier(cell)
        })
      )
      assert(second._tag === "Frontier")
      assert.strictEqual(second.generation, 2)
      yield* run((session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* session.awaitFrontier(cell), second)
          const ended = yield* session.terminate(cell)
          assert.deepStrictEqual([ended._tag, ...textsOf(ended)], ["Terminated"])
        })
      )
    })
  )
})

describe("cells that have ended before", () => {
  /** What a session has asked its store for, by kind. */
  const watch = (store: Store.Store["Service"]) => {
    const read = new Set<Store.Record["_tag"]>()
    const load: typeof store.load = (session, part) =>
      Effect.tap(
        store.load(session, part),
        ({ records }) => Effect.sync(() => records.forEach(({ _tag }) => read.add(_tag)))
      )
    return { read, store: Store.Store.of({ ...store, load }) }
  }

  const ways = ["Turn", "Called", "Answered", "Frontier"] as const

  test(
    "are not read but for their outcome and output, and their ledger is when it is asked for",
    Effect.gen(function*() {
      const world = makeWorld({ broken: () => Effect.fail(new Protocol.ToolError({ text: "no" })) })
      const { run, store } = yield* processes({ world })
      const source = `
        await tools.once(1)
        await Promise.allSettled([tools.broken(2), ...Array.from({ length: 130 }, (_, i) => tools.again(i))])
        text("done")`
      const ask = (session: Session, cells: ReadonlyArray<Protocol.CellId>) =>
        Effect.forEach(cells, (id) =>
          Effect.map(session.ledger(id), ({ calls, omitted }) => ({
            omitted,
            calls: calls.map(({ state, tool, toolCallId }) => [state, tool, toolCallId])
          })))
      const [cells, before] = yield* run((session) =>
        Effect.gen(function*() {
          const read = yield* session.execute(request(source))
          yield* read.initial
          const unread = yield* session.create(request(source))
          yield* session.awaitSettled(unread.id)
          const ids = [read.cell.id, unread.id]
          return [ids, yield* ask(session, ids)] as const
        })
      )
      assert.deepStrictEqual(before.map(({ calls, omitted }) => [calls.length, omitted]), [[128, 4], [128, 4]])
      const watched = watch(store)
      const context = yield* Layer.build(engine)
      const session = yield* open(watched.store, world, Layer.succeedContext(context))
      assert.containsAllKeys(Object.fromEntries(Array.from(watched.read, (tag) => [tag, tag])), ["Output", "Settled"])
      ways.forEach((tag) => assert.isFalse(watched.read.has(tag), tag))
      assert.deepStrictEqual(yield* ask(session, cells), before)
      ways.forEach((tag) => assert.isTrue(watched.read.has(tag), tag))
      // Also once the last outcome was read.
      assert.deepStrictEqual(textsOf(yield* session.observe(yield* session.cell(cells[1]!))), ["done"])
      assert.deepStrictEqual(yield* ask(session, cells), before)
    })
  )

  test(
    "have no ledger once the store has forgotten them",
    Effect.gen(function*() {
      const { run, store } = yield* processes()
      const end = (session: Session) =>
        Effect.gen(function*() {
          const { cell, initial } = yield* session.execute(request("await tools.again(1)"))
          yield* initial
          return cell.id
        })
      const [first, last] = yield* run((session) => Effect.all([end(session), end(session)]))
      yield* run((session) =>
        Effect.gen(function*() {
          yield* Effect.provideService(Store.prune({ endedFor: 0 }), Store.Store, store)
          const missing = yield* Effect.flip(session.ledger(first))
          assert.deepStrictEqual([missing._tag, missing.cellId, missing.finished], ["MissingCell", first, true])
          assert.strictEqual((yield* session.ledger(last)).calls.length, 1)
        })
      )
    })
  )
})

describe("the owner of a session", () => {
  test(
    "that has lost it has no effect any more, and says so",
    Effect.gen(function*() {
      const { run, store, world } = yield* processes()
      yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.create(request("text(await tools.hold()); text('after')", "task"))
          const observer = yield* Effect.forkChild(session.observe(cell), { startImmediately: true })
          yield* world.called(1)
          yield* store.claim("s", "another", 0)
          const { records } = yield* store.load("s")
          const failed = yield* Effect.flip(session.create(request("text(1)")))
          assert.include(["IsolateFailure", "ShuttingDown"], failed._tag)
          const exit = yield* Fiber.await(observer)
          assert(Exit.isFailure(exit))
          assert.instanceOf(Cause.squash(exit.cause), Protocol.Fenced)
          assert.isFalse(yield* session.isAlive)
          assert.deepStrictEqual((yield* store.load("s")).records, records)
        })
      )
      // It goes on with the next one.
      yield* run((session) =>
        Effect.gen(function*() {
          const [live] = yield* session.cells
          assert.strictEqual(live?.status, "Running")
          yield* world.called(2)
        })
      )
    })
  )

  test(
    "keeps others away while it lives, and not when it is gone",
    Effect.gen(function*() {
      const { run, store } = yield* processes({ session: { lease: "1 hour" } })
      yield* run(() =>
        Effect.gen(function*() {
          const taken = yield* Effect.flip(run(() => Effect.void))
          assert.strictEqual(taken._tag, "SessionTaken")
        })
      )
      const gone = { ...JSON.parse(Holder.make()), pid: 2 ** 22 + 1 }
      yield* store.claim("s", JSON.stringify(gone), "1 hour")
      yield* run((session) => session.create(request("text(1)")))
    })
  )

  test(
    "suspends when it closes, and ends cells when it is shut down",
    Effect.gen(function*() {
      const { run, world } = yield* processes()
      const cell = yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.create(request("await tools.hold()"))
          yield* world.called(1)
          return cell
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* session.cells).length, 1)
          yield* session.shutdown
        })
      )
      yield* run((session) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* session.observe(cell))._tag, "Terminated")
        })
      )
    })
  )
})

describe("a journal", () => {
  test(
    "that its cell does not follow ends the cell",
    Effect.gen(function*() {
      const { run, store, world } = yield* processes()
      const cell = yield* run((session) =>
        Effect.gen(function*() {
          const cell = yield* session.create(
            request("try { await tools.again(1); await tools.hold(2) } catch { text('caught') }", "task")
          )
          yield* world.called(2)
          return cell
        })
      )
      const { records } = yield* store.load("s")
      const epoch = yield* store.claim("t", "forger", 0)
      yield* store.append(
        "t",
        epoch,
        records.filter(({ _tag }) => _tag !== "Frontier").map((record) =>
          record._tag === "Called" && record.input === "1"
            ? { ...record, input: "7" }
            : record._tag === "Created"
            ? { ...record, engine: "another engine" }
            : record
        )
      )
      const context = yield* Layer.build(engine)
      const session = yield* open(store, world, Layer.succeedContext(context), { session: "t" })
      const event = yield* session.observe(cell)
      assert(event._tag === "Completed")
      assert.deepStrictEqual(textsOf(event), [])
      assert.strictEqual(event.error?._tag, "Diverged")
      assert.match(
        event.error?.text ?? "",
        /the call tool-1 is different .* begun with another engine, and this is node/
      )
      assert.notInclude(world.performed.slice(2).map(({ tool }) => tool), "again")
    })
  )

  test(
    "has bounds, and its cell ends at them",
    Effect.gen(function*() {
      const { run } = yield* processes({ bounds: { maxRecordBytes: 20_000, maxCellBytes: 50_000 } })
      yield* run((session) =>
        Effect.gen(function*() {
          const long = yield* Effect.flip(session.create(request(`/* ${"x".repeat(30_000)} */`)))
          assert.strictEqual(long._tag, "CapacityExceeded")
          const ends = Effect.fnUntraced(function*(source: string) {
            const { initial } = yield* session.execute(request(source))
            const event = yield* initial
            return event._tag === "Completed" ? event.error : undefined
          })
          const item = yield* ends("text('x'.repeat(30_000))")
          assert.deepStrictEqual([item?._tag, /record of the kind Output/.test(item?.text ?? "")], [
            "LimitExceeded",
            true
          ])
          const all = yield* ends("for (let i = 0; i < 100; i++) await tools.again('x'.repeat(1000))")
          assert.deepStrictEqual([all?._tag, /journal of cell/.test(all?.text ?? "")], ["LimitExceeded", true])
          const stored = yield* ends("store('x', 'x'.repeat(30_000))")
          assert.deepStrictEqual([stored?._tag, /record of the kind Stored/.test(stored?.text ?? "")], [
            "LimitExceeded",
            true
          ])
          const { initial } = yield* session.execute(request("text(load('x') ?? 'nothing')"))
          assert.deepStrictEqual(textsOf(yield* initial), ["nothing"])
        })
      )
    })
  )
})
