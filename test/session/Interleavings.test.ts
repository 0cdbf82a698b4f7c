import { assert, describe, it } from "@effect/vitest"
import type * as Isolate from "effect-code-mode/Isolate"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { calls, finished, layer, makeCell, notify, output, texts, yieldRequested } from "./TestSession.ts"

/**
 * Everything that can happen to two cells of one session, in any order. A cell whose isolate has ended, or been told to
 * stop, says nothing more.
 */
const Operation = Schema.Struct({
  cell: Schema.Literals([0, 1]),
  what: Schema.Literals([
    "output",
    "output",
    "tool call",
    "deaf tool call",
    "notification",
    "deaf notification",
    "yield_control",
    "finish",
    "observe",
    "observe briefly",
    "interrupt the observer",
    "terminate",
    "interrupt the terminator",
    "settle a callback",
    "a little later",
    "much later"
  ])
})
const Operations = Schema.Array(Operation).check(Schema.isMaxLength(24))

const deafAndNot = (name: string, gate: Effect.Effect<null>) =>
  name.startsWith("deaf") ? Effect.uninterruptible(gate) : gate

/** A session with a host whose callbacks wait until the test settles them. */
const makeHost = () => {
  const gates: Array<Deferred.Deferred<null>> = []
  const wait = (name: string) =>
    Effect.suspend(() => {
      const gate = Deferred.makeUnsafe<null>()
      gates.push(gate)
      return deafAndNot(name, Deferred.await(gate))
    })
  return {
    gates,
    layer: layer({
      invokeTool: ({ toolCallId }) => wait(toolCallId),
      notify: ({ text }) => Effect.asVoid(wait(text))
    })
  }
}

interface Watched {
  readonly cell: Runtime.Cell
  readonly isolate: Isolate.TestIsolate
  readonly made: Array<string>
  readonly heard: Array<string>
  readonly outcomes: Array<Protocol.Outcome["_tag"]>
  observer: Fiber.Fiber<unknown, unknown> | undefined
  terminator: Fiber.Fiber<unknown, unknown> | undefined
  terminates: number
}

/** The steps of a cell with those of its calls between them: each call starts at most once, and ends once. */
const assertActivity = (
  activity: ReadonlyArray<Protocol.ActivityEvent>,
  lifecycle: ReadonlyArray<Protocol.LifecycleEvent>
) => {
  const isOfCall = (event: Protocol.ActivityEvent): event is Protocol.CallEvent => "toolCallId" in event
  const steps = activity.filter((event) => !isOfCall(event) && event._tag !== "Stalled")
  assert.deepStrictEqual(steps, lifecycle, "both streams say the same of the cell")
  const ofCalls = activity.filter(isOfCall)
  assert.deepStrictEqual(
    activity.slice(0, activity.findIndex(({ _tag }) => _tag === "Settled")).filter(isOfCall),
    ofCalls,
    "calls are over when the cell is"
  )
  const open: Array<string> = []
  for (const event of ofCalls) {
    if (event._tag === "CallStarted") {
      open.push(event.toolCallId)
    } else if (event._tag === "CallEnded") {
      const at = open.indexOf(event.toolCallId)
      assert.isTrue(at >= 0, "what ends has started")
      open.splice(at, 1)
    }
  }
  assert.deepStrictEqual(open, [], "every call ends")
}

