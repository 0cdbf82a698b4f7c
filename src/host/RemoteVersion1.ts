/**
 * A session at a host that speaks version 1 alone.
 *
 * **Details**
 *
 * Version 1 makes a cell together with its first observation, and says nothing of a cell that nobody observes. So a
 * cell is known to be settled once its outcome was read, its output is seen when an observation brings it, and there
 * are no pausable cells. What it has no words for at all is refused: where a cell is made, as `IsolateFailure`, and
 * else as a defect that says so.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Broadcast from "../internal/Broadcast.ts"
import * as Protocol from "../Protocol.ts"
import type { CreateError } from "../Runtime.ts"
import * as Frame from "./Frame.ts"
import type { Answer, CellResponse, MessageId, Request, ToolDefinition } from "./Message.ts"
import { Remembered } from "./Remembered.ts"
import { RemoteCallbacks } from "./RemoteCallbacks.ts"
import { type Exchange, RemoteObservers } from "./RemoteObservers.ts"
import {
  outputCapacity,
  type RemoteSession,
  type Settled,
  type Setup,
  stale,
  unreachable,
  violation,
  within
} from "./RemoteSession.ts"
import { HostFailure } from "./RemoteTransport.ts"

const sessionId = "session-1"

/** As good as for ever, and still a time that every host can count to. */
const foreverMillis = 2 ** 31 - 10_000

const lostText = "exec runtime ended unexpectedly"

interface Cell {
  readonly name: string
  readonly id: Protocol.CellId
  readonly output: Broadcast.Broadcast<Protocol.OutputItem>
  readonly settled: Deferred.Deferred<Settled>
  /** The id of the request that observes it. */
  observation: MessageId | undefined
  terminating: boolean
}

const toTool = (tool: Protocol.ToolDefinition): ToolDefinition => ({
  name: tool.name,
  tool_name: tool.toolName,
  description: tool.description,
  kind: tool.kind,
  input_schema: tool.inputSchema ?? null,
  output_schema: tool.outputSchema ?? null
})

const toMillis = (duration: Duration.Duration) => Math.min(Math.ceil(Duration.toMillis(duration)), foreverMillis)

/** What only our capability can say. */
const unsaid = (what: string) => `${what} needs a code-mode host of this package, and this one speaks version 1 alone`

const toCreateError = (text: string): CreateError =>
  text === "code mode session is shutting down"
    ? new Protocol.ShuttingDown()
    : text.startsWith("code-mode host has too many ")
    ? new Protocol.CapacityExceeded({ limit: "host", text })
    : new Protocol.IsolateFailure({ text })

/** Why version 1 cannot make this cell. */
const refuse = (request: Protocol.CellRequest): Protocol.IsolateFailure | undefined => {
  const what = request.idempotencyKey !== undefined
    ? "an idempotency key"
    : request.language === "typescript"
    ? "a cell in TypeScript"
    : undefined
  return what === undefined ? undefined : new Protocol.IsolateFailure({ text: unsaid(what) })
}

class Version1 implements RemoteSession {
  private readonly setup: Setup
  private readonly limits: Protocol.Limits
  private readonly runFork: ReturnType<typeof Effect.runForkWith<never>>
  private readonly cellsByName = new Map<string, Cell>()
  private readonly finished: Remembered<string>
  private readonly observers: RemoteObservers
  private readonly callbacks: RemoteCallbacks

  constructor(setup: Setup) {
    const { client } = setup
    this.setup = setup
    this.limits = setup.limits ?? Protocol.Limits.make({})
    this.finished = new Remembered(this.limits.maxRememberedCells)
    this.runFork = Effect.runForkWith(setup.context)
    this.observers = new RemoteObservers(setup)
    this.callbacks = new RemoteCallbacks(setup)
    client.listen({
      delegate: this.callbacks,
      onCellClosed: (name) => this.close(name),
      onEvent: () => client.lose(violation("it used a capability that it did not grant").text)
    })
  }

  // ---------------------------------------------------------------------------
  // Ids
  // ---------------------------------------------------------------------------

  /** Hosts count their cells from 1, each anew. */
  private toId(name: string): Protocol.CellId {
    const { generation } = this.setup
    return Protocol.CellId.make(generation === 1 ? name : `g${generation}:${name}`)
  }

