/**
 * What became of the tool calls of one cell: what is told of a cell that failed, so that its effects are not repeated.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { Remembered } from "../data/Remembered.ts"
import { ApprovalWait } from "../Delegate.ts"
import type { Ledger, ToolCallId, ToolCallRecord, ToolCallState, ToolError } from "../Protocol.ts"
import * as Monotonic from "../system/Monotonic.ts"

/** Calls that a live cell's ledger has at most, and that of an ended one. The oldest are left out first. */
const maxLive = 4096
const maxEnded = 128

/** One call. */
export class Entry {
  readonly id: ToolCallId
  private readonly tool: string
  private readonly clock: Clock.Clock
  private readonly waiting: Set<Entry>
  private state: Exclude<ToolCallState, "AwaitingApproval"> = "NotStarted"
  /** Approvals that it waits for. */
  private waits = 0
  /** When its tool began to work on it, or went on with it. */
  private since = 0
  private spent = 0
  /** Whether its tool may have begun, as far as approvals tell. */
  private hasWorked = false
  private isCancelled = false
  private isOver = false
  private onWaits: (waits: boolean) => void = () => {}

  constructor(id: ToolCallId, tool: string, clock: Clock.Clock, waiting: Set<Entry>) {
    this.id = id
    this.tool = tool
    this.clock = clock
    this.waiting = waiting
  }

  /** The call, whose beginning and approvals are noted. `onWaits` hears when it begins to wait, and when it goes on. */
  follow<A, E, R>(call: Effect.Effect<A, E, R>, onWaits: (waits: boolean) => void): Effect.Effect<A, E, R> {
    this.onWaits = onWaits
    return Effect.suspend(() => {
      this.measured(() => this.state = "Running")
      return call
    }).pipe(
      Effect.provideService(ApprovalWait, {
        began: (when) => {
          this.hasWorked ||= when === "within"
          this.setWaits(this.waits + 1)
        },
        // A call that is stopped without an answer never goes on.
        ended: (isAnswered) => {
          if (isAnswered || !this.isCancelled) {
            this.hasWorked = true
            this.setWaits(this.waits - 1)
          }
        }
      })
    )
  }

  /** It is about to be interrupted. */
  cancel(): void {
    this.isCancelled = true
  }

  ended(exit: Exit.Exit<unknown, ToolError>): void {
    if (this.isOver) {
      return
    }
    const failure = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
    const state = Exit.isSuccess(exit)
      ? "Succeeded"
      : this.waits > 0 && !this.hasWorked || this.state === "NotStarted" ||
          Option.isSome(failure) && failure.value.performed === false
      ? "NotStarted"
      : Option.isNone(failure) && Cause.hasInterruptsOnly(exit.cause)
      ? "Interrupted"
      : "Failed"
    this.measured(() => this.state = state)
    if (this.isCancelled) {
      this.waiting.delete(this)
    } else {
      this.setWaits(0)
    }
    this.waits = 0
    this.isOver = true
  }

  toRecord(): ToolCallRecord {
    const state = this.waits > 0 ? "AwaitingApproval" : this.state
    return {
      toolCallId: this.id,
      tool: this.tool,
      state,
      durationMillis: this.state === "NotStarted" ? 0 : this.spent + this.sinceThen()
    }
  }

  private setWaits(waits: number): void {
    if (this.isOver) {
      return
    }
    const before = this.waits > 0
    const after = waits > 0
    this.measured(() => this.waits = waits)
    if (before !== after) {
      if (after) {
        this.waiting.add(this)
      } else {
        this.waiting.delete(this)
      }
      this.onWaits(after)
    }
  }

  private sinceThen(): number {
    return this.state === "Running" && this.waits === 0 ? Monotonic.millisUnsafe(this.clock) - this.since : 0
  }

  private measured(change: () => void): void {
    this.spent += this.sinceThen()
    change()
    this.since = Monotonic.millisUnsafe(this.clock)
  }
}

export class CellLedger {
  private readonly clock: Clock.Clock
  private readonly entries = new Remembered<ToolCallId, Entry>(maxLive)
  private readonly waiting = new Set<Entry>()
  private isClosed = false

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** The calls that wait until a person agrees. */
  awaitingApproval(): ReadonlyArray<ToolCallId> {
    return Array.from(this.waiting, ({ id }) => id)
  }

  made(id: ToolCallId, tool: string): Entry {
    const entry = new Entry(id, tool, this.clock, this.waiting)
    this.entries.set(id, entry)
    return entry
  }

  /** All that are under way are about to be interrupted. */
  cancel(): void {
    this.waiting.forEach((entry) => entry.cancel())
  }

  toLedger(): Ledger {
    const all = Array.from(this.entries)
    const calls = this.isClosed ? all.slice(-maxEnded) : all
    return {
      calls: calls.map((entry) => entry.toRecord()),
      omitted: this.entries.forgotten + all.length - calls.length
    }
  }

  /** Takes what still runs as interrupted. Nothing changes any more. */
  close(): void {
    this.isClosed = true
    this.cancel()
    for (const entry of this.entries) {
      entry.ended(Exit.interrupt())
    }
    this.waiting.clear()
  }
}
