/**
 * What a journal tells of a session: how its cells stand, what its observers have heard, which values it has.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { CellEvent, CellId, Ledger, OutputItem, ToolCallId, ToolCallState, ToolDefinition } from "../Protocol.ts"
import * as CellPhase from "../session/CellPhase.ts"
import type { Restored } from "../session/Keeper.ts"
import * as Outbox from "../session/Outbox.ts"
import type { Record } from "../Store.ts"

export type Of<Tag extends Record["_tag"]> = Extract<Record, { readonly _tag: Tag }>

export type Created = Of<"Created">
export type Answer = Of<"Answered">["answer"]

/** A tool call, as far as the journal tells. */
export interface Call {
  readonly id: ToolCallId
  readonly tool: number
  readonly input: string | undefined
  /** The attempts that have begun. */
  attempt: number
  /** Whether it waits for an approval, and its tool has not begun. */
  isAsked: boolean
  answer: Answer | undefined
  /** Its place among the answers. */
  answeredAt: number
  /** Whether the script has the answer. */
  isGiven: boolean
}

/** An event that can be had again. */
export interface Kept {
  readonly key: string | undefined
  readonly cellId: CellId
  readonly wait: Duration.Duration
  readonly event: CellEvent
}

/** Who has heard how much of a cell's output. */
export class Hearing {
  /** Items of output that are heard. */
  heard = 0
  isObserved = false
  /** The frontier that was heard, and the items up to it. They count as heard once the cell goes on from there. */
  pause: { readonly generation: number; readonly to: number } | undefined

  goesOn(): void {
    this.heard = this.pause?.to ?? this.heard
    this.pause = undefined
  }

  hears(event: Of<"Heard">["event"], to: number): void {
    this.isObserved = true
    if (event._tag === "Frontier") {
      this.pause = { generation: event.generation, to }
    } else {
      this.heard = to
      this.pause = undefined
    }
  }
}

/** One cell. */
export class CellHistory {
  readonly created: Created
  readonly items: Array<OutputItem> = []
  readonly calls = new Map<ToolCallId, Call>()
  /** Notifications that have not arrived. */
  readonly undelivered = new Map<number, string>()
  readonly hearing = new Hearing()
  notified = 0
  turn = 0
  /** The time of its last turn. */
  at: number
  generation = 0
  /** Where it stands, unless it goes on. */
  frontier: Of<"Frontier"> | undefined
  isResumed = false
  private answers = 0
  outcome: Of<"Settled">["outcome"] | undefined
  isClosed = false
  /** Items that stood before the first yield that its script asked for. */
  private yieldedAt: number | undefined

  constructor(created: Created) {
    this.created = created
    this.at = created.at
  }

  get id(): CellId {
    return this.created.cellId
  }

  /** Notes a record, and gives an event that can be had again. */
  add(record: Record): Kept | undefined {
    switch (record._tag) {
      case "Turn":
        this.turn = record.turn
        this.at = record.at
        this.frontier = undefined
        if (record.cause._tag === "Answers") {
          for (const id of record.cause.calls) {
            const call = this.calls.get(id)
            if (call !== undefined) {
              call.isGiven = true
            }
          }
        }
        return
      case "Called":
        this.calls.set(record.call, {
          id: record.call,
          tool: record.tool,
          input: record.input,
          attempt: 1,
          isAsked: false,
          answer: undefined,
          answeredAt: Infinity,
          isGiven: false
        })
        return
      case "Asked":
        this.change(record.call, { isAsked: true })
        return
      case "Attempted":
        this.change(record.call, { attempt: record.attempt, isAsked: false })
        return
      case "Answered":
        this.change(record.call, { answer: record.answer, answeredAt: ++this.answers })
        return
      case "Output":
        // Not by spreading: there may be more than a call takes as arguments.
        record.items.forEach((item) => this.items.push(item))
        return
      case "Yielded":
        if (!this.hearing.isObserved) {
          this.yieldedAt ??= this.items.length
        }
        return
      case "Notified":
        this.notified = record.number
        this.undelivered.set(record.number, record.text)
        return
      case "Delivered":
        this.undelivered.delete(record.number)
        return
      case "Frontier":
        this.frontier = record
        if (record.generation !== undefined) {
          this.generation = record.generation
          this.isResumed = false
        }
        return
      case "Resumed":
        this.isResumed = true
        this.hearing.goesOn()
        return
      case "Heard":
        return this.hear(record)
      case "Settled":
        this.outcome = record.outcome
    }
  }

  private change(id: ToolCallId, change: Partial<Call>): void {
    const call = this.calls.get(id)
    if (call !== undefined) {
      Object.assign(call, change)
    }
  }

  private hear({ event, first, from, key, to, wait }: Of<"Heard">): Kept | undefined {
    this.hearing.hears(event, to)
    this.isClosed ||= event._tag === "Ended"
    if (this.yieldedAt !== undefined && to >= this.yieldedAt) {
      this.yieldedAt = undefined
    }
    if ((key === undefined && first !== true) || event._tag === "Frontier") {
      return
    }
    return {
      key,
      cellId: this.id,
      wait: wait === undefined ? Duration.infinity : Duration.millis(wait),
      event: this.toEvent(event, this.items.slice(from, to))
    }
  }

  private toEvent(
    event: Exclude<Of<"Heard">["event"], { readonly _tag: "Frontier" }>,
    items: ReadonlyArray<OutputItem>
  ): CellEvent {
    return event._tag === "Yielded"
      ? { ...event, cellId: this.id, items }
      : this.outcome?._tag === "Completed"
      ? { ...this.outcome, cellId: this.id, items }
      : { _tag: "Terminated", cellId: this.id, items }
  }

