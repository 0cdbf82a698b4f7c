/**
 * A session at a host that grants our capability: all that a session can, over the wire.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Protocol from "../Protocol.ts"
import * as Extension from "./Extension.ts"
import * as Frame from "./Frame.ts"
import { RemoteCallbacks } from "./RemoteCallbacks.ts"
import { type Exchange, RemoteObservers } from "./RemoteObservers.ts"
import { outputCapacity, type RemoteSession, type Setup, unreachable, violation, within } from "./RemoteSession.ts"
import { HostFailure } from "./RemoteTransport.ts"

const sessionId = "session-1"

/** The request was not carried out, or its answer does not reach us. The host and its cells go on. */
class Refused extends Schema.TaggedError<Refused>("effect-code-mode/host/RemoteRefused")("Refused", {
  text: Schema.String,
  by: Schema.Literals(["host", "frame"])
}) {}

const isRefused = (error: unknown): error is Refused => error instanceof Refused

type Failure<E> = E | HostFailure | Refused

/** The host does not do what a session needs. */
const toFailure = Effect.mapError(({ text }: { readonly text: string }) => new HostFailure({ text }))

class ExtensionSession implements RemoteSession {
  private readonly setup: Setup
  private readonly runFork: ReturnType<typeof Effect.runForkWith<never>>
  private readonly observers: RemoteObservers
  private readonly callbacks: RemoteCallbacks

  constructor(setup: Setup) {
    const { client } = setup
    this.setup = setup
    this.runFork = Effect.runForkWith(setup.context)
    this.observers = new RemoteObservers(setup)
    this.callbacks = new RemoteCallbacks(setup)
    client.listen({
      delegate: this.callbacks,
      onCellClosed: () => client.lose(violation("it closed a cell of no session").text),
      onEvent: (event) => this.onEvent(event)
    })
  }

  private onEvent(event: Protocol.LifecycleEvent): void {
    if (event._tag === "Admitted") {
      this.callbacks.open(event.cellId, event.cellId)
    } else if (event._tag === "Closed") {
      this.runFork(this.callbacks.close(event.cellId))
    }
    this.setup.publish(event)
  }

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  private send<A, E>(
    { error, success }: Extension.Operation<Schema.Top, A, E>,
    request: Extension.Request,
    onOutput?: (items: ReadonlyArray<Protocol.OutputItem>) => void
  ): Exchange<A, Failure<E>> {
    const { client } = this.setup
    const answer = Deferred.makeUnsafe<A, Failure<E>>()
    const decodeSuccess = Schema.decodeUnknownResult(success)
    const decodeError = Schema.decodeUnknownResult(error)

    const toExit = (result: Extension.Answer): Exit.Exit<A, Failure<E>> | HostFailure => {
      switch (result.status) {
        case "ok":
          return Result.match(decodeSuccess(result.value), {
            onSuccess: Exit.succeed,
            onFailure: ({ message }) => violation(message)
          })
        case "error":
          return Result.match(decodeError(result.error), {
            onSuccess: Exit.fail,
            onFailure: ({ message }) => violation(message)
          })
        case "cancelled":
          return Exit.interrupt()
        case "refused":
          return Exit.fail(new Refused({ text: result.message, by: "host" }))
      }
    }

    const id = client.request((id) => ({ type: "extension/request", id, request: Extension.encodeRequest(request) }), {
      onResponse: (response) => {
        if (response.type === "extension/output" && onOutput !== undefined) {
          onOutput(response.items)
          return "more"
        }
        if (response.type !== "extension/response") {
          return violation(`it answered a request with ${response.type}`)
        }
        const exit = toExit(response.result)
        if (exit instanceof HostFailure) {
          return exit
        }
        Deferred.doneUnsafe(answer, exit)
        return "done"
      },
      onLost: (failure) => {
        Deferred.doneUnsafe(answer, Effect.fail(failure))
      }
    })
    if (id instanceof Frame.FrameError) {
      const text = `code-mode ${request.method} request exceeds the IPC frame limit: ${id.text}`
      return { answer: Effect.fail(new Refused({ text, by: "frame" })), cancel: () => true }
    }
    return {
      answer: Deferred.await(answer),
      cancel: () => {
        if (!Deferred.isDoneUnsafe(answer)) {
          client.send({ type: "extension/cancel", id })
        }
        return true
      }
    }
  }

