/**
 * `--trace FILE` and `--timeline`: what happened in a cell, when it is over.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { CellId } from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import { type CellRecord, Recorder } from "../report/CellRecord.ts"
import * as ChromeTrace from "../report/ChromeTrace.ts"
import * as Timeline from "../report/Timeline.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as Failure from "./Failure.ts"
import * as PathFlag from "./PathFlag.ts"

export const flags = {
  timeline: Flag.Boolean("timeline").pipe(
    Flag.withDescription("Show a cell's tool calls as bars when it is over, on standard error"),
    Flag.withDefault(false)
  ),
  trace: PathFlag.make("trace").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write the cell's tool calls to this file, as a trace that Perfetto opens"),
    Flag.optional
  )
}

export interface Flags {
  readonly timeline: boolean
  readonly trace: Option.Option<string>
}

/** How long what a cell did last may take to be heard. */
const patience = "1 second"

const label = (path: string) => text`--trace ${foreign("trace that is written", path, "word")}`

/** A cell that cannot be traced is not begun. */
export const requireFile = ({ trace }: Pick<Flags, "trace">) =>
  Option.isNone(trace) ? Effect.void : Effect.mapError(
    AtomicFile.rehearse(trace.value),
    (error) => Failure.toStart(text`${label(trace.value)}: ${Failure.ofFile(error)}`)
  )

const write = (path: string, json: string) =>
  Effect.mapError(
    AtomicFile.replace(path, `${json}\n`),
    (error) => Failure.toCell(text`effect-code-mode: ${label(path)}: there is no trace: ${Failure.ofFile(error)}`)
  )

interface Heard {
  readonly recorder: Recorder
  readonly isOver: Latch.Latch
}

/** Hears of the cells of the session from now on. It gives what happened in one that is over, once. */
const listen = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const clock = yield* Clock.Clock
  const cells = new Map<CellId, Heard>()
  const hearing = yield* session.activity.pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        const { isOver, recorder } = getOrAdd(cells, event.cellId)
        recorder.add(event, Number(clock.currentTimeNanosUnsafe()) / 1e6)
        if (event._tag === "Closed") {
          isOver.openUnsafe()
        }
      })
    ),
    Effect.ignore,
    Effect.forkScoped({ startImmediately: true })
  )
  return {
    cells,
    take: Effect.fnUntraced(function*(id: CellId) {
      const { isOver, recorder } = getOrAdd(cells, id)
      yield* Effect.timeoutOption(Effect.raceFirst(isOver.await, Fiber.await(hearing)), patience)
      cells.delete(id)
      return recorder.toRecord()
    })
  }
})

const getOrAdd = (cells: Map<CellId, Heard>, id: CellId): Heard => {
  const heard = cells.get(id) ?? { recorder: new Recorder(id), isOver: Latch.makeUnsafe() }
  cells.set(id, heard)
  return heard
}

const tellTimeline = (record: CellRecord) => Printer.tell(Timeline.render(record, Printer.columns()))

/** Runs what runs one cell, and tells what happened, however that ends. */
export const during = <A, E, R>({ timeline, trace }: Flags, self: Effect.Effect<A, E, R>) =>
  timeline || Option.isSome(trace)
    ? Effect.scoped(Effect.gen(function*() {
      const { cells, take } = yield* listen
      const tell = Effect.gen(function*() {
        for (const id of cells.keys()) {
          const record = yield* take(id)
          if (timeline) {
            yield* tellTimeline(record)
          }
          if (Option.isSome(trace)) {
            yield* write(trace.value, ChromeTrace.toJson(record))
          }
        }
      })
      return yield* Effect.onExit(self, () => tell)
    }))
    : self

/** What shows the timeline of a cell that is over, if that is wanted, of a session that has no cells yet. */
export const timelines = ({ timeline }: Pick<Flags, "timeline">) =>
  timeline
    ? Effect.map(listen, ({ take }) => (id: CellId) => Effect.flatMap(take(id), tellTimeline))
    : Effect.succeed((_id: CellId) => Effect.void)