  /** What the session is to know of the cell. `ledger` is for one that has ended: the journal was read without its calls. */
  toRestored(tools: ReadonlyArray<ToolDefinition>, ledger: NonNullable<Restored["ledger"]>): Restored {
    const hasEnded = this.outcome !== undefined
    return {
      state: this.toState(),
      calls: hasEnded ? [] : this.toCalls(tools),
      ledger: hasEnded ? ledger : undefined,
      notified: this.notified
    }
  }

  private toState(): CellPhase.State {
    const { heard, isObserved, pause } = this.hearing
    const box = (from: number, to?: number) => Outbox.append(Outbox.empty, this.items.slice(from, to))
    const boundary = this.yieldedAt === undefined || this.yieldedAt < heard
      ? undefined
      : { items: box(heard, this.yieldedAt) }
    const base: CellPhase.State = {
      ...CellPhase.initial,
      boundary,
      items: box(boundary === undefined ? heard : this.yieldedAt!),
      observedBefore: isObserved,
      lastGeneration: this.generation
    }
    if (this.outcome !== undefined) {
      const ending: CellPhase.Ending = this.outcome._tag === "Completed"
        ? { _tag: "Completed", error: this.outcome.error }
        : { _tag: "Terminated" }
      const items = pause === undefined ? base.items : box(pause.to)
      return { ...base, items, ending, phase: this.isClosed ? "Gone" : "Buffered" }
    }
    if (this.created.kind === "continuing" || !this.isPaused) {
      return base
    }
    const isHeard = pause?.generation === this.generation
    return {
      ...base,
      boundary: undefined,
      items: Outbox.empty,
      pause: {
        generation: this.generation,
        items: box(heard, isHeard ? pause.to : undefined),
        pending: this.pending(),
        heard: isHeard
      }
    }
  }

  /** Whether it stands at a frontier until it is resumed. */
  get isPaused(): boolean {
    return this.frontier?.generation !== undefined && !this.isResumed
  }

  /** The calls whose answer the script does not have. */
  pending(): ReadonlyArray<ToolCallId> {
    return Array.from(this.calls.values()).filter(({ isGiven }) => !isGiven).map(({ id }) => id)
  }

  /** The calls that have an answer, in the order in which these came. */
  answered(): ReadonlyArray<Call & { readonly answer: Answer }> {
    return Array.from(this.calls.values()).filter((call): call is Call & { answer: Answer } =>
      call.answer !== undefined
    )
      .sort((one, other) => one.answeredAt - other.answeredAt)
  }

  toCalls(tools: ReadonlyArray<ToolDefinition>): Ledger["calls"] {
    return Array.from(this.calls.values(), (call) => ({
      toolCallId: call.id,
      tool: tools[call.tool]?.name ?? "",
      state: stateOf(call),
      durationMillis: 0
    }))
  }
}

/** What is known of a call by its answer. Without one, its tool may have done all, some or nothing. */
const stateOf = ({ answer, isAsked }: Call): ToolCallState => {
  if (answer === undefined) {
    return isAsked ? "NotStarted" : "Interrupted"
  }
  if (answer._tag === "Resolved") {
    return "Succeeded"
  }
  return answer.effect === "none" ? "NotStarted" : answer.effect === "failed" ? "Failed" : "Interrupted"
}

export type Values = ReadonlyMap<string, string>

/** A session. */
export class SessionHistory {
  key: string | undefined
  /** The number of the last cell. */
  sequence = 0
  readonly tools = new Map<number, ReadonlyArray<ToolDefinition>>()
  readonly cells = new Map<CellId, CellHistory>()
  readonly kept: Array<Kept> = []
  /** In the order of their versions. */
  private readonly stored: Array<Of<"Stored"> | Of<"Values">> = []

  constructor(records: ReadonlyArray<Record>) {
    records.forEach((record) => this.add(record))
    this.stored.sort((one, other) => one.version - other.version)
  }

  private add(record: Record): void {
    switch (record._tag) {
      case "Opened":
        this.key = record.key
        return
      case "Tools":
        this.tools.set(record.number, record.definitions)
        return
      case "Values":
      case "Stored":
        this.stored.push(record)
        return
      case "Created":
        this.sequence = Math.max(this.sequence, record.number)
        this.cells.set(record.cellId, new CellHistory(record))
        return
      case "Sealed":
        return
      default: {
        const kept = this.cells.get(record.cellId)?.add(record)
        if (kept !== undefined) {
          this.kept.push(kept)
        }
      }
    }
  }

  /** The version of the values now. */
  get version(): number {
    return this.stored.at(-1)?.version ?? 0
  }

  /** The values of each version that is asked for, and of the last one. */
  values(versions: ReadonlySet<number>): ReadonlyMap<number, Values> {
    const found = new Map<number, Values>()
    const wanted = Array.from(new Set([...versions, this.version])).sort((one, other) => one - other)
    let values = new Map<string, string>()
    let next = 0
    for (const version of wanted) {
      for (; next < this.stored.length && this.stored[next]!.version <= version; next++) {
        const record = this.stored[next]!
        if (record._tag === "Values") {
          values = new Map(record.values)
        } else {
          record.writes.forEach(([key, json]) => values.set(key, json))
        }
      }
      found.set(version, new Map(values))
    }
    return found
  }
}