const play = Effect.fnUntraced(function*(operations: typeof Operations.Type) {
  const host = makeHost()
  yield* Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const lifecycle: Array<Protocol.LifecycleEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(session.events, (event) => Effect.sync(() => lifecycle.push(event))),
      { startImmediately: true }
    )
    const activity: Array<Protocol.ActivityEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(session.activity, (event) => Effect.sync(() => activity.push(event))),
      { startImmediately: true }
    )
    const watched: Array<Watched> = []
    for (let index = 0; index < 2; index++) {
      const { cell, isolate } = yield* makeCell
      watched.push({
        cell,
        isolate,
        made: [],
        heard: [],
        outcomes: [],
        observer: undefined,
        terminator: undefined,
        terminates: 0
      })
    }

    /** Runs an observation or termination in the background and notes what it hears. */
    const listen = (to: Watched, effect: Effect.Effect<Protocol.CellEvent, unknown>) =>
      Effect.forkChild(
        Effect.tap(effect, (event) =>
          Effect.sync(() => {
            // Observer and terminator hear one and the same outcome.
            if (event._tag === "Yielded" || to.outcomes.length === 0) {
              to.heard.push(...texts(event))
            }
            if (event._tag !== "Yielded") {
              to.outcomes.push(event._tag)
            }
          })),
        { startImmediately: true }
      )

    for (const { cell: index, what } of operations) {
      const to = watched[index]!
      const says = (event: Isolate.IsolateEvent) => to.isolate.emit(event)
      switch (what) {
        case "output": {
          const accepts = !to.isolate.commands.some(({ _tag }) => _tag === "Stop") && !to.made.includes("end")
          const text = `${index}-${to.made.length}`
          if (accepts) {
            to.made.push(text)
          }
          yield* says(output(accepts ? text : "output after the end"))
          break
        }
        case "tool call":
          yield* says(calls(`tool-${to.made.length}-${host.gates.length}`))
          break
        case "deaf tool call":
          yield* says(calls(`deaf-${to.made.length}-${host.gates.length}`))
          break
        case "notification":
          yield* says(notify("n"))
          break
        case "deaf notification":
          yield* says(notify("deaf"))
          break
        case "yield_control":
          yield* says(yieldRequested)
          break
        case "finish": {
          if (!to.made.includes("end") && !to.isolate.commands.some(({ _tag }) => _tag === "Stop")) {
            to.made.push("end")
          }
          yield* says(finished({ stored: [[`key-${index}`, "1"]] }))
          break
        }
        case "observe":
        case "observe briefly": {
          const busy = to.observer !== undefined && to.observer.pollUnsafe() === undefined
          const observer = yield* listen(
            to,
            session.observe(to.cell, what === "observe" ? {} : { yieldAfter: "10 millis" })
          )
          if (!busy) {
            to.observer = observer
          }
          break
        }
        case "interrupt the observer":
          yield* to.observer === undefined ? Effect.void : Fiber.interrupt(to.observer)
          break
        case "terminate": {
          const terminator = yield* listen(to, session.terminate(to.cell))
          to.terminator ??= terminator
          to.terminates++
          break
        }
        case "interrupt the terminator":
          yield* to.terminator === undefined ? Effect.void : Fiber.interrupt(to.terminator)
          break
        case "settle a callback": {
          const gate = host.gates.shift()
          yield* gate === undefined ? Effect.void : Deferred.succeed(gate, null)
          break
        }
        case "a little later":
          yield* TestClock.adjust(10)
          break
        case "much later":
          yield* TestClock.adjust("61 seconds")
          break
      }
    }

    // Whatever happened: what is asked of a cell now is answered within the grace and the delivery bound.
    for (const to of watched) {
      if (to.outcomes.length === 0) {
        yield* listen(to, session.terminate(to.cell))
      }
    }
    yield* TestClock.adjust(100)
    for (const to of watched) {
      if (to.outcomes.length === 0) {
        yield* listen(to, session.observe(to.cell))
      }
      const made = to.made.filter((text) => text !== "end")
      assert.deepStrictEqual(to.heard, made, "every item is heard once, in order")
      assert.isAbove(to.outcomes.length, 0, "the cell has an outcome")
      assert.lengthOf(new Set(to.outcomes), 1, "and only one")
      const of = lifecycle.filter((event) => event.cellId === to.cell.id && event._tag !== "Stalled")
      assert.deepStrictEqual(of.map((event) => event._tag), ["Admitted", "Settled", "Closed"])
      assertActivity(activity.filter((event) => event.cellId === to.cell.id), of)
      if (to.terminates === 0 && to.made.includes("end") && to.outcomes[0] === "Completed") {
        const { isolate: later } = yield* makeCell
        assert.isTrue(
          later.program.stored.has(`key-${watched.indexOf(to)}`),
          "the values of a completed cell are visible"
        )
      }
      if (to.outcomes[0] === "Terminated") {
        const { isolate: later } = yield* makeCell
        assert.isFalse(
          later.program.stored.has(`key-${watched.indexOf(to)}`),
          "the values of a terminated cell are not"
        )
      }
    }
    assert.isTrue(
      (yield* session.cells).every((live) => !watched.some((to) => to.cell.id === live.cell.id)),
      "nothing of a cell that was read is left"
    )
    const closing: Fiber.Fiber<void> = yield* Effect.forkChild(session.shutdown, { startImmediately: true })
    yield* TestClock.adjust(100)
    const exit: Exit.Exit<void> | undefined = closing.pollUnsafe()
    assert.isDefined(exit, "shutdown is done after the grace")
  }).pipe(Effect.provide(host.layer, { local: true }), Effect.scoped)
})

describe("any interleaving", () => {
  it.effect.prop(
    "of what two cells, their host and their observers do keeps the session whole",
    [Operations],
    ([operations]) => play(operations),
    { arbitrary: { runs: 500, seed: 20_261_122 }, timeout: 60_000 }
  )
})
