/** What a host bears of a lane that does not listen, or of a cell that nobody hears. */
import { assert, describe, it } from "@effect/vitest"
import { Kind, maxPayload } from "effect-code-mode/isolate/Frames"
import * as LaneCell from "effect-code-mode/isolate/LaneCell"
import * as LaneProcess from "effect-code-mode/isolate/LaneProcess"
import type { CellError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { afterEach, vi } from "vitest"
import * as MemoryLane from "./forged/MemoryLane.ts"
import { encode } from "./forged/Script.ts"
import { program } from "./harness.ts"

afterEach(() => {
  vi.useRealTimers()
})

const mebibyte = 2 ** 20

/** A lane that is up, with one cell that runs. */
const startLane = Effect.fnUntraced(function*() {
  const { child, isKilled, socket } = MemoryLane.make()
  const broken: Array<string> = []
  const lane = LaneProcess.make(child, {
    killAfterMillis: 1000,
    findLimit: () => undefined,
    onGone: () => {},
    onBroken: (what) => broken.push(what)
  })
  socket.write(MemoryLane.ready)
  yield* lane.ready
  return { lane, child, socket, isKilled, broken }
})

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("a lane that says over and over that a cell is busy", () => {
  it.live("does not make its host look at its threads each time", () =>
    Effect.gen(function*() {
      const { broken, child, lane, socket } = yield* startLane()
      const looks = vi.spyOn(child, "favourBridge")
      const cell = lane.open({ maxEventBytes: 100, onEvent: () => undefined, onLost: () => {} })
      lane.start(cell, "")
      vi.useFakeTimers({ toFake: ["performance"] })
      const say = (kind: number) => encode(kind, cell, Buffer.alloc(0))
      socket.write(Buffer.concat(Array.from({ length: 1000 }, () => [say(Kind.Busy), say(Kind.Idle)]).flat()))
      yield* turn
      assert.strictEqual(looks.mock.calls.length, 1)
      vi.advanceTimersByTime(100)
      socket.write(say(Kind.Busy))
      yield* turn
      assert.strictEqual(looks.mock.calls.length, 2)
      assert.isTrue(lane.isBusy(cell))
      assert.deepStrictEqual(broken, [])
      lane.kill()
    }))
})

describe("a lane that does not read", () => {
  it.live("is not heard until it has, and goes on then", () =>
    Effect.gen(function*() {
      const { broken, child, isKilled, lane, socket } = yield* startLane()
      const heard: Array<string> = []
      const cell = lane.open({
        maxEventBytes: 100,
        onEvent: (json) => void heard.push(json.toString()),
        onLost: () => {}
      })
      lane.start(cell, "")
      lane.send(cell, Kind.Resolve, "x".repeat(20 * mebibyte))
      yield* turn
      assert.isTrue(child.socket.isPaused())
      socket.write(MemoryLane.eventOf(cell, "late"))
      yield* turn
      assert.deepStrictEqual(heard, [])
      socket.resume()
      yield* Effect.promise(() => vi.waitFor(() => assert.deepStrictEqual(heard, ["\"late\""])))
      assert.deepStrictEqual([isKilled(), broken], [false, []])
      lane.kill()
    }))

  it.live("is ended once it had time to", () =>
    Effect.gen(function*() {
      const { broken, isKilled, lane } = yield* startLane()
      const lost: Array<CellError | undefined> = []
      const cell = lane.open({ maxEventBytes: 100, onEvent: () => undefined, onLost: (error) => lost.push(error) })
      lane.start(cell, "")
      yield* turn
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
      lane.send(cell, Kind.Resolve, "x".repeat(20 * mebibyte))
      yield* Effect.promise(() => Promise.resolve())
      vi.advanceTimersByTime(29_999)
      assert.isFalse(isKilled())
      vi.advanceTimersByTime(1)
      assert.isTrue(isKilled())
      assert.deepStrictEqual(broken, ["it does not read what it is told"])
      assert.deepStrictEqual(lost, [
        { _tag: "IsolateLost", text: "the lane broke its contract: it does not read what it is told" }
      ])
    }))

  it.live("is ended at once where too much waits for it", () =>
    Effect.gen(function*() {
      const { broken, child, isKilled, lane } = yield* startLane()
      const lost: Array<CellError | undefined> = []
      const cell = lane.open({ maxEventBytes: 100, onEvent: () => undefined, onLost: (error) => lost.push(error) })
      lane.start(cell, "")
      vi.spyOn(child.socket, "writableLength", "get").mockReturnValue(2 * maxPayload + 1)
      lane.send(cell, Kind.Resolve, "tool-1 1")
      yield* turn
      assert.isTrue(isKilled())
      assert.deepStrictEqual(broken, [])
      assert.strictEqual(lost[0]?._tag, "LimitExceeded")
      assert.match(lost[0]?.text ?? "", /more than 512 MiB/)
    }))
})

describe("a lane with a cell that ends late", () => {
  const start = Effect.gen(function*() {
    const { isKilled, lane, socket } = yield* startLane()
    const open = () => lane.open({ maxEventBytes: 100, onEvent: () => undefined, onLost: () => {} })
    const late = open()
    lane.start(late, "")
    lane.start(open(), "")
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    lane.close(late, false)
    vi.advanceTimersByTime(1000)
    assert.isFalse(lane.isOpen())
    const end = Effect.andThen(Effect.sync(() => socket.write(encode(Kind.Left, late, Buffer.alloc(0)))), turn)
    return { end, isKilled, lane }
  })

  it.live("goes on with the others once it has", () =>
    Effect.gen(function*() {
      const { end, isKilled, lane } = yield* start
      vi.advanceTimersByTime(4999)
      yield* end
      assert.isTrue(lane.isOpen())
      vi.advanceTimersByTime(60_000)
      assert.isFalse(isKilled())
      lane.kill()
    }))

  it.live("is killed with the others where it does not", () =>
    Effect.gen(function*() {
      const { isKilled } = yield* start
      vi.advanceTimersByTime(4999)
      assert.isFalse(isKilled())
      vi.advanceTimersByTime(1)
      assert.isTrue(isKilled())
    }))
})

describe("what a cell is told", () => {
  it.live("is an error where the result of its tool is too long", () =>
    Effect.gen(function*() {
      const { lane, socket } = yield* startLane()
      const told: Array<string> = []
      socket.on("data", (bytes: Buffer) => told.push(bytes.toString("latin1")))
      const handle = yield* LaneCell.start(
        program(""),
        () => ({ lane, isDegraded: () => false, onOpen: () => {}, onClose: () => {} }),
        () => Effect.void
      )
      socket.write(MemoryLane.eventOf(1, { _tag: "Started" }))
      socket.write(MemoryLane.eventOf(1, { _tag: "ToolCalls", calls: [{ id: "tool-1", tool: 0 }] }))
      yield* Queue.take(handle.events)
      const event = yield* Queue.take(handle.events)
      assert(event._tag === "ToolCalls")
      handle.resolve(event.calls[0]!.id, "1".repeat(maxPayload))
      yield* Effect.promise(() =>
        vi.waitFor(() => assert.include(told.join(""), "tool-1 \"the result of the tool is longer than 256 MiB\""))
      )
      handle.stop()
      lane.kill()
    }))
})

describe("a cell that nobody hears", () => {
  it.live("ends at a bound of what waits", () =>
    Effect.gen(function*() {
      const { broken, isKilled, lane, socket } = yield* startLane()
      const handle = yield* LaneCell.start(
        program("", { maxOutputBytes: mebibyte, maxPendingInputBytes: mebibyte, maxStoredBytes: mebibyte }),
        () => ({ lane, isDegraded: () => false, onOpen: () => {}, onClose: () => {} }),
        () => Effect.void
      )
      socket.write(MemoryLane.eventOf(1, { _tag: "Started" }))
      const event = MemoryLane.eventOf(1, { _tag: "Notify", text: "x".repeat(4 * mebibyte) })
      for (let count = 0; count < 20; count++) {
        yield* Effect.promise(() => new Promise((resolve) => socket.write(event, resolve)))
      }
      yield* turn
      const events = yield* Queue.collect(handle.events)
      assert.deepStrictEqual(events.at(-1), {
        _tag: "Finished",
        stored: [],
        error: { _tag: "LimitExceeded", text: "the cell said more at once than its host could take in" }
      })
      assert.strictEqual(events.filter((event) => event._tag === "Notify").length, 17)
      assert.deepStrictEqual([isKilled(), broken], [false, []])
      lane.kill()
    }))

  it.live("does not end where somebody does, however much it says", () =>
    Effect.gen(function*() {
      const { lane, socket } = yield* startLane()
      const handle = yield* LaneCell.start(
        program("", { maxOutputBytes: mebibyte, maxPendingInputBytes: mebibyte, maxStoredBytes: mebibyte }),
        () => ({ lane, isDegraded: () => false, onOpen: () => {}, onClose: () => {} }),
        () => Effect.void
      )
      socket.write(MemoryLane.eventOf(1, { _tag: "Started" }))
      const event = MemoryLane.eventOf(1, { _tag: "Notify", text: "x".repeat(4 * mebibyte) })
      yield* Queue.take(handle.events)
      for (let count = 0; count < 20; count++) {
        socket.write(event)
        assert.strictEqual((yield* Queue.take(handle.events))._tag, "Notify")
      }
      handle.stop()
      lane.kill()
    }))
})