  private toName(id: Protocol.CellId): Effect.Effect<string, Protocol.MissingCell> {
    const { generation, name } = /^g(?<generation>\d+):(?<name>.+)$/s.exec(id)?.groups ?? { generation: "1", name: id }
    return Number(generation) === this.setup.generation ? Effect.succeed(name!) : Effect.fail(stale(id))
  }

  private missing(name: string): Protocol.MissingCell {
    return new Protocol.MissingCell({ cellId: this.toId(name), finished: this.finished.has(name) })
  }

  private live(cellId: Protocol.CellId): Effect.Effect<Cell, Protocol.MissingCell> {
    return Effect.flatMap(this.toName(cellId), (name) => {
      const cell = this.cellsByName.get(name)
      return cell === undefined ? Effect.fail(this.missing(name)) : Effect.succeed(cell)
    })
  }

  // ---------------------------------------------------------------------------
  // The life of a cell
  // ---------------------------------------------------------------------------

  private admit(name: string): Cell {
    const cell: Cell = {
      name,
      id: this.toId(name),
      output: Broadcast.make(outputCapacity),
      settled: Deferred.makeUnsafe(),
      observation: undefined,
      terminating: false
    }
    this.cellsByName.set(name, cell)
    this.callbacks.open(name, cell.id)
    this.setup.publish({ _tag: "Admitted", cellId: cell.id })
    return cell
  }

  private settle(cell: Cell, outcome: Settled): void {
    if (Deferred.doneUnsafe(cell.settled, Effect.succeed(outcome))) {
      cell.output.end()
      this.setup.publish({ _tag: "Settled", cellId: cell.id, outcome })
    }
  }

  private close(name: string): void {
    const cell = this.cellsByName.get(name)
    if (cell === undefined) {
      this.setup.client.lose(violation(`it closed the unknown cell ${name}`).text)
      return
    }
    this.settle(cell, "Terminated")
    this.cellsByName.delete(name)
    this.finished.add(name)
    this.runFork(this.callbacks.close(name))
    this.setup.publish({ _tag: "Closed", cellId: cell.id })
  }

  /** What the host says of a cell. */
  private hear(name: string, response: CellResponse): Protocol.CellEvent | HostFailure {
    const said = "Result" in response
      ? response.Result
      : "Yielded" in response
      ? response.Yielded
      : response.Terminated
    if (said.cell_id !== name) {
      return new HostFailure({ text: `code-mode host returned cell ${said.cell_id} for request targeting ${name}` })
    }
    const cellId = this.toId(name)
    const items = said.content_items
    const cell = this.cellsByName.get(name)
    cell?.output.publish(items)
    if ("Yielded" in response) {
      return { _tag: "Yielded", cellId, items }
    }
    if ("Terminated" in response) {
      if (cell !== undefined) {
        this.settle(cell, "Terminated")
      }
      return { _tag: "Terminated", cellId, items }
    }
    const text = response.Result.error_text ?? undefined
    if (cell !== undefined) {
      this.settle(cell, text === undefined ? "Completed" : "Failed")
    }
    return {
      _tag: "Completed",
      cellId,
      items,
      ...(text === undefined
        ? {}
        : { error: { _tag: text === lostText ? "IsolateLost" : "ScriptError", text } as const })
    }
  }

  // ---------------------------------------------------------------------------
  // Creation
  // ---------------------------------------------------------------------------

  private readonly start = (request: Protocol.CellRequest, yieldAfter: Duration.Duration) =>
    Effect.suspend(() => {
      const refusal = refuse(request)
      return refusal === undefined
        ? within(this.setup.client, "execute")(
          Effect.andThen(this.setup.client.room, this.send(request, yieldAfter))
        )
        : Effect.fail(refusal)
    })

