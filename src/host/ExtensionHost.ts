/**
 * The host's side of the capability `effect-code-mode-session-v1`: the sessions of one connection that uses it.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import {
  CapacityExceeded,
  type CellId,
  Generation,
  type IsolateFailure,
  type LifecycleEvent,
  type MissingCell,
  type OutputItem,
  type WrongCellKind
} from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Extension from "./Extension.ts"
import { FrameError } from "./Frame.ts"
import { maxOperations, tooManyOperations } from "./Operation.ts"
import { Remembered } from "./Remembered.ts"
import type { Client } from "./Session.ts"

interface Session {
  readonly runtime: Runtime.SessionRuntime["Service"]
  readonly scope: Scope.Closeable
  readonly watching: Fiber.Fiber<unknown, unknown>
  /** Live cells that have a place among those of the host. */
  readonly placed: Set<CellId>
  /** Under which cells were made. */
  readonly keys: Remembered<string>
}

type Request<Method extends Extension.Request["method"]> = Extract<Extension.Request, { readonly method: Method }>

/** The request makes no sense in this session. */
class Refused extends Schema.TaggedError<Refused>("effect-code-mode/host/Refused")("Refused", {
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

const tooLong = ({ text }: FrameError) => `code-mode host response exceeds the IPC frame limit: ${text}`

const tooManyCells = Effect.suspend(() =>
  Effect.fail(new CapacityExceeded({ limit: "maxLiveCells", text: "code-mode host has too many active cells" }))
)

const refuseKind = <A>(cell: Effect.Effect<A, MissingCell | WrongCellKind>) =>
  Effect.catchTag(cell, "WrongCellKind", ({ message }) => Effect.fail(new Refused({ text: message })))

const toAnswer = <A, E>(
  { error, success }: Extension.Operation<Schema.Top, A, E>,
  exit: Exit.Exit<A, E | Refused>
): Extension.Answer => {
  if (Exit.isSuccess(exit)) {
    return { status: "ok", value: Schema.encodeSync(success)(exit.value) }
  }
  const failure = Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) {
    return failure.value instanceof Refused
      ? { status: "refused", message: failure.value.text }
      : { status: "error", error: Schema.encodeSync(error)(failure.value) }
  }
  return Cause.hasInterruptsOnly(exit.cause)
    ? { status: "cancelled" }
    : { status: "refused", message: "code-mode request task failed" }
}

const continuing = ({ runtime }: Session, id: CellId): Effect.Effect<Runtime.Cell, MissingCell | Refused> =>
  refuseKind(runtime.cell(id))

const pausable = ({ runtime }: Session, id: CellId): Effect.Effect<Runtime.PausableCell, MissingCell | Refused> =>
  refuseKind(runtime.pausableCell(id))

const ofAnyKind = (
  { runtime }: Session,
  id: CellId
): Effect.Effect<Runtime.Cell | Runtime.PausableCell, MissingCell | Refused> =>
  refuseKind(Effect.catchTag(runtime.cell(id), "WrongCellKind", () => runtime.pausableCell(id)))

const toListed = ({ cell, ...state }: Runtime.LiveCell) => ({
  cellId: cell.id,
  kind: cell["~effect-code-mode/Runtime/Cell"],
  ...state
})

export class ExtensionHost {
  private readonly client: Client
  private readonly scope: Scope.Scope
  private readonly runFork: <A, E>(effect: Effect.Effect<A, E, Isolate>) => Fiber.Fiber<A, E>
  private readonly sessions = new Map<string, Session>()
  /** Ids of sessions that are open, or about to be. */
  private readonly ids = new Set<string>()
  private readonly requests = new Map<number, Fiber.Fiber<void>>()

  constructor(options: {
    readonly client: Client
    readonly scope: Scope.Scope
    readonly context: Context.Context<Isolate>
  }) {
    this.client = options.client
    this.scope = options.scope
    this.runFork = Effect.runForkWith(options.context)
  }

  /** Takes a message. Gives what is wrong with it, if the connection is to end for it. */
  receive(message: Extension.ClientMessage): string | undefined {
    if (message.type === "extension/cancel") {
      this.requests.get(message.id)?.interruptUnsafe()
      return undefined
    }
    const { id, request } = message
    if (this.requests.has(id)) {
      return `duplicate code-mode extension request ID ${id}`
    }
    if (this.requests.size >= maxOperations) {
      this.refuse(id, tooManyOperations)
      return undefined
    }
    const fiber = this.runFork(this.run(id, request))
    if (fiber.pollUnsafe() === undefined) {
      this.requests.set(id, fiber)
      fiber.addObserver(() => this.requests.delete(id))
    }
    return undefined
  }

  /** The client has left: nobody is answered. */
  end(): void {
    for (const fiber of this.requests.values()) {
      fiber.interruptUnsafe()
    }
  }

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  private run(id: number, request: Extension.Request): Effect.Effect<void, never, Isolate> {
    if (request.method === "open") {
      return this.answer(id, Extension.Open, this.open(request))
    }
    const session = this.sessions.get(request.sessionId)
    return session === undefined
      ? Effect.sync(() => this.refuse(id, `unknown code-mode session ${request.sessionId}`))
      : this.runIn(session, id, request)
  }

  private runIn(
    session: Session,
    id: number,
    request: Exclude<Extension.Request, Request<"open">>
  ): Effect.Effect<void, never, Isolate> {
    const { runtime } = session
    switch (request.method) {
      case "create":
        return this.answer(id, Extension.Create, this.create(session, request), "whole")
      case "observe":
        return this.answer(id, Extension.Observe, this.inRoom(this.observe(session, request)))
      case "awaitFrontier":
        return this.answer(
          id,
          Extension.AwaitFrontier,
          this.inRoom(Effect.flatMap(pausable(session, request.cellId), runtime.awaitFrontier))
        )
      case "resume":
        return this.answer(
          id,
          Extension.Resume,
          Effect.flatMap(
            pausable(session, request.cellId),
            (cell) => runtime.resume(cell, Generation.make(request.generation))
          )
        )
      case "terminate":
        return this.answer(
          id,
          Extension.Terminate,
          Effect.flatMap(ofAnyKind(session, request.cellId), runtime.terminate)
        )
      case "yieldNow":
        return this.answer(
          id,
          Extension.YieldNow,
          Effect.as(Effect.flatMap(continuing(session, request.cellId), runtime.yieldNow), null)
        )
      case "find": {
        const found: Effect.Effect<unknown, MissingCell | WrongCellKind> = request.kind === "continuing"
          ? runtime.cell(request.cellId)
          : runtime.pausableCell(request.cellId)
        return this.answer(id, Extension.Find, Effect.as(found, null))
      }
      case "cells":
        return this.answer(id, Extension.Cells, Effect.map(runtime.cells, (cells) => cells.map(toListed)))
      case "awaitSettled":
        return this.answer(id, Extension.AwaitSettled, runtime.awaitSettled(request.cellId))
      case "storedValues":
        return this.answer(id, Extension.StoredValues, this.inRoom(runtime.storedValues))
      case "output":
        return this.answer(id, Extension.Output, this.output(session, id, request.cellId))
      case "shutdown":
        return this.answer(id, Extension.Shutdown, this.shutdown(session, request.sessionId), "whole")
    }
  }

  private refuse(id: number, message: string): void {
    this.client.outgoing.post({ type: "extension/response", id, result: { status: "refused", message } })
  }

  /**
   * Answers with how it ends. What has happened is told, even to a client that has taken its request back; what would
   * leave something behind in the middle happens as a whole.
   */
  private answer<A, E>(
    id: number,
    operation: Extension.Operation<Schema.Top, A, E>,
    effect: Effect.Effect<A, E | Refused, Isolate>,
    happens: "in part" | "whole" = "in part"
  ): Effect.Effect<void, never, Isolate> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(happens === "whole" ? effect : restore(effect)), (exit) => {
        const result = toAnswer(operation, exit)
        const letter = this.client.outgoing.post({ type: "extension/response", id, result })
        if (letter instanceof FrameError) {
          this.refuse(id, tooLong(letter))
        }
        return Exit.isFailure(exit) && Cause.hasDies(exit.cause)
          ? Effect.logError("a request of a client failed for no reason of its own", exit.cause)
          : Effect.void
      })
    )
  }

  /** Asks the session once the client has read enough of what it was told before. */
  private inRoom<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.andThen(this.client.outgoing.room, effect)
  }

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  private readonly open = Effect.fnUntraced({ self: this }, function*(
    { limits, sessionId, storedValues }: Request<"open">
  ): Effect.fn.Return<null, IsolateFailure | Refused, Isolate> {
    if (this.ids.has(sessionId)) {
      return yield* new Refused({ text: `code-mode session ID \`${sessionId}\` is already open` })
    }
    this.ids.add(sessionId)
    const { delegate, limits: ours, liveCells, outgoing } = this.client
    const scope = yield* Scope.fork(this.scope)
    const announcements = new Map<string, Latch.Latch>()
    const announcement = (id: string) => {
      const latch = announcements.get(id) ?? Latch.makeUnsafe()
      announcements.set(id, latch)
      return latch
    }
    const placed = new Set<CellId>()
    const bounds = limits ?? ours

    const onEvent = (event: LifecycleEvent) => {
      outgoing.post({ type: "extension/event", sessionId, event })
      if (event._tag === "Admitted") {
        announcement(event.cellId).openUnsafe()
      } else if (event._tag === "Closed") {
        announcements.delete(event.cellId)
        if (placed.delete(event.cellId)) {
          liveCells.give()
        }
      }
    }

    const runtime = yield* Runtime.make({ limits: bounds, storedValues }).pipe(
      Effect.provideService(Delegate, delegate.forSession(sessionId, (id) => announcement(id).await)),
      Scope.provide(scope),
      Effect.onError((cause) => {
        this.ids.delete(sessionId)
        return Scope.close(scope, Exit.failCause(cause))
      })
    )
    const watching = yield* Effect.forkDetach(
      Stream.runForEach(runtime.events, (event) => Effect.sync(() => onEvent(event))),
      { startImmediately: true }
    )
    const keys = new Remembered<string>(bounds.maxRememberedCells)
    this.sessions.set(sessionId, { runtime, scope, watching, placed, keys })
    return null
  })

  private shutdown({ runtime, scope, watching }: Session, sessionId: string): Effect.Effect<null> {
    return runtime.shutdown.pipe(
      Effect.andThen(Fiber.await(watching)),
      Effect.andThen(Scope.close(scope, Exit.void)),
      Effect.andThen(Effect.sync(() => {
        this.sessions.delete(sessionId)
        this.ids.delete(sessionId)
      })),
      Effect.as(null)
    )
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  private create(session: Session, { kind, request }: Request<"create">) {
    const { liveCells } = this.client
    const { keys, placed, runtime } = session
    return Effect.suspend(() => {
      const place = liveCells.take()
      const { idempotencyKey: key } = request
      const isKnown = key !== undefined && keys.has(key)
      // A request that comes again may find its cell.
      if (!place && !isKnown) {
        return tooManyCells
      }
      if (key !== undefined) {
        keys.add(key)
      }
      const made: Effect.Effect<Runtime.Cell | Runtime.PausableCell, Runtime.CreateError> = kind === "continuing"
        ? runtime.create(request)
        : runtime.createPausable(request)
      const settle = Effect.fnUntraced(function*(exit: Exit.Exit<CellId, unknown>) {
        const isNew = Exit.isSuccess(exit) && !placed.has(exit.value) &&
          Exit.isSuccess(yield* Effect.exit(ofAnyKind(session, exit.value)))
        if (isNew) {
          placed.add(exit.value)
        } else {
          liveCells.give()
        }
        if (key !== undefined && !isKnown && Exit.isFailure(exit)) {
          keys.delete(key)
        }
      })
      const id = Effect.map(made, (cell) => cell.id)
      return place ? Effect.onExit(id, settle) : id
    })
  }

  private observe(session: Session, { cellId, idempotencyKey, yieldAfterMs }: Request<"observe">) {
    const options = {
      yieldAfter: yieldAfterMs === undefined ? undefined : Duration.millis(yieldAfterMs),
      idempotencyKey
    }
    // What was observed under a key is there when the cell is not any more.
    const cell = idempotencyKey === undefined
      ? continuing(session, cellId)
      : Effect.catchTag(
        continuing(session, cellId),
        "MissingCell",
        () => Effect.succeed<Runtime.Cell>({ "~effect-code-mode/Runtime/Cell": "continuing", id: cellId })
      )
    return Effect.flatMap(cell, (cell) => session.runtime.observe(cell, options))
  }

  private output(session: Session, id: number, cellId: CellId) {
    const { outgoing } = this.client
    const output = Stream.unwrap(Effect.map(ofAnyKind(session, cellId), session.runtime.output))
    /** In as few pieces as fit. */
    const send = (items: ReadonlyArray<OutputItem>): Effect.Effect<void, Refused> =>
      this.inRoom(Effect.suspend(() => {
        const letter = outgoing.post({ type: "extension/output", id, items })
        if (!(letter instanceof FrameError)) {
          return Effect.void
        }
        const half = Math.ceil(items.length / 2)
        return items.length === 1
          ? Effect.fail(new Refused({ text: tooLong(letter) }))
          : Effect.andThen(send(items.slice(0, half)), send(items.slice(half)))
      }))
    return Effect.as(Stream.runForEachArray(output, send), null)
  }
}
