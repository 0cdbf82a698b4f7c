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
import * as Tracer from "effect/Tracer"
import { Remembered } from "../data/Remembered.ts"
import { ApprovalWait } from "../Delegate.ts"
import type { Ledger, ToolCallId, ToolCallRecord, ToolCallState, ToolError } from "../Protocol.ts"
import * as Monotonic from "../system/Monotonic.ts"
import type * as Trace from "../telemetry/Trace.ts"
import * as CallReports from "./CallReports.ts"

/** Calls that a live cell's ledger has at most, and that of an ended one. The oldest are left out first. */
const maxLive = 4096
const maxEnded = 128

/** That of a cell that has ended, and of whose calls nothing more is heard. */
export const ofEnded = (calls: Ledger["calls"]): Ledger => ({
  calls: calls.slice(-maxEnded),
  omitted: Math.max(0, calls.length - maxEnded)
})

/** What the calls of a cell have in common. */
interface Common {
  readonly clock: Clock.Clock
  readonly reports: CallReports.CallReports
  /** Those that wait until a person agrees. */
  readonly waiting: Set<Entry>
}

/** One call. */
export class Entry {
  private readonly call: CallReports.Call
  private readonly common: Common
  private work: Trace.Work | undefined
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

  constructor(call: CallReports.Call, common: Common, queuedMillis: number) {
    this.call = call
    this.common = common
    this.queuedMillis = queuedMillis
  }

  get id(): ToolCallId {
    return this.call.id
  }

  /** The span of the call, once it has begun, if it is traced. */
  get span(): Tracer.Span | undefined {
    return this.work?.span
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
    return Effect.withFiber<A, E, R>((fiber) => {
      this.measured(() => this.state = "Running")
      this.endQueue()
      const { queuedMillis } = this
      this.work = this.common.reports.started(this.call, input, queuedMillis, fiber.context)
      const running = call(queuedMillis === 0 ? {} : { queuedMillis })
      return this.work === undefined
        ? running
        : Effect.provideService(running, Tracer.ParentSpan, this.work.span) as Effect.Effect<A, E, R>
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
      this.common.waiting.delete(this)
      if (this.waits > 0) {
        this.approvalMillis += this.now() - this.waitsSince
      }
    } else {
      this.setWaits(0)
    }
    this.waits = 0
    this.isOver = true
    this.endQueue()
    this.common.reports.ended(this.call, this.work, {
      outcome: state,
      exit,
      times: {
        queuedMillis: this.queuedMillis,
        approvalMillis: this.approvalMillis,
        durationMillis: this.spent
      }
    })
  }

  private endQueue(): void {
    if (this.queuedAt !== undefined) {
      this.queuedMillis = this.now() - this.queuedAt
      this.queuedAt = undefined
    }
  }

  private now(): number {
    return Monotonic.millisUnsafe(this.common.clock)
  }

  restore(state: Exclude<ToolCallState, "AwaitingApproval">, spent: number): void {
    this.state = state
    this.spent = spent
    this.isOver = true
  }

  toRecord(): ToolCallRecord {
    const state = this.waits > 0 ? "AwaitingApproval" : this.state
    return {
      toolCallId: this.call.id,
      tool: this.call.tool,
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
        this.common.waiting.add(this)
      } else {
        this.approvalMillis += this.now() - this.waitsSince
        this.common.waiting.delete(this)
      }
      this.common.reports.waits(this.call, this.work, after)
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
  private readonly common: Common
  private readonly entries = new Remembered<ToolCallId, Entry>(maxLive)
  private isClosed = false

  constructor(options: CallReports.Options) {
    this.common = { clock: options.clock, reports: new CallReports.CallReports(options), waiting: new Set() }
  }

  /** The calls that wait until a person agrees. */
  awaitingApproval(): ReadonlyArray<ToolCallId> {
    return Array.from(this.common.waiting, ({ id }) => id)
  }

  /** `queuedMillis` is how long it has waited for its turn elsewhere. */
  made(call: CallReports.Call, queuedMillis = 0): Entry {
    const entry = new Entry(call, this.common, queuedMillis)
    this.entries.set(call.id, entry)
    return entry
  }

  /** A call of which nothing more is heard. */
  restore({ durationMillis, state, tool, toolCallId }: ToolCallRecord): void {
    // Nothing is told of it, and so its kind is not known.
    this.made({ id: toolCallId, tool, kind: "function" }).restore(
      state === "AwaitingApproval" ? "NotStarted" : state,
      durationMillis
    )
  }

  /** All that are under way are about to be interrupted. */
  cancel(): void {
    this.common.waiting.forEach((entry) => entry.cancel())
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
    this.common.waiting.clear()
  }
}
