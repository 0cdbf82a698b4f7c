/**
 * The spans of sessions, cells and tool calls: their names, and what is said in them. It is ids, names of tools, outcomes,
 * times and sizes, and never what a program or a tool has said.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { CallOutcome, CellOutcome } from "./Meter.ts"
import * as Trace from "./Trace.ts"

type Any = Context.Context<never>

/** Whether it runs here, or somewhere else for this process. */
const kindOf = (isRemote: boolean) => isRemote ? "client" as const : "internal" as const

// =============================================================================
// Sessions and cells
// =============================================================================

export const session = (context: Any, { id, isRemote }: { readonly id: string; readonly isRemote: boolean }) =>
  new Trace.Work(context, "code-mode.session", {
    kind: kindOf(isRemote),
    attributes: { "code_mode.session.id": id }
  })

/** It stands below the span of its caller, or else below its session's, to which it has a link. */
export const cell = (
  context: Any,
  options: {
    readonly sessionId: string
    readonly session: Trace.Work | undefined
    readonly callId: string
    readonly kind: string
    readonly language: string
    readonly sourceBytes: number
    readonly isRemote: boolean
  }
) => {
  const caller = Context.getOrUndefined(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  const owner = options.session?.span
  return new Trace.Work(context, "code-mode.cell", {
    kind: kindOf(options.isRemote),
    parent: caller ?? owner,
    links: owner === undefined ? [] : [{ span: owner, attributes: {} }],
    attributes: {
      "code_mode.session.id": options.sessionId,
      "code_mode.call.id": options.callId,
      "code_mode.cell.kind": options.kind,
      "code_mode.cell.language": options.language,
      "code_mode.source.bytes": options.sourceBytes
    }
  })
}

export const cellNamed = (work: Trace.Work, id: string): void => work.span.attribute("code_mode.cell.id", id)

/** It goes on from its journal. What was before has a span of its own. */
export const cellRestored = (work: Trace.Work, id: string): void => {
  cellNamed(work, id)
  work.span.attribute("code_mode.cell.restored", true)
}

/** It goes on elsewhere. */
export const cellLeft = (work: Trace.Work, sizes: Trace.Attributes): void =>
  work.end(Exit.void, { "code_mode.cell.outcome": "Suspended", ...sizes })

/** There is no cell. */
export const cellRefused = (work: Trace.Work, cause: Cause.Cause<{ readonly _tag: string }>): void =>
  work.end(
    Cause.hasInterruptsOnly(cause)
      ? Exit.interrupt()
      : Exit.fail(new Trace.Bare(tagOf(cause), "the cell was not made")),
    { "code_mode.cell.outcome": "Refused" }
  )

const tagOf = (cause: Cause.Cause<{ readonly _tag: string }>): string =>
  Option.match(Cause.findErrorOption(cause), { onNone: () => "Defect", onSome: ({ _tag }) => _tag })

/** It is the cell of an earlier request, whose span goes on. */
export const cellFound = (work: Trace.Work): void => work.end(Exit.void, { "code_mode.cell.outcome": "Found" })

/** `error` is the tag of a failed cell's error, where that is known. */
export const cellEnded = (
  work: Trace.Work,
  outcome: CellOutcome,
  error: string = "Failed",
  sizes: Trace.Attributes = {}
): void =>
  work.end(
    outcome === "Completed"
      ? Exit.void
      : outcome === "Terminated"
      ? Exit.interrupt()
      : Exit.fail(new Trace.Bare(error, "the cell failed")),
    { "code_mode.cell.outcome": outcome, ...sizes }
  )

// =============================================================================
// Calls
// =============================================================================

export interface Call {
  readonly sessionId: string
  readonly cellId: string
  readonly callId: string
  readonly toolCallId: string
  readonly tool: string
  readonly kind: string
}

export const call = (
  context: Any,
  { callId, cellId, kind, sessionId, tool, toolCallId }: Call,
  { inputBytes, queuedMillis }: { readonly inputBytes: number; readonly queuedMillis: number }
) =>
  new Trace.Work(context, `execute_tool ${tool}`, {
    attributes: {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": tool,
      "gen_ai.tool.type": kind,
      "gen_ai.tool.call.id": toolCallId,
      "code_mode.session.id": sessionId,
      "code_mode.cell.id": cellId,
      "code_mode.call.id": callId,
      "code_mode.input.bytes": inputBytes,
      "code_mode.queued.milliseconds": queuedMillis
    }
  })

export const callEnded = (
  work: Trace.Work,
  outcome: CallOutcome,
  exit: Exit.Exit<unknown, unknown>,
  { approvalMillis, outputBytes }: { readonly approvalMillis: number; readonly outputBytes: number }
): void =>
  work.end(
    Exit.isSuccess(exit)
      ? Exit.void
      : Cause.hasInterruptsOnly(exit.cause)
      ? Exit.interrupt()
      : Exit.fail(new Trace.Bare(Cause.hasDies(exit.cause) ? "Defect" : "ToolError", "the tool call failed")),
    {
      "code_mode.call.outcome": outcome,
      "code_mode.approval.milliseconds": approvalMillis,
      "code_mode.output.bytes": outputBytes
    }
  )
