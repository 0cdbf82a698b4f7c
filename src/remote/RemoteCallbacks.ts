/**
 * What the cells of a session at a host ask of this process. Each is a callback with the same bounded cancellation as
 * one of a cell of this process.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { Delegate } from "../Delegate.ts"
import { Owner } from "../delegate/Owner.ts"
import type { Limits, NestedToolCall, Notification, NotifyError, ToolError } from "../Protocol.ts"
import * as Callbacks from "../session/Callbacks.ts"
import type { CellLedger, Entry } from "../session/Ledger.ts"
import * as Slots from "../session/Slots.ts"
import * as Trace from "../telemetry/Trace.ts"
import * as Visible from "../text/Visible.ts"

interface Running {
  readonly callbacks: Callbacks.Callbacks
  /** What is known of it, if it is a tool call. */
  readonly entry: Entry | undefined
  readonly abandon: () => void
}

export interface Options {
  readonly context: Context.Context<never>
  readonly delegate: Delegate["Service"]
  readonly limits: Limits
  /** Stands for the session, at whichever host. */
  readonly session: object
  readonly ledgerOf: (call: NestedToolCall) => CellLedger
  /** Tells the host that a callback begins or ends to wait for a person. */
  readonly tellAwaits: (id: number, awaits: boolean) => void
}

export class RemoteCallbacks {
  private readonly options: Options
  private readonly running = new Map<number, Running>()

  constructor(options: Options) {
    this.options = options
  }

  readonly invokeTool = (
    id: number,
    call: NestedToolCall,
    traceparent?: string
  ): Effect.Effect<Schema.Json, ToolError> => {
    const { callId, cellId, kind, queuedMillis, sessionId, tool, toolCallId, toolName: { name } } = call
    const ids = { sessionId, cellId, callId, toolCallId }
    const ledger = this.options.ledgerOf(call)
    const entry = ledger.made({ id: toolCallId, tool, kind }, queuedMillis)
    const invoke = Effect.map(
      Trace.below(
        entry.follow(
          call.input,
          () => this.options.delegate.invokeTool(call),
          (waits) => this.options.tellAwaits(id, waits)
        ),
        traceparent
      ),
      (result) => result ?? null
    ).pipe(
      Effect.provideService(Owner, { session: this.options.session, cell: ledger }),
      Effect.annotateLogs(ids)
    )
    return this.run<Schema.Json, ToolError>(
      id,
      (callbacks, onExit) => callbacks.tool(name, invoke, onExit, () => {}),
      entry
    )
      .pipe(
        Effect.onExit((exit) => Effect.sync(() => entry.ended(exit))),
        Effect.tapDefect((defect) =>
          Effect.annotateLogs(Effect.logError(`code mode tool ${Visible.line(name)} died`, Cause.die(defect)), ids)
        )
      )
  }

  readonly notify = (id: number, notification: Notification): Effect.Effect<void, NotifyError> => {
    const deliver = Effect.suspend(() => this.options.delegate.notify(notification))
    return this.run<void, NotifyError>(id, (callbacks, onExit) => callbacks.notification(deliver, onExit)).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterrupts(cause) ? Effect.void : Effect.logWarning("failed to deliver code mode notification", cause)
      )
    )
  }

  /** Interrupts a callback, and waits until it has ended, or is given up. */
  readonly cancel = (
    id: number,
    grace: Effect.Effect<void> = Effect.sleep(this.options.limits.cancellationGrace)
  ): Effect.Effect<void> =>
    Effect.suspend(() => {
      const running = this.running.get(id)
      return running === undefined
        ? Effect.void
        : Effect.suspend(() => {
          running.entry?.cancel()
          return Effect.andThen(running.callbacks.cancel(grace), Effect.sync(running.abandon))
        })
    })

  /** Ends all callbacks within one grace. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const grace = Effect.sleep(this.options.limits.cancellationGrace)
    return Effect.forEach(Array.from(this.running.keys()), (id) => this.cancel(id, grace), {
      concurrency: "unbounded",
      discard: true
    })
  })

  private run<A, E>(
    id: number,
    start: (callbacks: Callbacks.Callbacks, onExit: (exit: Exit.Exit<A, E>) => void) => void,
    entry?: Entry
  ): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      if (this.running.size >= this.options.limits.maxPendingCallbacks) {
        return resume(Effect.die(new Error("the code-mode host has too many callbacks under way")))
      }
      // The host keeps the bounds of the session.
      const callbacks = Callbacks.make(
        {
          toolSlots: Slots.make(Number.POSITIVE_INFINITY),
          notificationSlots: Slots.make(Number.POSITIVE_INFINITY),
          limits: this.options.limits
        },
        { callbackContext: () => this.options.context, onIdle: () => {} }
      )
      const onExit = (exit: Exit.Exit<A, E>) => {
        this.running.delete(id)
        resume(exit)
      }
      this.running.set(id, { callbacks, entry, abandon: () => onExit(Exit.interrupt()) })
      start(callbacks, onExit)
    })
  }
}