  /** Asks, and takes the request back when interrupted. `onUnwanted` takes an answer that came all the same. */
  private ask<A, E>(
    operation: Extension.Operation<Schema.Top, A, E>,
    request: Extension.Request,
    onUnwanted?: (value: A) => void
  ): Effect.Effect<A, Failure<E>> {
    return Effect.suspend(() => {
      const { answer, cancel } = this.send(operation, request)
      return Effect.onInterrupt(answer, () =>
        Effect.sync(() => {
          cancel()
          if (onUnwanted !== undefined) {
            this.runFork(Effect.exit(answer)).addObserver((exit) => {
              if (Exit.isSuccess(exit) && Exit.isSuccess(exit.value)) {
                onUnwanted(exit.value.value)
              }
            })
          }
        }))
    })
  }

  /** The same, for what a host answers at once. */
  private askSoon<A, E>(
    operation: Extension.Operation<Schema.Top, A, E>,
    request: Extension.Request,
    onUnwanted?: (value: A) => void
  ): Effect.Effect<A, Failure<E>> {
    return within(this.setup.client, request.method)(this.ask(operation, request, onUnwanted))
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  readonly create: RemoteSession["create"] = (kind, request) => {
    const { client, delegate } = this.setup
    return within(client, "create")(Effect.andThen(
      client.room,
      this.ask(
        Extension.Create,
        { method: "create", sessionId, kind, request: { ...request, tools: request.tools ?? delegate.tools } },
        // A cell that was made under a key is there for whoever comes with it again.
        (cellId) => request.idempotencyKey === undefined && this.runFork(this.terminate(cellId))
      )
    )).pipe(Effect.catchIf(isRefused, ({ by, text }) =>
      Effect.fail(
        by === "frame"
          ? new Protocol.CapacityExceeded({ limit: "frame", text })
          : new Protocol.IsolateFailure({ text })
      )))
  }

  readonly execute: RemoteSession["execute"] = (request, yieldAfter) =>
    Effect.map(this.create("continuing", request), (cellId) => ({
      cellId,
      initial: this.observeNext(cellId, yieldAfter)
    }))

  /** What a request about a cell is answered with if it cannot be. */
  private readonly refusedFor = (cellId: Protocol.CellId) => <A, E>(answer: Effect.Effect<A, Failure<E>>) =>
    Effect.catchIf(answer, isRefused, ({ text }) => Effect.fail(unreachable(cellId, text))) as Effect.Effect<
      A,
      E | HostFailure | Protocol.MissingCell
    >

  private observeNext(cellId: Protocol.CellId, yieldAfter: Duration.Duration) {
    return this.observers.observe(cellId, () => {
      const { answer, cancel } = this.send(Extension.Observe, this.observation(cellId, yieldAfter))
      return { answer: within(this.setup.client, "observe", yieldAfter)(answer), cancel }
    }).pipe(this.refusedFor(cellId)) as Effect.Effect<
      Protocol.CellEvent,
      Protocol.BusyObserver | Protocol.MissingCell | HostFailure
    >
  }

  private observation(cellId: Protocol.CellId, yieldAfter: Duration.Duration) {
    return {
      method: "observe",
      sessionId,
      cellId,
      ...(Duration.isFinite(yieldAfter) ? { yieldAfterMs: Duration.toMillis(yieldAfter) } : {})
    } as const
  }

  readonly observe: RemoteSession["observe"] = (cellId, yieldAfter, idempotencyKey) =>
    idempotencyKey === undefined
      ? this.observeNext(cellId, yieldAfter)
      : this.ask(Extension.Observe, { ...this.observation(cellId, yieldAfter), idempotencyKey }).pipe(
        within(this.setup.client, "observe", yieldAfter),
        this.refusedFor(cellId)
      )

  readonly awaitFrontier: RemoteSession["awaitFrontier"] = (cellId) =>
    this.observers.observe(
      cellId,
      () => this.send(Extension.AwaitFrontier, { method: "awaitFrontier", sessionId, cellId })
    ).pipe(this.refusedFor(cellId))

  readonly resume: RemoteSession["resume"] = (cellId, generation) =>
    this.askSoon(Extension.Resume, { method: "resume", sessionId, cellId, generation }).pipe(this.refusedFor(cellId))

  readonly terminate: RemoteSession["terminate"] = (cellId) =>
    this.askSoon(
      Extension.Terminate,
      { method: "terminate", sessionId, cellId },
      (outcome) => this.observers.keep(cellId, outcome)
    ).pipe(
      this.refusedFor(cellId),
      Effect.tap((outcome) => {
        this.observers.forget(cellId)
        return outcome._tag === "Terminated" ? this.callbacks.close(cellId) : Effect.void
      })
    )

  readonly yieldNow: RemoteSession["yieldNow"] = (cellId) =>
    this.askSoon(Extension.YieldNow, { method: "yieldNow", sessionId, cellId }).pipe(this.refusedFor(cellId))

  readonly find: RemoteSession["find"] = (cellId, kind) =>
    this.askSoon(Extension.Find, { method: "find", sessionId, cellId, kind }).pipe(this.refusedFor(cellId))

  readonly awaitSettled: RemoteSession["awaitSettled"] = (cellId) =>
    this.ask(Extension.AwaitSettled, { method: "awaitSettled", sessionId, cellId }).pipe(this.refusedFor(cellId))

  readonly output: RemoteSession["output"] = (cellId) =>
    Stream.callback<Protocol.OutputItem, Protocol.MissingCell | Protocol.Lagged | HostFailure>(
      (queue) =>
        Effect.suspend(() => {
          const { answer, cancel } = this.send(
            Extension.Output,
            { method: "output", sessionId, cellId },
            (items) => {
              if (Queue.sizeUnsafe(queue) + items.length > outputCapacity) {
                Queue.failCauseUnsafe(queue, Cause.fail(new Protocol.Lagged({ capacity: outputCapacity })))
              } else {
                Queue.offerAllUnsafe(queue, items)
              }
            }
          )
          return answer.pipe(
            this.refusedFor(cellId),
            Effect.onInterrupt(() => Effect.sync(cancel)),
            Effect.matchCauseEffect({
              onSuccess: () => Queue.end(queue),
              onFailure: (cause) => Queue.failCause(queue, cause)
            })
          )
        }),
      { bufferSize: Number.POSITIVE_INFINITY }
    )

  // ---------------------------------------------------------------------------
  // The session
  // ---------------------------------------------------------------------------

  readonly cells: RemoteSession["cells"] = Effect.suspend(() =>
    this.askSoon(Extension.Cells, { method: "cells", sessionId })
  ).pipe(toFailure)

  readonly storedValues: RemoteSession["storedValues"] = Effect.suspend(() =>
    this.askSoon(Extension.StoredValues, { method: "storedValues", sessionId })
  ).pipe(Effect.catchIf(isRefused, Effect.die))

  readonly open = Effect.suspend(() => {
    const { limits, storedValues } = this.setup
    return this.askSoon(Extension.Open, {
      method: "open",
      sessionId,
      ...(limits === undefined ? {} : { limits }),
      ...(storedValues === undefined ? {} : { storedValues })
    })
  }).pipe(toFailure)

  readonly shutdown: RemoteSession["shutdown"] = Effect.suspend(() =>
    Effect.all([
      this.askSoon(Extension.Shutdown, { method: "shutdown", sessionId }).pipe(toFailure),
      this.callbacks.closeAll
    ], { concurrency: "unbounded", discard: true })
  )

  readonly abandon: RemoteSession["abandon"] = Effect.suspend(() => this.callbacks.closeAll)
}

/** Opens a session. */
export const open = (setup: Setup): Effect.Effect<RemoteSession, HostFailure> =>
  Effect.suspend(() => {
    const session = new ExtensionSession(setup)
    return Effect.as(session.open, session)
  })
