/**
 * What happened in a cell, call by call: what a timeline shows, and a trace.
 *
 * @internal
 */
import type { ActivityEvent, CallEvent, CellId, Settled } from "../../Protocol.ts"

type CallOutcome = Extract<CallEvent, { readonly _tag: "CallEnded" }>["outcome"]

/** From when to when, in milliseconds. */
export type Span = readonly [from: number, to: number]

/** A call that is over. */
export interface Call {
  readonly id: string
  readonly tool: string
  readonly outcome: CallOutcome
  /** From when it was made. */
  readonly span: Span
  /** When its tool began to work on it. */
  readonly started: number
  /** Its waits until a person agreed. */
  readonly approvals: ReadonlyArray<Span>
  readonly inputBytes: number
  readonly outputBytes: number
}

export interface CellRecord {
  readonly cellId: CellId
  readonly outcome: Settled | undefined
  readonly span: Span
  /** In the order of their ends. */
  readonly calls: ReadonlyArray<Call>
  /** How many are not among them. */
  readonly omitted: number
}

/** Calls that are kept. There may be any number. */
export const maxCalls = 100_000

interface Open {
  readonly started: number
  readonly queuedMillis: number
  readonly inputBytes: number
  readonly approvals: Array<Span>
  waitsSince: number | undefined
}

/** Hears of one cell. */
export class Recorder {
  private readonly open = new Map<string, Open>()
  private readonly calls: Array<Call> = []
  private readonly cellId: CellId
  private outcome: Settled | undefined
  private from = Number.POSITIVE_INFINITY
  private to = Number.NEGATIVE_INFINITY
  private omitted = 0

  constructor(cellId: CellId) {
    this.cellId = cellId
  }

  /** `now` is when it is heard, in milliseconds. */
  add(event: ActivityEvent, now: number): void {
    switch (event._tag) {
      case "Admitted":
        return this.extend(now)
      case "Settled":
        this.outcome = event.outcome
        return this.extend(now)
      case "CallStarted": {
        const { atMillis: started, inputBytes, queuedMillis, toolCallId } = event
        this.open.set(toolCallId, { started, queuedMillis, inputBytes, approvals: [], waitsSince: undefined })
        return this.extend(started - queuedMillis)
      }
      case "CallWaits": {
        const open = this.open.get(event.toolCallId)
        if (open !== undefined) {
          open.waitsSince = event.atMillis
        }
        return
      }
      case "CallGoesOn":
        return this.goOn(event.toolCallId, event.atMillis)
      case "CallEnded":
        return this.end(event)
      case "Stalled":
      case "Closed":
    }
  }

  toRecord(): CellRecord {
    const { calls, cellId, from, omitted, outcome, to } = this
    return { cellId, outcome, span: from > to ? [0, 0] : [from, to], calls, omitted }
  }

  private goOn(id: string, at: number): void {
    const open = this.open.get(id)
    if (open?.waitsSince !== undefined) {
      open.approvals.push([open.waitsSince, at])
      open.waitsSince = undefined
    }
  }

  private end(event: Extract<CallEvent, { readonly _tag: "CallEnded" }>): void {
    const { atMillis: at, outcome, outputBytes, queuedMillis, tool, toolCallId: id } = event
    this.goOn(id, at)
    const open = this.open.get(id)
    this.open.delete(id)
    const started = open?.started ?? at
    const from = started - (open?.queuedMillis ?? queuedMillis)
    this.extend(from)
    this.extend(at)
    if (this.calls.length >= maxCalls) {
      this.omitted++
      return
    }
    this.calls.push({
      id,
      tool,
      outcome,
      span: [from, at],
      started,
      approvals: open?.approvals ?? [],
      inputBytes: open?.inputBytes ?? 0,
      outputBytes
    })
  }

  private extend(at: number): void {
    this.from = Math.min(this.from, at)
    this.to = Math.max(this.to, at)
  }
}
