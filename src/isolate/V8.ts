/**
 * The default engine: V8 isolates in lane processes.
 *
 * **Details**
 *
 * Every lease has a lane of its own, a child process without any authority, which is killed when the lease's scope
 * closes. A cell gets a fresh isolate in it. What breaks a lane ends the cells of that lease, and its next cell gets a
 * fresh lane.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Identifier from "../internal/Identifier.ts"
import { Isolate, IsolateEvent, type IsolateHandle, type Lease, type Program } from "../Isolate.ts"
import { IsolateFailure } from "../Protocol.ts"
import { Kind, type ProgramFrame } from "./Frames.ts"
import * as LanePool from "./LanePool.ts"
import type * as LaneProcess from "./LaneProcess.ts"

const decodeEvent = Schema.decodeUnknownExit(Schema.fromJsonString(IsolateEvent))

const mebibyte = 1024 * 1024
const defaultHeapMebibytes = 256
const leastHeapMebibytes = 8

const encodeProgram = (program: Program): string => {
  const frame: ProgramFrame = {
    source: program.source,
    tools: JSON.stringify(
      program.tools.map(({ description, name }) => ({ name: Identifier.fromName(name), description }))
    ),
    stored: JSON.stringify([...program.stored]),
    pausable: program.pausable,
    heapMebibytes: program.maxHeapSizeBytes === 0
      ? defaultHeapMebibytes
      : Math.max(leastHeapMebibytes, Math.ceil(program.maxHeapSizeBytes / mebibyte)),
    maxPendingToolCalls: program.maxPendingToolCalls
  }
  return JSON.stringify(frame)
}

const startCell = Effect.fnUntraced(function*(lane: LaneProcess.LaneProcess, program: Program) {
  const events = yield* Queue.unbounded<IsolateEvent, Cause.Done>()

  const cell = lane.open({
    onEvent: (json) => {
      const event = decodeEvent(json)
      if (Exit.isFailure(event)) {
        return false
      }
      Queue.offerUnsafe(events, event.value)
      if (event.value._tag === "Finished") {
        close()
      }
      return true
    },
    onLost: () => close()
  })
  const close = () => {
    lane.close(cell)
    Queue.endUnsafe(events)
  }

  lane.send(cell, Kind.Start, encodeProgram(program))

  const handle: IsolateHandle = {
    events,
    resolve: (id, json) => lane.send(cell, Kind.Resolve, `${id} ${json}`),
    reject: (id, text) => lane.send(cell, Kind.Reject, `${id} ${JSON.stringify(text)}`),
    resume: () => lane.send(cell, Kind.Resume),
    stop: () => {
      lane.send(cell, Kind.Stop)
      close()
    }
  }
  return handle
})

const makeLease = Effect.fnUntraced(function*(pool: LanePool.LanePool) {
  // Of an old lane, cells may still be running while it takes no new ones.
  const lanes = new Set<LaneProcess.LaneProcess>()
  let current: LaneProcess.LaneProcess | undefined
  let announced: LaneProcess.LaneProcess | undefined
  let closed = false

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      lanes.forEach((lane) => lane.kill())
    })
  )

  const lane = Effect.try({
    try: () => {
      if (closed) {
        throw new Error("the lease is closed")
      }
      if (current?.isOpen() !== true) {
        current = pool.takeUnsafe()
        current.hold(true)
        lanes.add(current)
      }
      return current
    },
    catch: (cause) => new IsolateFailure({ text: "a lane process could not be started", cause })
  })

  const lease: Lease = {
    start: Effect.fnUntraced(function*(program) {
      const taken = yield* lane
      const user = yield* taken.ready
      if (announced !== taken) {
        announced = taken
        yield* Effect.logDebug(
          `code mode lane ${taken.pid} runs as ${user === undefined ? "its host's user" : `user ${user}`}`
        )
      }
      return yield* startCell(taken, program)
    })
  }
  return lease
})

/**
 * Makes the engine. `warmLanes` lanes wait for the next lease (one by default), each with `warmIsolates` isolates
 * that wait for the next cell (three by default).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: {
  readonly warmLanes?: number | undefined
  readonly warmIsolates?: number | undefined
}): Layer.Layer<Isolate> =>
  Layer.effect(
    Isolate,
    LanePool.make({ warmLanes: options?.warmLanes ?? 1, warmIsolates: options?.warmIsolates ?? 3 }).pipe(
      Effect.map((pool) => Isolate.of({ lease: makeLease(pool) }))
    )
  )
