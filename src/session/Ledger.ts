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
import type { CellId, Ledger, ToolCallId, ToolCallRecord, ToolCallState, ToolError } from "../Protocol.ts"
import * as Monotonic from "../system/Monotonic.ts"
import type { Watched } from "./Watched.ts"

/** Calls that a live cell's ledger has at most, and that of an ended one. The oldest are left out first. */
const maxLive = 4096
const maxEnded = 128

/** What the calls of a cell have in common. */
export interface Options {
  readonly cellId: CellId
  readonly clock: Clock.Clock
  readonly watched: Pick<Watched, "hearsCalls" | "call">
  /** How many bytes of JSON an input or a result is. */
  readonly bytesOf: (value: unknown) => number
}

/** One call. */
export class Entry {
  readonly id: ToolCallId
  private readonly tool: string
  private readonly options: Options
  private readonly waiting: Set<Entry>
  private state: Exclude<ToolCallState, "AwaitingApproval"> = "NotStarted"
  /** Approvals that it waits for. */
  private waits = 0
  /** When its tool began to work on it, or went on with it. */
  private since = 0
  private spent = 0
  /** When it began to wait for its turn, and for how long it has. */
  private queuedAt: number | undefined
  private queuedMillis: number
  /** When it began to wait for an approval, and for how long it has. */
  private waitsSince = 0
  private approvalMillis = 0
  /** Whether its tool may have begun, as far as approvals tell. */
  private hasWorked = false
  private isCancelled = false
  private isOver = false
  private onWaits: (waits: boolean) => void = () => {}

  constructor(id: ToolCallId, tool: string, options: Options, waiting: Set<Entry>, queuedMillis: number) {
    this.id = id
    this.tool = tool
    this.options = options
    this.waiting = waiting
    this.queuedMillis = queuedMillis
  }

  /** It has been given to those that run as soon as they may. If it has not begun by now, it waits for its turn. */
  queued(): void {
    if (this.state === "NotStarted" && !this.isOver) {
      this.queuedAt = this.now()
    }
  }

  /** The call, whose beginning and approvals are noted. `onWaits` hears when it begins to wait, and when it goes on. */
  follow<A, E, R>(
    input: unknown,
    call: (queued: { readonly queuedMillis?: number }) => Effect.Effect<A, E, R>,
    onWaits: (waits: boolean) => void,
    keeper?: { readonly asked: () => void; readonly begins: Effect.Effect<void> }
  ): Effect.Effect<A, E, R> {
    this.onWaits = onWaits
    return Effect.suspend(() => {
      this.measured(() => this.state = "Running")
      this.endQueue()
      const { bytesOf, watched } = this.options
      if (watched.hearsCalls()) {
        watched.call({
          _tag: "CallStarted",
          ...this.named(),
          queuedMillis: this.queuedMillis,
          inputBytes: bytesOf(input)
        })
      }
      return call(this.queuedMillis === 0 ? {} : { queuedMillis: this.queuedMillis })
    }).pipe(
      Effect.provideService(ApprovalWait, {
        began: (when) => {
          this.hasWorked ||= when === "within"
          if (!this.hasWorked && this.waits === 0) {
            keeper?.asked()
          }
          this.setWaits(this.waits + 1)
        },
        // A call that is stopped without an answer never goes on.
        ended: (isAnswered) => {
          if (isAnswered || !this.isCancelled) {
            this.hasWorked = true
            this.setWaits(this.waits - 1)
          }
        },
        begins: keeper?.begins ?? Effect.void
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
      if (this.waits > 0) {
        this.approvalMillis += this.now() - this.waitsSince
      }
    } else {
      this.setWaits(0)
    }
    this.waits = 0
    this.isOver = true
    this.endQueue()
    const { bytesOf, watched } = this.options
    if (watched.hearsCalls()) {
      watched.call({
        _tag: "CallEnded",
        ...this.named(),
        outcome: state,
        queuedMillis: this.queuedMillis,
        approvalMillis: this.approvalMillis,
        durationMillis: this.spent,
        outputBytes: Exit.isSuccess(exit) ? bytesOf(exit.value) : 0
      })
    }
  }

  private endQueue(): void {
    if (this.queuedAt !== undefined) {
      this.queuedMillis = this.now() - this.queuedAt
      this.queuedAt = undefined
    }
  }

  private now(): number {
    return Monotonic.millisUnsafe(this.options.clock)
  }

  private named() {
    const { cellId, clock } = this.options
    return {
      cellId,
      toolCallId: this.id,
      tool: this.tool,
      atMillis: Number(clock.currentTimeNanosUnsafe()) / 1e6
    }
  }

  restore(state: Exclude<ToolCallState, "AwaitingApproval">, spent: number): void {
    this.state = state
    this.spent = spent
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
        this.waitsSince = this.now()
        this.waiting.add(this)
      } else {
        this.approvalMillis += this.now() - this.waitsSince
        this.waiting.delete(this)
      }
      const { watched } = this.options
      if (watched.hearsCalls()) {
        watched.call({ _tag: after ? "CallWaits" : "CallGoesOn", ...this.named() })
      }
      this.onWaits(after)
    }
  }

  private sinceThen(): number {
    return this.state === "Running" && this.waits === 0 ? this.now() - this.since : 0
  }

  private measured(change: () => void): void {
    this.spent += this.sinceThen()
    change()
    this.since = this.now()
  }
}

export class CellLedger {
  private readonly options: Options
  private readonly entries = new Remembered<ToolCallId, Entry>(maxLive)
  private readonly waiting = new Set<Entry>()
  private isClosed = false

  constructor(options: Options) {
    this.options = options
  }

  /** The calls that wait until a person agrees. */
  awaitingApproval(): ReadonlyArray<ToolCallId> {
    return Array.from(this.waiting, ({ id }) => id)
  }

  /** `queuedMillis` is how long it has waited for its turn elsewhere. */
  made(id: ToolCallId, tool: string, queuedMillis = 0): Entry {
    const entry = new Entry(id, tool, this.options, this.waiting, queuedMillis)
    this.entries.set(id, entry)
    return entry
  }

  /** A call of which nothing more is heard. */
  restore({ durationMillis, state, tool, toolCallId }: ToolCallRecord): void {
    this.made(toolCallId, tool).restore(state === "AwaitingApproval" ? "NotStarted" : state, durationMillis)
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
