/**
 * What became of the tool calls of one cell: what is told of a cell that failed, so that its effects are not repeated.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Ledger, ToolCallId, ToolCallRecord, ToolCallState, ToolError } from "../Protocol.ts"

/** Calls that a live cell's ledger has at most, and that of an ended one. The oldest go first. */
const maxLive = 4096
const maxEnded = 128

interface Entry {
  readonly tool: string
  state: ToolCallState
  /** When its tool began to work on it, or went on with it. */
  since: number
  spent: number
}

export class CellLedger {
  private readonly entries = new Map<ToolCallId, Entry>()
  private readonly waiting = new Set<ToolCallId>()
  private readonly now: () => number
  private dropped = 0

  constructor(now: () => number) {
    this.now = now
  }

  /** The calls that wait until a person agrees. */
  awaitingApproval(): ReadonlyArray<ToolCallId> {
    return Array.from(this.waiting)
  }

  isAwaitingApproval(): boolean {
    return this.waiting.size > 0
  }

  made(id: ToolCallId, tool: string): void {
    this.entries.set(id, { tool, state: "NotStarted", since: 0, spent: 0 })
    this.dropped += forget(this.entries, maxLive)
  }

  started(id: ToolCallId): void {
    this.move(id, "Running")
  }

  approvalAsked(id: ToolCallId): void {
    this.waiting.add(id)
    this.move(id, "AwaitingApproval")
  }

  approvalAnswered(id: ToolCallId): void {
    this.waiting.delete(id)
    this.move(id, "Running")
  }

  ended(id: ToolCallId, exit: Exit.Exit<unknown, ToolError>): void {
    const wasWaiting = this.waiting.delete(id)
    const failure = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
    this.move(
      id,
      Exit.isSuccess(exit)
        ? "Succeeded"
        : wasWaiting || Option.isSome(failure) && failure.value.performed === false
        ? "NotStarted"
        : Option.isNone(failure) && Cause.hasInterruptsOnly(exit.cause)
        ? "Interrupted"
        : "Failed"
    )
  }

  toLedger(): Ledger {
    return { calls: Array.from(this.entries, ([id, entry]) => this.toRecord(id, entry)), omitted: this.dropped }
  }

  /** The ledger of a cell that has ended, with what still ran taken as interrupted. */
  close(): Ledger {
    for (const [id, { state }] of this.entries) {
      if (state === "Running" || state === "AwaitingApproval") {
        this.ended(id, Exit.interrupt())
      }
    }
    this.dropped += forget(this.entries, maxEnded)
    return this.toLedger()
  }

  private move(id: ToolCallId, state: ToolCallState): void {
    const entry = this.entries.get(id)
    if (entry !== undefined) {
      const now = this.now()
      if (entry.state === "Running") {
        entry.spent += now - entry.since
      }
      entry.state = state
      entry.since = now
    }
  }

  private toRecord(toolCallId: ToolCallId, { since, spent, state, tool }: Entry): ToolCallRecord {
    const durationMillis = state === "Running" ? spent + this.now() - since : spent
    return { toolCallId, tool, state, durationMillis }
  }
}

/** Drops the oldest entries past a number, and gives how many these were. */
const forget = <K, V>(entries: Map<K, V>, max: number): number => {
  let dropped = 0
  for (const key of entries.keys()) {
    if (entries.size <= max) {
      break
    }
    entries.delete(key)
    dropped++
  }
  return dropped
}
