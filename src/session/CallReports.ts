/**
 * What is told of the calls of one cell: to those who watch its session, in spans, and in what is counted. What is not
 * heard is not made.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type { CallEvent, CellId, ToolCallId, ToolKind } from "../Protocol.ts"
import type * as Meter from "../telemetry/Meter.ts"
import * as Spans from "../telemetry/Spans.ts"
import type * as Trace from "../telemetry/Trace.ts"
import type { Watched } from "./Watched.ts"

export interface Options {
  readonly sessionId: string
  readonly cellId: CellId
  /** That of the request that made the cell. */
  readonly callId: string
  readonly clock: Clock.Clock
  readonly watched: Pick<Watched, "hearsCalls" | "call">
  readonly meter: Meter.Meter
  /** Whether the cell's calls are traced. */
  readonly isTraced: boolean
  /** How many bytes of JSON an input or a result is. */
  readonly bytesOf: (value: unknown) => number
  /** Whether that is known so quickly that it may be asked for each call. */
  readonly countsBytes: boolean
}

/** What a call is known by. */
export interface Call {
  readonly id: ToolCallId
  readonly tool: string
  readonly kind: ToolKind
}

export interface Times {
  readonly queuedMillis: number
  readonly approvalMillis: number
  readonly durationMillis: number
}

type CallOutcome = (CallEvent & { readonly _tag: "CallEnded" })["outcome"]

export class CallReports {
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** Gives the call's span, if there is one; it stands below that of `context`. */
  started(
    call: Call,
    input: unknown,
    queuedMillis: number,
    context: Context.Context<never>
  ): Trace.Work | undefined {
    const { bytesOf, callId, cellId, countsBytes, isTraced, meter, sessionId, watched } = this.options
    const hears = watched.hearsCalls()
    const inputBytes = countsBytes || hears || isTraced ? bytesOf(input) : 0
    if (countsBytes) {
      meter.moved("input", inputBytes)
    }
    if (queuedMillis > 0) {
      meter.callWaited("turn", queuedMillis)
    }
    if (hears) {
      watched.call({ _tag: "CallStarted", ...this.named(call), queuedMillis, inputBytes })
    }
    return isTraced
      ? Spans.call(
        context,
        { sessionId, cellId, callId, toolCallId: call.id, tool: call.tool, kind: call.kind },
        { queuedMillis, inputBytes }
      )
      : undefined
  }

  /** It begins to wait until a person agrees, or goes on. */
  waits(call: Call, work: Trace.Work | undefined, waits: boolean): void {
    const { watched } = this.options
    if (watched.hearsCalls()) {
      watched.call({ _tag: waits ? "CallWaits" : "CallGoesOn", ...this.named(call) })
    }
    work?.note(waits ? "approval.awaited" : "approval.over")
  }

  ended(
    call: Call,
    work: Trace.Work | undefined,
    { exit, outcome, times }: {
      readonly outcome: CallOutcome
      readonly exit: Exit.Exit<unknown, unknown>
      readonly times: Times
    }
  ): void {
    const { bytesOf, countsBytes, meter, watched } = this.options
    const hears = watched.hearsCalls()
    const isSized = countsBytes || hears || work !== undefined
    const outputBytes = isSized && Exit.isSuccess(exit) ? bytesOf(exit.value) : 0
    meter.callEnded(call.kind, outcome, times.durationMillis)
    if (countsBytes) {
      meter.moved("result", outputBytes)
    }
    if (times.approvalMillis > 0) {
      meter.callWaited("approval", times.approvalMillis)
    }
    if (hears) {
      watched.call({ _tag: "CallEnded", ...this.named(call), outcome, ...times, outputBytes })
    }
    if (work !== undefined) {
      Spans.callEnded(work, outcome, exit, { approvalMillis: times.approvalMillis, outputBytes })
    }
  }

  private named({ id, tool }: Call) {
    const { cellId, clock } = this.options
    return { cellId, toolCallId: id, tool, atMillis: Number(clock.currentTimeNanosUnsafe()) / 1e6 }
  }
}
