/**
 * A cell on a lane, as the engine contract has it.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Identifier from "../internal/Identifier.ts"
import { IsolateEvent, type IsolateHandle, type Program } from "../Isolate.ts"
import { IsolateFailure } from "../Protocol.ts"
import { Kind, type ProgramFrame } from "./Frames.ts"
import type { LaneProcess } from "./LaneProcess.ts"

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
    maxPendingToolCalls: program.maxPendingToolCalls,
    ...(Duration.isFinite(program.maxCpuTime) ? { maxCpuMillis: Duration.toMillis(program.maxCpuTime) } : {})
  }
  return JSON.stringify(frame)
}

/**
 * Where a cell runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly lane: LaneProcess
  readonly isDegraded: () => boolean
  /** The cell is there; `stop` ends it. */
  readonly onOpen: (stop: () => void) => void
  readonly onClose: (stop: () => void) => void
}

/**
 * Starts a program. Interrupted, it leaves nothing behind.
 *
 * `findPlace` may throw. The cell is on its lane in the same step, so that nobody takes the lane for one without cells.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function*(
  program: Program,
  findPlace: () => Place,
  onReady: (lane: LaneProcess) => Effect.Effect<void>
) {
  const events = yield* Queue.unbounded<IsolateEvent, Cause.Done>()
  const { cell, place, stop } = yield* Effect.try({
    try: () => open(findPlace(), events),
    catch: (cause) => new IsolateFailure({ text: `there is no lane for the cell: ${(cause as Error).message}`, cause })
  })
  const { lane } = place
  yield* lane.ready.pipe(
    Effect.andThen(Effect.suspend(() => onReady(lane))),
    Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(stop))
  )
  lane.start(cell, encodeProgram(program))

  const handle: IsolateHandle = {
    events,
    isBusy: () => lane.isBusy(cell),
    isDegraded: place.isDegraded,
    resolve: (id, json) => lane.send(cell, Kind.Resolve, `${id} ${json}`),
    reject: (id, text) => lane.send(cell, Kind.Reject, `${id} ${JSON.stringify(text)}`),
    resume: () => lane.send(cell, Kind.Resume),
    stop
  }
  return handle
})

const open = (place: Place, events: Queue.Queue<IsolateEvent, Cause.Done>) => {
  const { lane, onClose, onOpen } = place
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
    onLost: (limit) => {
      if (limit !== undefined) {
        Queue.offerUnsafe(events, { _tag: "Finished", stored: [], error: { _tag: "LimitExceeded", text: limit } })
      }
      close()
    }
  })
  const close = () => {
    lane.close(cell)
    Queue.endUnsafe(events)
    onClose(stop)
  }
  const stop = () => {
    lane.send(cell, Kind.Stop)
    close()
  }
  onOpen(stop)
  return { cell, place, stop }
}
