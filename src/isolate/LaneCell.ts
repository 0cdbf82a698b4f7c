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
import type { IsolateEvent, IsolateHandle, Program } from "../Isolate.ts"
import { type CellError, IsolateFailure } from "../Protocol.ts"
import * as QueueWeight from "../session/QueueWeight.ts"
import * as Identifier from "../text/Identifier.ts"
import { Kind, maxPayload, type ProgramFrame } from "./Frames.ts"
import { Contract, maxEventBytes } from "./LaneMessage.ts"
import type { LaneProcess } from "./LaneProcess.ts"

const mebibyte = 1024 * 1024
const defaultHeapMebibytes = 256
const leastHeapMebibytes = 8

/** What an event takes beside its bytes, and what may wait for the listener of the cell, beside one event. */
const eventWeight = 256
const maxWaitingBytes = 64 * mebibyte

const tooLong = (what: string) => `${what} is longer than ${maxPayload / mebibyte} MiB`

const encodeProgram = (program: Program): string => {
  const frame: ProgramFrame = {
    source: program.source,
    tools: JSON.stringify(
      program.tools.map(({ description, name }) => ({ name: Identifier.fromName(name), description }))
    ),
    variadic: program.tools.flatMap(({ variadic = false }, place) => variadic ? [place] : []),
    stored: JSON.stringify([...program.stored]),
    pausable: program.pausable,
    contentTakesResults: program.contentTakesResults,
    locatesCalls: program.locatesCalls === true,
    heapMebibytes: program.maxHeapSizeBytes === 0
      ? defaultHeapMebibytes
      : Math.max(leastHeapMebibytes, Math.ceil(program.maxHeapSizeBytes / mebibyte)),
    maxPendingToolCalls: program.maxPendingToolCalls,
    maxPendingInputBytes: program.maxPendingInputBytes,
    maxEventBytes: maxEventBytes(program),
    deterministic: program.deterministic,
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
 * `findPlace` may throw. The cell is on its lane in the same step, so that the lane is never taken for one without cells.
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
  const contract = new Contract(program)
  const { cell, place, stop } = yield* Effect.try({
    try: () => open(findPlace(), events, contract, maxEventBytes(program)),
    catch: (cause) => new IsolateFailure({ text: `there is no lane for the cell: ${(cause as Error).message}`, cause })
  })
  const { lane } = place
  yield* lane.ready.pipe(
    Effect.andThen(Effect.suspend(() => onReady(lane))),
    Effect.andThen(Effect.suspend(() =>
      lane.start(cell, encodeProgram(program)) ? Effect.void : Effect.fail(
        new IsolateFailure({ text: tooLong("the program, with its tools and the stored values,") })
      )
    )),
    Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(stop))
  )

  /** Sends an answer to a call that waits for one. */
  const answer = (id: string, send: () => boolean, what: string) => {
    if (contract.answer(id) && !send()) {
      lane.send(cell, Kind.Reject, `${id} ${JSON.stringify(tooLong(what))}`)
    }
  }

  const handle: IsolateHandle = {
    events,
    isBusy: () => lane.isBusy(cell),
    isDegraded: place.isDegraded,
    resolve: (id, json) => answer(id, () => lane.send(cell, Kind.Resolve, `${id} `, json), "the result of the tool"),
    reject: (id, text) =>
      answer(id, () => lane.send(cell, Kind.Reject, `${id} ${JSON.stringify(text)}`), "the error of the tool"),
    hold: (isHeld) => void lane.send(cell, isHeld ? Kind.Hold : Kind.LetGo),
    resume: (turn) => {
      if (contract.resume()) {
        lane.send(cell, Kind.Resume, turn === undefined ? "" : JSON.stringify(turn))
      }
    },
    stop
  }
  return handle
})

const open = (
  place: Place,
  events: Queue.Queue<IsolateEvent, Cause.Done>,
  contract: Contract,
  maxEventBytes: number
) => {
  const { lane, onClose, onOpen } = place
  const weighIn = QueueWeight.make(events)

  const finish = (error: CellError) => Queue.offerUnsafe(events, { _tag: "Finished", stored: [], error })

  const stopAt = (text: string) => {
    finish({ _tag: "LimitExceeded", text })
    stop()
  }

  const onEvent = (json: Buffer): string | undefined => {
    const event = contract.read(json)
    switch (event._tag) {
      case "Broken":
        return event.what
      case "TooMuch":
        stopAt(event.text)
        return
      default:
        if (weighIn(json.length + eventWeight) > maxEventBytes + maxWaitingBytes) {
          stopAt("the cell said more at once than its host could take in")
          return
        }
        Queue.offerUnsafe(events, event)
        if (event._tag === "Finished") {
          close(true)
        }
    }
  }

  const cell = lane.open({
    maxEventBytes,
    onEvent,
    onLost: (error) => {
      if (error !== undefined) {
        finish(error)
      }
      close(true)
    }
  })
  const close = (hasEnded: boolean) => {
    lane.close(cell, hasEnded)
    Queue.endUnsafe(events)
    onClose(stop)
  }
  const stop = () => {
    lane.send(cell, Kind.Stop)
    close(false)
  }
  onOpen(stop)
  return { cell, place, stop }
}
