/**
 * What is counted, and under which names. Labels come from closed sets, so that there are never more than a few series.
 *
 * **Details**
 *
 * These are metrics of Effect: they cost an addition, and whoever wants them exports them. Names of counters have no
 * `_total`, as OpenTelemetry has them.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

type Labels = Readonly<Record<string, string>>

const name = (what: string) => `effect_code_mode_${what}`

const counter = (what: string, description: string, attributes?: Labels) =>
  Metric.counter(name(what), { description, attributes, incremental: true })

/** From a millisecond, in which a quick tool answers, to the minutes that a person may take to agree. */
const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

const seconds = (what: string, description: string, attributes?: Labels) =>
  Metric.histogram(name(`${what}_seconds`), { description, attributes: { ...attributes, unit: "s" }, boundaries })

/** A metric for each value of a label. */
const by = <const Value extends string, A>(values: ReadonlyArray<Value>, make: (value: Value) => A) =>
  Object.fromEntries(values.map((value) => [value, make(value)])) as { readonly [V in Value]: A }

const cellOutcomes = ["Completed", "Failed", "Terminated"] as const
const callOutcomes = ["Succeeded", "Failed", "Interrupted", "NotStarted"] as const
const kinds = ["function", "freeform"] as const
const waits = ["turn", "approval"] as const
const contents = ["source", "output", "notification", "input", "result"] as const
const replayOutcomes = ["Succeeded", "Failed", "Lost"] as const
const laneEnds = ["released", "killed", "crashed", "broken"] as const

/** How a cell has ended, and how a tool call has. */
export type CellOutcome = (typeof cellOutcomes)[number]
export type CallOutcome = (typeof callOutcomes)[number]

/** What a call has waited for. */
export type Wait = (typeof waits)[number]

/** What bytes are of: a cell's source, its output and its notifications, inputs and results of its calls. */
export type Content = (typeof contents)[number]

/** How a lane has ended: nothing needed it, it went past a bound, it ended by itself, or it broke its contract. */
export type LaneEnd = (typeof laneEnds)[number]

/** What came of a replay: the cell goes on, it did something else or took too long, or its isolate was lost. */
export type ReplayOutcome = (typeof replayOutcomes)[number]

const cells = by(cellOutcomes, (outcome) => counter("cells", "Cells that have ended, by how", { outcome }))
const liveCells = Metric.gauge(name("cells_live"), {
  description: "Cells that are there, those included whose outcome was not read"
})
const cellSeconds = by(
  cellOutcomes,
  (outcome) => seconds("cell_duration", "From when a cell is there until its outcome is final", { outcome })
)

const calls = by(
  kinds,
  (kind) =>
    by(
      callOutcomes,
      (outcome) => counter("calls", "Tool calls that are over, by the kind of the tool and by how", { kind, outcome })
    )
)
const callSeconds = by(
  kinds,
  (kind) =>
    by(
      callOutcomes,
      (outcome) =>
        seconds("call_duration", "How long tools have worked on calls, without what these have waited", {
          kind,
          outcome
        })
    )
)
const waitSeconds = by(
  waits,
  (wait) =>
    seconds("call_wait", "How long calls have waited for their turn, or until a person agreed, if they had to", {
      for: wait
    })
)

const bytes = by(
  contents,
  (content) => counter("bytes", "Bytes of what goes in and out of cells", { content, unit: "By" })
)

const lanesStarted = counter("lanes_started", "Processes for cells that were started")
const lanesEnded = by(laneEnds, (how) => counter("lanes_ended", "Processes for cells that have ended, by how", { how }))

const journalAppends = counter("journal_appends", "Records that were written to the journals of sessions")
const replays = by(
  replayOutcomes,
  (outcome) =>
    counter("replays", "Times that a cell was brought to where its journal ends, by what came of it", { outcome })
)

export const callbacksAbandoned = counter(
  "callbacks_abandoned",
  "Tool calls and notifications that were still running after their cancellation grace"
)

/** Counts where the metrics of a context are. */
export class Meter {
  private readonly context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  cellAdmitted(): void {
    liveCells.modifyUnsafe(1, this.context)
  }

  cellSettled(outcome: CellOutcome): void {
    cells[outcome].updateUnsafe(1, this.context)
  }

  cellClosed(): void {
    liveCells.modifyUnsafe(-1, this.context)
  }

  cellTook(outcome: CellOutcome, millis: number): void {
    cellSeconds[outcome].updateUnsafe(millis / 1000, this.context)
  }

  callEnded(kind: (typeof kinds)[number], outcome: CallOutcome, millis: number): void {
    calls[kind][outcome].updateUnsafe(1, this.context)
    callSeconds[kind][outcome].updateUnsafe(millis / 1000, this.context)
  }

  callWaited(wait: Wait, millis: number): void {
    waitSeconds[wait].updateUnsafe(millis / 1000, this.context)
  }

  moved(content: Content, count: number): void {
    bytes[content].updateUnsafe(count, this.context)
  }

  laneStarted(): void {
    lanesStarted.updateUnsafe(1, this.context)
  }

  laneEnded(how: LaneEnd): void {
    lanesEnded[how].updateUnsafe(1, this.context)
  }

  journalAppended(records: number): void {
    journalAppends.updateUnsafe(records, this.context)
  }

  replayed(outcome: ReplayOutcome): void {
    replays[outcome].updateUnsafe(1, this.context)
  }
}
