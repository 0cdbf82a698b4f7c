/**
 * What the cells of a host ask of this process: each request of the host is a callback of its cell, with the same
 * bounded cancellation as a cell of this process has.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Callbacks from "../Callbacks.ts"
import type { Delegate } from "../Delegate.ts"
import * as Slots from "../internal/Slots.ts"
import { type CellId, Limits, ToolCallId } from "../Protocol.ts"
import type { Client } from "./Client.ts"
import { FrameError } from "./Frame.ts"
import type { DelegateRequest, DelegateResult, MessageId } from "./Message.ts"
import { type Setup, violation } from "./RemoteSession.ts"

/** A cell that may ask. */
interface Asker {
  readonly id: CellId
  readonly callbacks: Callbacks.Callbacks
  readonly requests: Set<MessageId>
}

/** A request of the host that has no answer. */
interface Call {
  readonly asker: Asker
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  cancelled: boolean
}

const failed = (message: string): DelegateResult => ({ status: "error", message })

export class RemoteCallbacks {
  private readonly context: Context.Context<never>
  private readonly delegate: Delegate["Service"]
  private readonly limits: Limits
  private readonly client: Client
  private readonly toolSlots: Slots.Slots
  private readonly notificationSlots: Slots.Slots
  private readonly askers = new Map<string, Asker>()
  private readonly closing = new Map<string, Deferred.Deferred<void>>()
  private readonly calls = new Map<MessageId, Call>()

  constructor({ client, context, delegate, limits }: Setup) {
    this.client = client
    this.context = context
    this.delegate = delegate
    this.limits = limits ?? Limits.make({})
    this.toolSlots = Slots.make(this.limits.maxToolCallsInFlight)
    this.notificationSlots = Slots.make(this.limits.maxToolCallsInFlight)
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  /** Takes the requests of a cell, which the host calls `name`. */
  open(name: string, id: CellId): void {
    this.askers.set(name, {
      id,
      requests: new Set(),
      callbacks: Callbacks.make({
        context: this.context,
        toolSlots: this.toolSlots,
        notificationSlots: this.notificationSlots,
        cancellationGrace: this.limits.cancellationGrace,
        notificationDelivery: this.limits.notificationDelivery,
        onIdle: () => {}
      })
    })
  }

  /** Ends the callbacks of a cell within one grace, which runs from the first time that it is asked. */
  close(name: string, grace: Effect.Effect<void> = Effect.sleep(this.limits.cancellationGrace)): Effect.Effect<void> {
    return Effect.suspend(() => {
      const asker = this.askers.get(name)
      if (asker !== undefined) {
        const done = Deferred.makeUnsafe<void>()
        this.askers.delete(name)
        this.closing.set(name, done)
        asker.requests.forEach((id) => this.calls.delete(id))
        Effect.runForkWith(this.context)(
          asker.callbacks.cancel(grace).pipe(
            Effect.andThen(Effect.sync(() => this.closing.delete(name))),
            Deferred.into(done)
          )
        )
      }
      const done = this.closing.get(name)
      return done === undefined ? Effect.void : Deferred.await(done)
    })
  }

  /** Ends the callbacks of all cells within one grace. */
  readonly closeAll: Effect.Effect<void> = Effect.suspend(() => {
    const grace = Effect.sleep(this.limits.cancellationGrace)
    const names = [...this.closing.keys(), ...this.askers.keys()]
    return Effect.forEach(names, (name) => this.close(name, grace), { concurrency: "unbounded", discard: true })
  })

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  /** Starts a callback. */
  request(id: MessageId, request: DelegateRequest): void {
    if (this.calls.has(id)) {
      this.client.lose(violation(`it repeated delegate request ${id}`).text)
      return
    }
    const name = request.type === "tool/invoke" ? request.invocation.cell_id : request.cellId
    const asker = this.askers.get(name)
    const bound = this.limits.maxPendingCallbacks
    if (asker === undefined) {
      this.respond(id, failed(`unknown code-mode cell ${name}`))
    } else if (asker.requests.size >= bound) {
      this.client.lose(violation(`it has more than ${bound} delegate requests of cell ${name} open`).text)
    } else if (request.type === "tool/invoke") {
      this.invoke(id, asker, request.invocation)
    } else {
      this.notify(id, asker, request)
    }
  }

  /** Interrupts a callback. The host hears nothing of it any more. */
  cancel(id: MessageId): void {
    const call = this.calls.get(id)
    if (call !== undefined) {
      this.forget(id, call)
      call.cancelled = true
      call.fiber?.interruptUnsafe()
    }
  }

  private invoke(
    id: MessageId,
    asker: Asker,
    call: Extract<DelegateRequest, { readonly type: "tool/invoke" }>["invocation"]
  ): void {
    const { name, namespace } = call.tool_name
    const invoke = Effect.suspend(() =>
      this.delegate.invokeTool({
        cellId: asker.id,
        toolCallId: ToolCallId.make(call.runtime_tool_call_id),
        toolName: { name, namespace: namespace ?? null },
        kind: call.tool_kind,
        // The wire does not tell a call without an argument from one with null.
        ...(call.input === undefined || call.input === null ? {} : { input: call.input })
      })
    )
    this.run(id, asker, invoke, (effect, onExit) => asker.callbacks.tool(name, effect, onExit), (exit) => {
      if (Exit.isSuccess(exit)) {
        return { status: "ok", value: { type: "tool/result", result: exit.value ?? null } }
      }
      const failure = Cause.findErrorOption(exit.cause)
      if (Option.isSome(failure)) {
        return failed(failure.value.text)
      }
      if (Cause.hasInterruptsOnly(exit.cause)) {
        return failed("code mode nested tool call cancelled")
      }
      Effect.runForkWith(this.context)(Effect.logError(`code mode tool ${name} died`, exit.cause))
      return failed("code mode tool task panicked")
    })
  }

  private notify(
    id: MessageId,
    asker: Asker,
    { callId, text }: Extract<DelegateRequest, { readonly type: "notification/send" }>
  ): void {
    const deliver = Effect.suspend(() => this.delegate.notify({ callId, cellId: asker.id, text }))
    this.run(id, asker, deliver, asker.callbacks.notification, (exit) => {
      if (Exit.isSuccess(exit)) {
        return { status: "ok", value: { type: "notification/delivered" } }
      }
      Effect.runForkWith(this.context)(Effect.logWarning("failed to deliver code mode notification", exit.cause))
      return failed("the notification was not delivered")
    })
  }

  private run<A, E>(
    id: MessageId,
    asker: Asker,
    effect: Effect.Effect<A, E>,
    start: (effect: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void) => void,
    toResult: (exit: Exit.Exit<A, E>) => DelegateResult
  ): void {
    const call: Call = { asker, fiber: undefined, cancelled: false }
    this.calls.set(id, call)
    asker.requests.add(id)
    const cancellable = Effect.withFiber<A, E>((fiber) => {
      call.fiber = fiber
      return call.cancelled ? Effect.interrupt : effect
    })
    start(cancellable, (exit) => {
      if (this.forget(id, call)) {
        this.respond(id, toResult(exit))
      }
    })
  }

  private respond(id: MessageId, result: DelegateResult): void {
    const letter = this.client.send({ type: "delegate/response", id, result })
    if (letter instanceof FrameError) {
      const message = `code-mode delegate response exceeds the IPC frame limit: ${letter.text}`
      this.client.send({ type: "delegate/response", id, result: failed(message) })
    }
  }

  /** False if nobody waits for the answer any more. */
  private forget(id: MessageId, call: Call): boolean {
    call.asker.requests.delete(id)
    return this.calls.delete(id)
  }
}
