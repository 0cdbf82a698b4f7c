/**
 * A cell and its calls as a trace in the format of Chrome, which Perfetto and `chrome://tracing` open. Ids, tools, outcomes,
 * times and sizes are in it, and no values.
 *
 * @internal
 */
import type { Call, CellRecord, Span } from "./CellRecord.ts"

/** A slice, or a name for what has slices. Times are microseconds. */
interface Event {
  readonly ph: "X" | "M"
  readonly name: string
  readonly pid: number
  readonly tid: number
  readonly cat?: string
  readonly ts?: number
  readonly dur?: number
  readonly args: Readonly<{ [name: string]: string | number }>
}

const pid = 1

/** The cell's own. */
const cellTrack = 0

/** Slices of one track nest or follow each other: what runs at the same time has tracks of its own. */
const tracksOf = (calls: ReadonlyArray<Call>): ReadonlyMap<Call, number> => {
  const byBegin = calls.toSorted((a, b) => a.span[0] - b.span[0])
  const byEnd = calls.toSorted((a, b) => a.span[1] - b.span[1])
  const tracks = new Map<Call, number>()
  const free: Array<number> = []
  let last = cellTrack
  let ended = 0
  for (const call of byBegin) {
    // One that took no time is no earlier than itself.
    while (ended < byEnd.length && byEnd[ended]!.span[1] <= call.span[0] && tracks.has(byEnd[ended]!)) {
      free.push(tracks.get(byEnd[ended++]!)!)
    }
    tracks.set(call, free.pop() ?? ++last)
  }
  return tracks
}

export const toJson = (record: CellRecord): string => {
  const [began] = record.span
  const micros = (millis: number) => Math.round(millis * 1000)
  const slice = (
    name: string,
    cat: string,
    [from, to]: Span,
    tid: number,
    args: Event["args"] = {}
  ): Event => ({
    ph: "X",
    name,
    cat,
    pid,
    tid,
    ts: micros(from - began),
    dur: micros(to - began) - micros(from - began),
    args
  })
  const named = (name: string, tid: number, value: string): Event => ({
    ph: "M",
    name,
    pid,
    tid,
    args: { name: value }
  })
  const tracks = tracksOf(record.calls)
  const last = Math.max(cellTrack, ...new Set(tracks.values()))
  const events: ReadonlyArray<Event> = [
    named("process_name", cellTrack, "effect-code-mode"),
    named("thread_name", cellTrack, "cell"),
    ...Array.from({ length: last }, (_, index) => named("thread_name", index + 1, `calls ${index + 1}`)),
    slice(`cell ${record.cellId}`, "cell", record.span, cellTrack, {
      outcome: record.outcome ?? "unknown",
      calls: record.calls.length + record.omitted
    }),
    ...record.calls.flatMap((call) => {
      const track = tracks.get(call)!
      const { approvals, id, inputBytes, outcome, outputBytes, span: [from, to], started, tool } = call
      return [
        slice(tool, "call", [from, to], track, { id, outcome, inputBytes, outputBytes }),
        ...(started > from ? [slice("waits for its turn", "wait", [from, started], track)] : []),
        ...approvals.map((approval) => slice("waits for an approval", "wait", approval, track))
      ]
    })
  ]
  return JSON.stringify({
    displayTimeUnit: "ms",
    ...(record.omitted > 0 ? { otherData: { omittedCalls: record.omitted } } : {}),
    traceEvents: events
  })
}