  private send(request: Protocol.CellRequest, yieldAfter: Duration.Duration): Effect.Effect<
    { readonly cell: Cell; readonly initial: Exchange<Protocol.CellEvent, Protocol.MissingCell | HostFailure> },
    CreateError | HostFailure
  > {
    return Effect.suspend(() => {
      const { client, delegate, granted } = this.setup
      const started = Deferred.makeUnsafe<Cell, CreateError | HostFailure>()
      const initial = Deferred.makeUnsafe<Protocol.CellEvent, Protocol.MissingCell | HostFailure>()
      let cell: Cell | undefined
      let unwanted = false
      const id = client.request(
        (id) => ({
          type: "operation/request",
          id,
          request: {
            method: "session/execute",
            sessionId,
            request: {
              tool_call_id: request.toolCallId,
              enabled_tools: (request.tools ?? delegate.tools).map(toTool),
              source: request.source,
              yield_time_ms: toMillis(yieldAfter),
              max_output_tokens: null
            }
          }
        }),
        {
          onResponse: (response) => {
            if (response.type === "operation/response" && cell === undefined) {
              if (response.result.status === "error") {
                Deferred.doneUnsafe(started, Effect.fail(toCreateError(response.result.message)))
                return "done"
              }
              const { value } = response.result
              if (value.type !== "execution/started" || this.cellsByName.has(value.cellId)) {
                return violation(`it answered an execution with ${value.type}`)
              }
              cell = this.admit(value.cellId)
              cell.observation = response.id
              Deferred.doneUnsafe(started, Effect.succeed(cell))
              if (unwanted) {
                this.runFork(this.terminate(cell.id))
              }
              return "more"
            }
            if (response.type !== "execute/initialResponse" || cell === undefined) {
              return violation(`it answered an execution with ${response.type}`)
            }
            cell.observation = undefined
            if (response.result.status === "error") {
              Deferred.doneUnsafe(initial, Effect.fail(unreachable(cell.id, response.result.message)))
              return "done"
            }
            const event = this.hear(cell.name, response.result.value)
            if (event instanceof HostFailure) {
              return event
            }
            Deferred.doneUnsafe(initial, Effect.succeed(event))
            return "done"
          },
          onLost: (failure) => {
            Deferred.doneUnsafe(started, Effect.fail(failure))
            Deferred.doneUnsafe(initial, Effect.fail(failure))
          }
        }
      )
      if (id instanceof Frame.FrameError) {
        const text = `code-mode execute request exceeds the IPC frame limit: ${id.text}`
        return Effect.fail(new Protocol.CapacityExceeded({ limit: "frame", text }))
      }
      const exchange = {
        answer: within(client, "execute", yieldAfter)(Deferred.await(initial)),
        cancel: () => {
          const isKnown = granted.has("yield-observation")
          if (isKnown) {
            client.send({ type: "operation/yield", id })
          }
          return isKnown
        }
      }
      return Deferred.await(started).pipe(
        Effect.map((cell) => ({ cell, initial: exchange })),
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            unwanted = true
            if (cell === undefined) {
              client.send({ type: "operation/cancel", id })
            } else {
              this.runFork(this.terminate(cell.id))
            }
          })
        )
      )
    })
  }

  readonly create: RemoteSession["create"] = (kind, request) =>
    kind === "pausable"
      ? Effect.fail(new Protocol.IsolateFailure({ text: unsaid("a pausable cell") }))
      : Effect.flatMap(this.start(request, Duration.zero), ({ cell, initial }) =>
        initial.answer.pipe(
          Effect.tap((event) =>
            Effect.sync(() => {
              if (event._tag !== "Yielded" || event.items.length > 0) {
                this.observers.keep(cell.id, event)
              }
            })
          ),
          // The cell is made; whatever is wrong with its first output, it goes on.
          Effect.catchIf((error) => error instanceof Protocol.MissingCell, () => Effect.void),
          Effect.onInterrupt(() => Effect.sync(() => this.runFork(this.terminate(cell.id)))),
          Effect.as(cell.id)
        ))

  readonly execute: RemoteSession["execute"] = (request, yieldAfter) =>
    Effect.map(this.start(request, yieldAfter), ({ cell, initial }) => {
      this.observers.leave(cell.id, initial)
      return { cellId: cell.id, initial: this.observe(cell.id, yieldAfter) }
    })

  // ---------------------------------------------------------------------------
  // Requests about a cell
  // ---------------------------------------------------------------------------

  /** Asks for something that is answered with an event. */
  private ask<E>(
    name: string,
    request: Request,
    yieldAfter: Duration.Duration,
    toError: (text: string) => E
  ): Exchange<Protocol.CellEvent, E | Protocol.MissingCell | HostFailure> & { readonly id: number | undefined } {
    const { client } = this.setup
    const answer = Deferred.makeUnsafe<Protocol.CellEvent, E | Protocol.MissingCell | HostFailure>()
    const done = (result: Effect.Effect<Protocol.CellEvent, E | Protocol.MissingCell | HostFailure>) => {
      Deferred.doneUnsafe(answer, result)
      return "done" as const
    }
    const id = client.request((id) => ({ type: "operation/request", id, request }), {
      onResponse: (response) => {
        if (response.type !== "operation/response") {
          return violation(`it answered a request with ${response.type}`)
        }
        const { result } = response
        if (result.status === "error") {
          return done(Effect.fail(toError(result.message)))
        }
        if (result.value.type !== "wait/completed") {
          return violation(`it answered a request with ${result.value.type}`)
        }
        const { outcome } = result.value
        if ("MissingCell" in outcome) {
          return done(Effect.fail(this.missing(name)))
        }
        const event = this.hear(name, outcome.LiveCell)
        return event instanceof HostFailure ? event : done(Effect.succeed(event))
      },
      onLost: (failure) => {
        Deferred.doneUnsafe(answer, Effect.fail(failure))
      }
    })
    if (id instanceof Frame.FrameError) {
      return { id: undefined, answer: Effect.fail(toError(id.text)), cancel: () => true }
    }
    return {
      id,
      answer: within(client, request.method.slice("session/".length), yieldAfter)(Deferred.await(answer)),
      cancel: () => {
        client.send({ type: "operation/cancel", id })
        return true
      }
    }
  }

  readonly observe = (
    cellId: Protocol.CellId,
    yieldAfter: Duration.Duration,
    idempotencyKey?: string
  ): Effect.Effect<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell | HostFailure> =>
    idempotencyKey !== undefined
      ? Effect.die(new Error(unsaid("an idempotency key")))
      : Effect.flatMap(this.toName(cellId), (name) =>
        this.observers.observe(cellId, () => {
          const exchange = this.ask(
            name,
            {
              method: "session/wait",
              sessionId,
              request: { cell_id: name, yield_time_ms: toMillis(yieldAfter) }
            },
            yieldAfter,
            (text) =>
              text.endsWith("already has an active observer")
                ? new Protocol.BusyObserver({ cellId })
                : unreachable(cellId, text)
          )
          const cell = this.cellsByName.get(name)
          if (cell !== undefined) {
            cell.observation = exchange.id
          }
          return exchange
        }))

  readonly terminate = (
    cellId: Protocol.CellId
  ): Effect.Effect<Protocol.Outcome, Protocol.AlreadyTerminating | Protocol.MissingCell | HostFailure> =>
    Effect.flatMap(this.toName(cellId), (name) =>
      Effect.suspend(() => {
        const cell = this.cellsByName.get(name)
        if (cell !== undefined) {
          cell.terminating = true
        }
        const { answer } = this.ask(
          name,
          { method: "session/terminate", sessionId, cellId: name },
          Duration.zero,
          (text) =>
            text.endsWith("is already terminating")
              ? new Protocol.AlreadyTerminating({ cellId })
              : unreachable(cellId, text)
        )
        return answer.pipe(
          // A cell that is being terminated does not yield any more.
          Effect.map((event) => event as Protocol.Outcome),
          (outcome) => Effect.onInterrupt(outcome, () => Effect.sync(() => this.keepLater(cellId, answer))),
          Effect.tap((outcome) => {
            this.observers.forget(cellId)
            return outcome._tag === "Terminated" ? this.callbacks.close(name) : Effect.void
          })
        )
      }))

  /** The outcome that nobody waits for now is what the next observer hears. */
  private keepLater(cellId: Protocol.CellId, answer: Effect.Effect<Protocol.CellEvent, unknown>): void {
    this.runFork(Effect.exit(answer)).addObserver((exit) => {
      if (Exit.isSuccess(exit) && Exit.isSuccess(exit.value)) {
        this.observers.keep(cellId, exit.value.value)
      }
    })
  }

  readonly yieldNow: RemoteSession["yieldNow"] = (cellId) =>
    Effect.map(this.live(cellId), ({ observation }) => {
      if (observation !== undefined && this.setup.granted.has("yield-observation")) {
        this.setup.client.send({ type: "operation/yield", id: observation })
      }
    })

  readonly find: RemoteSession["find"] = (cellId, kind) =>
    Effect.flatMap(this.live(cellId), () =>
      kind === "continuing"
        ? Effect.void
        : Effect.fail(new Protocol.WrongCellKind({ cellId, actual: "continuing", expected: kind })))

  readonly awaitSettled: RemoteSession["awaitSettled"] = (cellId) =>
    Effect.flatMap(this.live(cellId), ({ settled }) => Deferred.await(settled))

  readonly output: RemoteSession["output"] = (cellId) =>
    Stream.unwrap(Effect.map(this.live(cellId), ({ output }) => output.stream(() => [])))

  // There are no pausable cells.
  readonly awaitFrontier: RemoteSession["awaitFrontier"] = (cellId) =>
    Effect.fail(new Protocol.MissingCell({ cellId, finished: false }))

  readonly resume: RemoteSession["resume"] = (cellId) =>
    Effect.fail(new Protocol.MissingCell({ cellId, finished: false }))

  // ---------------------------------------------------------------------------
  // The session
  // ---------------------------------------------------------------------------

  readonly cells: RemoteSession["cells"] = Effect.sync(() =>
    Array.from(this.cellsByName.values(), ({ id, settled, terminating }) => ({
      cellId: id,
      kind: "continuing",
      status: Deferred.isDoneUnsafe(settled) ? "Settled" : terminating ? "Terminating" : "Running",
      // This version does not say.
      busy: false,
      degraded: false
    }))
  )

  readonly storedValues: RemoteSession["storedValues"] = Effect.die(new Error(unsaid("reading stored values")))

  private command(request: Request, expected: Answer["type"]): Effect.Effect<void, HostFailure> {
    return Effect.suspend(() => {
      const { client } = this.setup
      const answer = Deferred.makeUnsafe<void, HostFailure>()
      client.request((id) => ({ type: "operation/request", id, request }), {
        onResponse: (response) => {
          if (response.type !== "operation/response") {
            return violation(`it answered a request with ${response.type}`)
          }
          const { result } = response
          if (result.status === "ok" && result.value.type !== expected) {
            return violation(`it answered a request with ${result.value.type}`)
          }
          Deferred.doneUnsafe(
            answer,
            result.status === "ok" ? Effect.void : Effect.fail(new HostFailure({ text: result.message }))
          )
          return "done"
        },
        onLost: (failure) => {
          Deferred.doneUnsafe(answer, Effect.fail(failure))
        }
      })
      return within(client, request.method.slice("session/".length))(Deferred.await(answer))
    })
  }

  readonly open: Effect.Effect<void, HostFailure> = Effect.suspend(() => {
    const { granted, limits, storedValues } = this.setup
    if (storedValues !== undefined) {
      return Effect.fail(new HostFailure({ text: unsaid("giving stored values to a session") }))
    }
    if (limits !== undefined && !granted.has("session-cell-execution-resource-limits")) {
      const missing = "missing `session-cell-execution-resource-limits` capability"
      return Effect.fail(
        new HostFailure({ text: `code-mode host does not support session resource limits: ${missing}` })
      )
    }
    return this.command({
      method: "session/open",
      sessionId,
      ...(limits === undefined ? {} : { cellExecutionLimits: { maxHeapSizeBytes: limits.maxHeapSizeBytes } })
    }, "session/ready")
  })

  readonly shutdown: RemoteSession["shutdown"] = Effect.suspend(() =>
    Effect.all([
      this.command({ method: "session/shutdown", sessionId }, "session/closed"),
      this.callbacks.closeAll
    ], { concurrency: "unbounded", discard: true })
  )

  readonly abandon: RemoteSession["abandon"] = Effect.suspend(() => {
    this.cellsByName.forEach((cell) => this.settle(cell, "Failed"))
    return this.callbacks.closeAll
  })
}

/** Opens a session. */
export const open = (setup: Setup): Effect.Effect<RemoteSession, HostFailure> =>
  Effect.suspend(() => {
    const session = new Version1(setup)
    return Effect.as(session.open, session)
  })
