/** Bounds on text count bytes of UTF-8: a text of characters of three bytes meets them three times as early. */
import { assert, describe, it } from "@effect/vitest"
import type { IsolateEvent } from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { finished, layer, makeCell, notify, output, request, started, toolCallId } from "../session/TestSession.ts"

const limits = (limits: Partial<Protocol.Limits>) => Effect.provide(layer({ limits: Protocol.Limits.make(limits) }))

/** What a cell ends with after these events, if it ends. */
const endOf = Effect.fnUntraced(function*(...events: ReadonlyArray<IsolateEvent>) {
  const { cell, isolate, session } = yield* makeCell
  yield* isolate.emit(...events)
  const event = yield* session.observe(cell, { yieldAfter: 0 })
  return event._tag === "Completed" ? event.error?.text ?? "well" : event._tag
})

describe("bounds in bytes", () => {
  it.effect("of source", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      yield* session.create(request({ source: "語".repeat(4) }))
      const refused = yield* Effect.flip(session.create(request({ source: "語".repeat(5) })))
      assert.strictEqual(refused.message, "the source is longer than 12 bytes")
    }).pipe(limits({ maxSourceBytes: 12 })))

  it.effect("of unread output, and an item has 64 besides", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* endOf(output("語".repeat(100))), "Yielded")
      assert.strictEqual(
        yield* endOf(output("語".repeat(99), "é")),
        "the cell has put out more than 364 bytes that were not read"
      )
      assert.strictEqual(
        yield* endOf(output("語".repeat(101))),
        "the cell has put out more than 364 bytes that were not read"
      )
    }).pipe(limits({ maxUndeliveredOutputBytes: 364 })))

  it.effect("of unread output that stands before a yield, too", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("x".repeat(200)), { _tag: "YieldRequested" }, output("x".repeat(200)))
      const first = yield* session.observe(cell)
      const second = yield* session.observe(cell)
      assert.strictEqual(first._tag, "Yielded")
      assert.strictEqual(second._tag === "Completed" && second.error?._tag, "LimitExceeded")
    }).pipe(limits({ maxUndeliveredOutputBytes: 500 })))

  it.effect("of notifications", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* endOf(notify("語".repeat(101))),
        "the cell has notified more than 300 bytes that were not delivered"
      )
      assert.strictEqual(yield* endOf(notify("語".repeat(100))), "Yielded")
    }).pipe(limits({ maxUndeliveredOutputBytes: 300 })))

  it.effect("of stored values and their keys", () =>
    Effect.gen(function*() {
      const past = "the stored values of the session would exceed 20 bytes; this cell's are not kept"
      assert.strictEqual(yield* endOf(finished({ stored: [["語", "\"語語語語\""]] })), "well")
      assert.strictEqual(yield* endOf(finished({ stored: [["é", "1"], ["k", "22"]] })), past)
      // It takes the place of the first.
      assert.strictEqual(yield* endOf(finished({ stored: [["語", "\"語\""], ["語語", "1"]] })), "well")
      assert.strictEqual(yield* endOf(finished({ stored: [["語語", "1234567"]] })), past)
      const session = yield* Runtime.SessionRuntime
      assert.deepStrictEqual(yield* session.storedValues, { "語": "語", "語語": 1 })
    }).pipe(limits({ maxStoredBytes: 20 })))

  it.effect("of stored values hold for their parts, too", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* endOf(finished({ stored: [["k", `[${"[],".repeat(30_000)}0]`]] })),
        "the stored values of the session would consist of too many parts; this cell's are not kept"
      )
    }).pipe(limits({ maxStoredBytes: 2 ** 17 })))

  it.effect("of stored values hold for their number, too", () =>
    Effect.gen(function*() {
      const stored = Array.from({ length: 2 ** 18 + 1 }, (_, key) => [String(key), "1"] as const)
      assert.strictEqual(
        yield* endOf(finished({ stored })),
        "the stored values of the session would be more than 262144; this cell's are not kept"
      )
      assert.strictEqual(yield* endOf(finished({ stored: stored.slice(1) })), "well")
    }).pipe(limits({})))

  it.live("of output that a reader is behind", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const gate = yield* Deferred.make<void>()
      const reading = yield* Effect.forkChild(
        Stream.runForEach(session.output(cell), () => Deferred.await(gate)),
        { startImmediately: true }
      )
      const read = yield* Queue.unbounded<Protocol.OutputItem>()
      const quick = yield* Effect.forkChild(
        Stream.runForEach(session.output(cell), (item) => Queue.offer(read, item)),
        { startImmediately: true }
      )
      for (let count = 0; count < 10; count++) {
        yield* isolate.emit(output("語".repeat(100)))
        yield* session.observe(cell, { yieldAfter: 0 })
        yield* Queue.take(read)
      }
      yield* isolate.emit(finished())
      yield* Deferred.succeed(gate, undefined)
      const lagged = yield* Effect.flip(Fiber.join(reading))
      assert.strictEqual(lagged._tag, "Lagged")
      yield* Fiber.join(quick)
    }).pipe(limits({ maxUndeliveredOutputBytes: 1000 })))
})

describe("the input of a tool call", () => {
  it.effect("that is not JSON is an error of the call, and no bug", () =>
    Effect.gen(function*() {
      const { isolate } = yield* makeCell
      yield* isolate.emit(started, { _tag: "ToolCalls", calls: [{ id: toolCallId("tool-1"), tool: 0, input: "{{{" }] })
      assert.deepStrictEqual(isolate.commands, [
        { _tag: "Reject", id: toolCallId("tool-1"), text: "the input of the tool call is not JSON" }
      ])
    }).pipe(Effect.provide(layer({ invokeTool: () => Effect.succeed(1) }))))
})
