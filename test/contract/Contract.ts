/**
 * What every implementation of `SessionRuntime` must do, seen from outside, with real cells.
 *
 * Tests under `extended` need more of a session than creating a cell together with its first observation, observing it,
 * terminating it and shutting down.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ScriptedHost from "./ScriptedHost.ts"

export interface Implementation {
  readonly name: string
  readonly extended: boolean
  /** A session of its own at each use. */
  readonly layer: (
    delegate: Layer.Layer<Delegate.Delegate>
  ) => Layer.Layer<Runtime.SessionRuntime, unknown>
}

/** Nothing here takes long unless it is stuck for ever. */
const wedged = "50 seconds"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const texts = (event: { readonly items: ReadonlyArray<Protocol.OutputItem> }) =>
  event.items.map((item) => item.type === "input_text" ? item.text : item.type)

/** An event in a few words: its kind, its output, its error. */
const say = (event: Protocol.CellEvent | Protocol.Frontier) =>
  event._tag === "Completed" && event.error !== undefined
    ? [event._tag, ...texts(event), `! ${event.error.text}`]
    : [event._tag, ...texts(event)]

const forever = "await new Promise(() => {})"

export const contract = (implementation: Implementation) => {
  /** Runs a test on a session of its own. */
  const test = (
    name: string,
    body: (host: ScriptedHost.ScriptedHost) => Effect.Effect<unknown, unknown, Runtime.SessionRuntime | Scope.Scope>,
    options?: Parameters<typeof ScriptedHost.make>[0]
  ) =>
    it.live(name, () => {
      const host = ScriptedHost.make(options)
      return body(host).pipe(
        Effect.provide(implementation.layer(host.layer), { local: true }),
        Effect.timeout(wedged)
      )
    })

  const request = (source: string, host: ScriptedHost.ScriptedHost): Protocol.CellRequest => ({
    callId: "call-1",
    source,
    tools: host.tools
  })

  /** Makes a cell and gives its first event. */
  const run = Effect.fnUntraced(function*(
    source: string,
    host: ScriptedHost.ScriptedHost,
    yieldAfter?: Duration.Input
  ) {
    const session = yield* Runtime.SessionRuntime
    const { cell, initial } = yield* session.execute(request(source, host), { yieldAfter })
    return { session, cell, event: yield* initial }
  })

  const text = (source: string, host: ScriptedHost.ScriptedHost) =>
    Effect.map(run(source, host), ({ event }) => say(event))

  /** A cell whose script has ended, and that waits for its notification. */
  const drainingCell = Effect.fnUntraced(function*(host: ScriptedHost.ScriptedHost) {
    const { cell, event, session } = yield* run("store('candidate', 'lost'); notify('n'); text('done')", host, 50)
    if (texts(event).length === 0) {
      yield* Effect.repeat(session.observe(cell, { yieldAfter: 50 }), { until: (next) => texts(next).length > 0 })
    }
    return { cell, session }
  })

  describe(`${implementation.name}: observation`, () => {
    test("a cell completes with its output", (host) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* text("text('a'); text({ b: 1 })", host), ["Completed", "a", "{\"b\":1}"])
        assert.deepStrictEqual(
          yield* text("text('a'); throw 'boom'", host),
          ["Completed", "a", "! boom"]
        )
      }))

    test("a cell yields at yield_control and goes on", (host) =>
      Effect.gen(function*() {
        const { cell, event, session } = yield* run("text('before'); yield_control(); text('after')", host)
        assert.deepStrictEqual(say(event), ["Yielded", "before"])
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "after"])
      }))

    test("a yield time of zero answers at once, and loses no output", (host) =>
      Effect.gen(function*() {
        const { cell, event, session } = yield* run(`text('queued output'); ${forever}`, host, 0)
        let [tag, ...output] = say(event)
        // The cell may have been faster than the one who asks.
        while (output.length === 0) {
          assert.strictEqual(tag, "Yielded")
          ;[tag, ...output] = say(yield* session.observe(cell, { yieldAfter: "200 millis" }))
        }
        assert.deepStrictEqual([tag, ...output], ["Yielded", "queued output"])
      }))

    test("a busy cell yields", (host) =>
      Effect.gen(function*() {
        const { event } = yield* run("text('s'); while (true) {}", host, "300 millis")
        assert.deepStrictEqual(say(event), ["Yielded", "s"])
      }))

    test("a second observer is refused and does not disturb the first", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run(`yield_control(); ${forever}`, host)
        const observe = session.observe(cell, { yieldAfter: "1 hour" })
        const first = yield* background(observe)
        const busy = yield* Effect.flip(observe)
        assert.strictEqual(busy._tag, "BusyObserver")
        const outcome = yield* session.terminate(cell)
        assert.deepStrictEqual(say(outcome), ["Terminated"])
        assert.deepStrictEqual(yield* Fiber.join(first), outcome)
      }))

    test("an observer that goes away frees its place and takes no output", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); await tools.block(); text('x')", host)
        yield* host.called(1)
        const lost = yield* background(session.observe(cell))
        yield* Fiber.interrupt(lost)
        yield* host.release(1)
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "x"])
      }))

    test("an unknown cell and a finished one are missing", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("text(1)", host)
        const finished = yield* Effect.flip(session.observe(cell))
        assert.strictEqual(finished.message, `exec cell ${cell.id} not found`)
        const unknown = yield* Effect.flip(session.cell(Protocol.CellId.make("nope")))
        assert.strictEqual(unknown.message, "exec cell nope not found")
      }))
  })

  describe(`${implementation.name}: callbacks`, () => {
    test("tools run in parallel and settle the script's promises", (host) =>
      Effect.gen(function*() {
        const cell = yield* background(text(
          `const r = await Promise.allSettled([tools.block(), tools.block(), tools.fail(), tools.panic()])
           text(r.map((x) => x.value ?? x.reason).join())`,
          host
        ))
        yield* host.called(2)
        yield* host.release(2, "two")
        yield* host.release(1, "one")
        assert.deepStrictEqual(
          yield* Fiber.join(cell),
          ["Completed", "one,two,boom,code mode tool task panicked"]
        )
      }))

    test("a completion waits for its notifications and not for its tools", (host) =>
      Effect.gen(function*() {
        const cell = yield* background(text("notify('n'); tools.block(); text('done')", host))
        yield* host.notified(1)
        yield* host.cancelled(1)
        assert.isUndefined(cell.pollUnsafe())
        yield* host.deliver
        assert.deepStrictEqual(yield* Fiber.join(cell), ["Completed", "done"])
      }), { notifications: "cooperative" })

    test("a notification that dies changes nothing", (host) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* text("notify('n'); text('done')", host), ["Completed", "done"])
        assert.deepStrictEqual(host.notifications, ["n"])
      }), { notifications: "panic" })

    test("the yield deadline fires while notifications drain", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* drainingCell(host)
        assert.deepStrictEqual(say(yield* session.observe(cell, { yieldAfter: 50 })), ["Yielded"])
        yield* host.deliver
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed"])
      }), { notifications: "cooperative" })
  })

  describe(`${implementation.name}: termination`, () => {
    test("callbacks have ended when terminate answers", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run(
          `notify('pending'); tools.block(); yield_control(); ${forever}`,
          host
        )
        yield* host.called(1)
        yield* host.notified(1)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
        assert.strictEqual(host.cancelledCount(), 2)
      }), { notifications: "cooperative" })

    test("gives the output that nobody has read", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run(
          `text('seen'); yield_control(); text('unseen'); tools.block(); ${forever}`,
          host
        )
        yield* host.called(1)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated", "unseen"])
      }))

    test("stops what cannot be stopped politely", (host) =>
      Effect.gen(function*() {
        for (const source of ["while (true) {}", "/^(a+)+$/.test('a'.repeat(40) + 'b')"]) {
          const { cell, event, session } = yield* run(source, host, "50 millis")
          assert.deepStrictEqual(say(event), ["Yielded"])
          assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
        }
        assert.deepStrictEqual(yield* text("text('next')", host), ["Completed", "next"])
      }))

    test("is not held up by a deaf tool", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); await tools.deaf()", host)
        yield* host.called(1)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
        yield* host.release(1)
        assert.deepStrictEqual(yield* text("text('next')", host), ["Completed", "next"])
      }))

    test("is not held up by a deaf notification", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run(`notify('n'); yield_control(); ${forever}`, host)
        yield* host.notified(1)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
      }), { notifications: "deaf" })

    test("is not held up by a deaf notification that a finished script waits for", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* drainingCell(host)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
        yield* session.shutdown
      }), { notifications: "deaf" })

    test("a second terminate is refused while the first waits", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); await tools.deaf()", host)
        yield* host.called(1)
        const first = yield* background(session.terminate(cell))
        const second = yield* Effect.flip(session.terminate(cell))
        assert.strictEqual(second.message, `exec cell ${cell.id} is already terminating`)
        assert.deepStrictEqual(say(yield* Fiber.join(first)), ["Terminated"])
      }))

    test("a completion that is there wins", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); store('finished', true); text('done')", host)
        const poll = text("text(load('finished') === true)", host)
        yield* Effect.repeat(poll, { until: (said) => said[1] === "true" })
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Completed", "done"])
        assert.strictEqual((yield* Effect.flip(session.terminate(cell)))._tag, "MissingCell")
      }))

    test("a late answer reaches nobody", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); text(await tools.deaf())", host)
        yield* host.called(1)
        yield* session.terminate(cell)
        yield* host.release(1, "late")
        assert.strictEqual((yield* Effect.flip(session.observe(cell)))._tag, "MissingCell")
        assert.deepStrictEqual(yield* text("text(typeof load('x'))", host), ["Completed", "undefined"])
      }))
  })

  describe(`${implementation.name}: stored values`, () => {
    test("are seen by later cells of the session, not by other sessions", (host) =>
      Effect.gen(function*() {
        yield* text("store('k', { a: 1 })", host)
        assert.deepStrictEqual(yield* text("text(load('k'))", host), ["Completed", "{\"a\":1}"])
        const other = yield* text("text(String(load('k')))", host).pipe(
          Effect.provide(implementation.layer(host.layer), { local: true })
        )
        assert.deepStrictEqual(other, ["Completed", "undefined"])
      }))

    test("are kept when the script fails or exits", (host) =>
      Effect.gen(function*() {
        yield* text("store('a', 1); throw new Error('x')", host)
        yield* text("store('b', 2); exit()", host)
        assert.deepStrictEqual(yield* text("text([load('a'), load('b')])", host), ["Completed", "[1,2]"])
      }))

    test("of a terminated cell are never seen", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("store('k', 'lost'); yield_control(); await tools.block()", host)
        yield* host.called(1)
        yield* session.terminate(cell)
        assert.deepStrictEqual(yield* text("text(String(load('k')))", host), ["Completed", "undefined"])
      }))

    test("of a cell terminated before its commit are never seen", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* drainingCell(host)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
        assert.deepStrictEqual(yield* text("text(String(load('candidate')))", host), ["Completed", "undefined"])
      }), { notifications: "cooperative" })

    test("are a snapshot for the cell, and merged by key for the session", (host) =>
      Effect.gen(function*() {
        yield* text("store('a', 1); store('b', 1)", host)
        const { cell, session } = yield* run(
          "yield_control(); await tools.block(); store('a', 2); text(load('b'))",
          host
        )
        yield* host.called(1)
        yield* text("store('b', 3)", host)
        yield* host.release(1)
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "1"])
        assert.deepStrictEqual(yield* text("text([load('a'), load('b')])", host), ["Completed", "[2,3]"])
      }))
  })

  describe(`${implementation.name}: shutdown`, () => {
    test("ends busy cells, answers observers, and refuses new cells", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run("yield_control(); while (true) {}", host)
        const observer = yield* background(session.observe(cell))
        yield* session.shutdown
        assert.isFalse(yield* session.isAlive)
        assert.deepStrictEqual(say(yield* Fiber.join(observer)), ["Terminated"])
        const refused = yield* Effect.flip(session.execute(request("text(1)", host)))
        assert.strictEqual(refused.message, "code mode session is shutting down")
        yield* session.shutdown
      }))

    test("leaves no cell to ask about", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* run(`yield_control(); ${forever}`, host)
        yield* session.shutdown
        assert.deepStrictEqual(yield* session.cells, [])
        for (const ask of [session.observe(cell), session.terminate(cell), session.cell(cell.id)]) {
          const missing = yield* Effect.flip<unknown, { readonly message: string }, never>(ask)
          assert.strictEqual(missing.message, `exec cell ${cell.id} not found`)
        }
      }))

    test("is not held up by deaf callbacks", (host) =>
      Effect.gen(function*() {
        const { session } = yield* run("notify('n'); tools.deaf(); yield_control(); await tools.deaf()", host)
        yield* host.called(2)
        yield* host.notified(1)
        yield* session.shutdown
      }), { notifications: "deaf" })

    test("is not held up by a deaf notification that a finished script waits for", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* drainingCell(host)
        const observer = yield* background(session.observe(cell))
        yield* session.shutdown
        assert.deepStrictEqual(say(yield* Fiber.join(observer)), ["Terminated"])
      }), { notifications: "deaf" })

    test("is what the end of the session's scope does", (host) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(Layer.fresh(implementation.layer(host.layer)), scope)
        const { session } = yield* run("yield_control(); tools.deaf(); while (true) {}", host).pipe(
          Effect.provideContext(context)
        )
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(yield* session.isAlive)
      }))
  })

  if (!implementation.extended) {
    return
  }

  describe(`${implementation.name}: extended`, () => {
    const create = Effect.fnUntraced(function*(source: string, host: ScriptedHost.ScriptedHost) {
      const session = yield* Runtime.SessionRuntime
      return { session, cell: yield* session.create(request(source, host)) }
    })

    const createPausable = Effect.fnUntraced(function*(source: string, host: ScriptedHost.ScriptedHost) {
      const session = yield* Runtime.SessionRuntime
      return { session, cell: yield* session.createPausable(request(source, host)) }
    })

    test("a cell goes on before anybody observes it", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create("await tools.block(); await tools.block(); text('done')", host)
        yield* host.called(1)
        yield* host.release(1)
        yield* host.called(2)
        yield* host.release(2)
        assert.strictEqual(yield* session.awaitSettled(cell.id), "Completed")
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "done"])
      }))

    test("creation does not wait for the cell, observation for its notifications", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create("notify('n')", host)
        yield* host.notified(1)
        const observer = yield* background(session.observe(cell))
        assert.isUndefined(observer.pollUnsafe())
        yield* host.deliver
        assert.deepStrictEqual(say(yield* Fiber.join(observer)), ["Completed"])
      }), { notifications: "cooperative" })

    test("a created cell can be terminated before anybody observes it", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create(forever, host)
        assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated"])
      }))

    test("a yield before the first observation keeps its boundary", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create(
          "text('before'); yield_control(); text('after'); await tools.block()",
          host
        )
        yield* host.called(1)
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Yielded", "before"])
        yield* host.release(1)
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "after"])
      }))

    test("concurrent and later creations with one key are one cell", (host) =>
      Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const keyed = { ...request(forever, host), idempotencyKey: "create-1" }
        const [a, b] = yield* Effect.all([session.create(keyed), session.create(keyed)], { concurrency: 2 })
        assert.strictEqual(a.id, b.id)
        assert.strictEqual((yield* session.create(keyed)).id, a.id)
        assert.lengthOf(yield* session.cells, 1)
        const wrong = yield* Effect.flip(session.createPausable(keyed))
        assert.strictEqual(wrong.message, `exec cell ${a.id} is continuing, expected pausable`)
        const conflict = yield* Effect.flip(session.create({ ...keyed, source: "text(1)" }))
        assert.strictEqual(conflict._tag, "IdempotencyConflict")
      }))

    test("an observation whose caller went away is replayed by its key", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create("await tools.block(); text('done')", host)
        const observe = session.observe(cell, { idempotencyKey: "observe-1" })
        const lost = yield* background(observe)
        yield* host.called(1)
        yield* Fiber.interrupt(lost)
        yield* host.release(1)
        assert.deepStrictEqual(say(yield* observe), ["Completed", "done"])
        assert.deepStrictEqual(say(yield* observe), ["Completed", "done"])
      }))

    test("a request that is tried again hears the first event, too", (host) =>
      Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const keyed = { ...request("await tools.block(); text('done')", host), idempotencyKey: "execute-1" }
        const first = yield* session.execute(keyed)
        const lost = yield* background(first.initial)
        yield* host.called(1)
        yield* Fiber.interrupt(lost)
        const again = yield* session.execute(keyed)
        assert.strictEqual(again.cell.id, first.cell.id)
        const both = yield* background(Effect.all([again.initial, first.initial], { concurrency: 2 }))
        yield* host.release(1)
        for (const event of yield* Fiber.join(both)) {
          assert.deepStrictEqual(say(event), ["Completed", "done"])
        }
      }))

    test("a first observation is replayed by its key", (host) =>
      Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const source = "await tools.block(); text('done')"
        const { cell, initial } = yield* session.execute(request(source, host), { idempotencyKey: "first-1" })
        const lost = yield* background(initial)
        yield* host.called(1)
        yield* Fiber.interrupt(lost)
        yield* host.release(1)
        const again = session.observe(cell, { idempotencyKey: "first-1" })
        assert.deepStrictEqual(say(yield* again), ["Completed", "done"])
        assert.deepStrictEqual(say(yield* again), ["Completed", "done"])
      }))

    test("ids differ between sessions", (host) =>
      Effect.gen(function*() {
        const { cell } = yield* create("text(1)", host)
        const { cell: other } = yield* create("text(1)", host).pipe(
          Effect.provide(implementation.layer(host.layer), { local: true })
        )
        assert.notStrictEqual(cell.id, other.id)
        assert.match(cell.id, /^[0-9abcdefghjkmnpqrstvwxyz]{16}$/)
      }))

    test("a pausable cell stands still until it is resumed, by exactly one", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* createPausable("await tools.block(); await tools.block(); text('done')", host)
        const first = yield* session.awaitFrontier(cell)
        assert(first._tag === "Frontier")
        assert.deepStrictEqual([first.generation, ...first.pendingToolCallIds], [1, "tool-1"])
        yield* host.release(1)
        assert.deepStrictEqual(yield* session.awaitFrontier(cell), first)
        const answers = yield* Effect.all([
          session.resume(cell, first.generation),
          session.resume(cell, first.generation)
        ], {
          concurrency: 2
        })
        assert.sameMembers([...answers], ["Resumed", "AlreadyRunning"])
        yield* host.called(2)
        const second = yield* session.awaitFrontier(cell)
        assert(second._tag === "Frontier")
        assert.deepStrictEqual([second.generation, ...second.pendingToolCallIds], [2, "tool-2"])
        assert.strictEqual(yield* session.resume(cell, first.generation), "AlreadyRunning")
        const invalid = yield* Effect.flip(session.resume(cell, Protocol.Generation.make(3)))
        assert.strictEqual(
          invalid.message,
          `exec cell ${cell.id} cannot resume generation 3; latest generation is 2`
        )
        yield* host.release(2)
        yield* session.resume(cell, second.generation)
        assert.deepStrictEqual(say(yield* drive(session, cell)), ["Completed", "done"])
      }))

    test("a frontier names the calls that have no answer", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* createPausable(
          "await Promise.all([tools.block(), tools.block()]); text('done')",
          host
        )
        const first = yield* session.awaitFrontier(cell)
        assert(first._tag === "Frontier")
        assert.deepStrictEqual([...first.pendingToolCallIds], ["tool-1", "tool-2"])
        yield* host.called(2)
        yield* host.release(1)
        yield* session.resume(cell, first.generation)
        const second = yield* untilPending(session, cell, 1)
        assert.deepStrictEqual([...second.pendingToolCallIds], ["tool-2"])
        yield* host.release(2)
        yield* session.resume(cell, second.generation)
        assert.deepStrictEqual(say(yield* drive(session, cell)), ["Completed", "done"])
      }))

    test("time stands still in a paused cell", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* createPausable(
          "setTimeout(() => tools.block(), 20); await Promise.all([tools.echo(1), tools.block()])",
          host
        )
        const first = yield* session.awaitFrontier(cell)
        assert(first._tag === "Frontier")
        assert.deepStrictEqual([...first.pendingToolCallIds], ["tool-1", "tool-2"])
        // By the clock of another cell of its lane, its timer was due.
        assert.deepStrictEqual(yield* text("await new Promise((resolve) => setTimeout(resolve, 50))", host), [
          "Completed"
        ])
        assert.deepStrictEqual(yield* session.awaitFrontier(cell), first)
        yield* host.called(1)
        yield* session.resume(cell, first.generation)
        yield* host.called(2)
      }))

    test("a termination repeats no frontier that was read", (host) =>
      Effect.gen(function*() {
        const { cell: read, session } = yield* createPausable(`text('a'); ${forever}`, host)
        assert.deepStrictEqual(say(yield* session.awaitFrontier(read)), ["Frontier", "a"])
        assert.deepStrictEqual(say(yield* session.terminate(read)), ["Terminated"])
        const { cell: unread } = yield* createPausable(`text('a'); tools.block(); ${forever}`, host)
        yield* Effect.repeat(session.cells, { until: (cells) => cells[0]?.status === "Paused" })
        assert.deepStrictEqual(say(yield* session.terminate(unread)), ["Terminated", "a"])
      }))

    test("an id does not bring a cell of the other kind", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create(forever, host)
        const { cell: other } = yield* createPausable(forever, host)
        assert.strictEqual((yield* Effect.flip(session.pausableCell(cell.id)))._tag, "WrongCellKind")
        assert.strictEqual((yield* Effect.flip(session.cell(other.id)))._tag, "WrongCellKind")
      }))

    test("a finished cell is told from an unknown one", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create("text(1)", host)
        yield* session.observe(cell)
        assert.deepInclude(yield* Effect.flip(session.observe(cell)), { _tag: "MissingCell", finished: true })
        const unknown = yield* Effect.flip(session.cell(Protocol.CellId.make("nope")))
        assert.deepInclude(unknown, { _tag: "MissingCell", finished: false })
      }))

    test("nobody needs to poll", (host) =>
      Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const settled = yield* background(session.events.pipe(
          Stream.filter((event) => event._tag === "Settled"),
          Stream.take(2),
          Stream.runCollect
        ))
        const { cell: fails } = yield* create("throw 'x'", host)
        assert.strictEqual(yield* session.awaitSettled(fails.id), "Failed")
        const { cell: done } = yield* create("text(1)", host)
        assert.strictEqual(yield* session.awaitSettled(done.id), "Completed")
        assert.deepStrictEqual(
          (yield* Fiber.join(settled)).map((event) => [event.cellId, event._tag === "Settled" && event.outcome]),
          [[fails.id, "Failed"], [done.id, "Completed"]]
        )
      }))

    test("a cell that can never go on is known to be stalled", (host) =>
      Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const stalled = yield* background(session.events.pipe(
          Stream.filter((event) => event._tag === "Stalled"),
          Stream.runHead
        ))
        const { cell: waiting } = yield* create("await tools.block()", host)
        yield* host.called(1)
        const { cell } = yield* create(forever, host)
        yield* Fiber.join(stalled)
        assert.deepStrictEqual(
          (yield* session.cells).map((live) => [live.cell.id, live.status]),
          [[waiting.id, "Running"], [cell.id, "Stalled"]]
        )
      }))

    test("output can be watched as it is made", (host) =>
      Effect.gen(function*() {
        const { cell, session } = yield* create("text(1); await tools.block(); text(2)", host)
        const watched: Array<string> = []
        const watcher = yield* background(
          Stream.runForEach(
            session.output(cell),
            (item) => Effect.sync(() => watched.push(...texts({ items: [item] })))
          )
        )
        yield* host.called(1)
        yield* Effect.repeat(Effect.yieldNow, { until: () => watched.length === 1 })
        yield* host.release(1)
        yield* Fiber.join(watcher)
        assert.deepStrictEqual(watched, ["1", "2"])
        assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "1", "2"])
      }))

    type Session = Runtime.SessionRuntime["Service"]

    /** Resumes a cell from frontier to frontier until it ends. */
    const drive = (session: Session, cell: Runtime.PausableCell) =>
      session.awaitFrontier(cell).pipe(
        Effect.tap((event) => event._tag === "Frontier" ? session.resume(cell, event.generation) : Effect.void),
        Effect.repeat({ until: (event) => event._tag !== "Frontier" })
      )

    /** Resumes a cell until a frontier has this many calls without an answer. */
    const untilPending = Effect.fnUntraced(function*(session: Session, cell: Runtime.PausableCell, count: number) {
      while (true) {
        const event = yield* session.awaitFrontier(cell)
        assert(event._tag === "Frontier")
        if (event.pendingToolCallIds.length === count) {
          return event
        }
        yield* session.resume(cell, event.generation)
      }
    })
  })
}
