/** A session at a host that speaks version 1 of the wire protocol, as far as the contract needs it. */
import { Delegate } from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import { SessionRuntime } from "effect-code-mode/Runtime"
import * as CellRef from "effect-code-mode/session/CellRef"
import type * as Message from "effect-code-mode/wire/Message"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Client, tool } from "../host/Client.ts"

/** As good as for ever, and still a time that every host can count to. */
const foreverMillis = 2 ** 31 - 10_000

/** How long callbacks of a cell that is terminated may take to end. */
const grace = "100 millis"

const unsaid = Effect.die(new Error("version 1 has no words for this"))

interface State {
  /** What the host said and nobody has heard, or will say to a request that was taken back. */
  left: Effect.Effect<Protocol.CellEvent | undefined>
  observed: boolean
  terminating: boolean
  /** Callbacks that have not ended. */
  readonly callbacks: Set<Latch.Latch>
}

const toEvent = (response: Message.CellResponse): Protocol.CellEvent => {
  if ("Result" in response) {
    const { cell_id, content_items: items, error_text: text } = response.Result
    const cellId = Protocol.CellId.make(cell_id)
    return { _tag: "Completed", cellId, items, ...(text === null ? {} : { error: { _tag: "ScriptError", text } }) }
  }
  const [_tag, said] = "Yielded" in response
    ? ["Yielded" as const, response.Yielded]
    : ["Terminated" as const, response.Terminated]
  return { _tag, cellId: Protocol.CellId.make(said.cell_id), items: said.content_items }
}

/** What is asked of a client that has shaken hands. */
export type Words = Pick<Client, "serve" | "answer" | "initial" | "askExecute" | "askWait"> & {
  readonly open: () => Effect.Effect<unknown>
  readonly shutdown: () => Effect.Effect<unknown>
  readonly ask: (
    request: { readonly method: "session/terminate"; readonly sessionId: string; readonly cellId: string }
  ) => number
  readonly send: (message: { readonly type: "operation/cancel"; readonly id: number }) => void
}

export const make = Effect.fnUntraced(function*(
  client: Words
): Effect.fn.Return<SessionRuntime["Service"], never, Delegate | Scope.Scope> {
  const delegate = yield* Delegate
  const states = new Map<string, State>()
  const closing = Deferred.makeUnsafe<void>()
  let alive = true

  const state = (id: string): State => {
    const known = states.get(id) ?? {
      left: Effect.succeed(undefined),
      observed: false,
      terminating: false,
      callbacks: new Set()
    }
    states.set(id, known)
    return known
  }

  const noting = <A, E>(cellId: string, callback: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const ended = Latch.makeUnsafe()
      const { callbacks } = state(cellId)
      callbacks.add(ended)
      return Effect.ensuring(
        callback,
        Effect.sync(() => {
          callbacks.delete(ended)
          ended.openUnsafe()
        })
      )
    })

  client.serve({
    tools: [],
    invokeTool: (call) =>
      noting(call.cellId, delegate.invokeTool(call)).pipe(
        Effect.catchDefect(() => Effect.fail(new Protocol.ToolError({ text: "code mode tool task panicked" })))
      ),
    notify: (notification) => noting(notification.cellId, delegate.notify(notification))
  })
  yield* client.open()

  const missing = (cellId: Protocol.CellId) => new Protocol.MissingCell({ cellId, finished: true })

  /** The answer to a wait or a termination. */
  const read = (cellId: Protocol.CellId, id: number) =>
    Effect.flatMap(
      client.answer(id),
      (answer): Effect.Effect<
        Protocol.CellEvent,
        Protocol.MissingCell | Protocol.BusyObserver | Protocol.AlreadyTerminating
      > => {
        if (answer.status === "ok" && answer.value.type === "wait/completed") {
          const { outcome } = answer.value
          return "LiveCell" in outcome ? Effect.succeed(toEvent(outcome.LiveCell)) : Effect.fail(missing(cellId))
        }
        const text = answer.status === "error" ? answer.message : answer.value.type
        return text.endsWith("already has an active observer")
          ? Effect.fail(new Protocol.BusyObserver({ cellId }))
          : text.endsWith("is already terminating")
          ? Effect.fail(new Protocol.AlreadyTerminating({ cellId }))
          : Effect.die(new Error(text))
      }
    )

  /** Hears what `answer` will be; if its caller goes away, the next one does. */
  const hear = <E>(
    of: State,
    answer: Effect.Effect<Protocol.CellEvent, E>,
    takeBack: () => void
  ): Effect.Effect<Protocol.CellEvent, E> =>
    Effect.onInterrupt(answer, () =>
      Effect.sync(() => {
        takeBack()
        of.left = Effect.map(Effect.exit(answer), (exit) => Exit.isSuccess(exit) ? exit.value : undefined)
      }))

  const observe = Effect.fnUntraced(function*(cellId: Protocol.CellId, wait: Duration.Duration) {
    const of = state(cellId)
    if (!alive) {
      return yield* missing(cellId)
    }
    if (of.observed) {
      return yield* new Protocol.BusyObserver({ cellId })
    }
    of.observed = true
    const { left } = of
    return yield* Effect.gen(function*() {
      const event = yield* left
      of.left = Effect.succeed(undefined)
      if (event !== undefined) {
        return event
      }
      const id = client.askWait(cellId, Math.min(Duration.toMillis(wait), foreverMillis))
      return yield* hear(
        of,
        read(cellId, id),
        () => client.send({ type: "operation/cancel", id })
      ) as Effect.Effect<Protocol.CellEvent, Protocol.MissingCell | Protocol.BusyObserver>
    }).pipe(Effect.ensuring(Effect.sync(() => {
      of.observed = false
    })))
  })

  const terminate = Effect.fnUntraced(function*(cellId: Protocol.CellId) {
    const of = state(cellId)
    if (!alive || of.terminating) {
      return yield* (alive ? new Protocol.AlreadyTerminating({ cellId }) : missing(cellId))
    }
    of.terminating = true
    const id = client.ask({ method: "session/terminate", sessionId: "s", cellId })
    return yield* read(cellId, id).pipe(
      Effect.tap(() =>
        Effect.timeoutOption(Effect.forEach(of.callbacks, (ended) => ended.await, { discard: true }), grace)
      ),
      Effect.ensuring(Effect.sync(() => {
        of.terminating = false
      }))
    ) as Effect.Effect<Protocol.Outcome, Protocol.MissingCell | Protocol.AlreadyTerminating>
  })

  const shutdown = Effect.suspend(() => {
    if (alive) {
      alive = false
      Effect.runFork(Deferred.into(client.shutdown(), closing as Deferred.Deferred<unknown>))
    }
    return Deferred.await(closing)
  })
  yield* Effect.addFinalizer(() => shutdown)

  return SessionRuntime.of({
    execute: Effect.fnUntraced(function*(request, options) {
      if (!alive) {
        return yield* new Protocol.ShuttingDown()
      }
      const wait = options?.yieldAfter === undefined ? foreverMillis : Duration.toMillis(options.yieldAfter)
      const id = client.askExecute(request.source, {
        callId: request.callId,
        tools: (request.tools ?? delegate.tools).map(({ name }) => tool(name)),
        yieldTime: wait
      })
      const started = yield* client.answer(id)
      if (started.status !== "ok" || started.value.type !== "execution/started") {
        return yield* new Protocol.IsolateFailure({ text: JSON.stringify(started) })
      }
      const cellId = Protocol.CellId.make(started.value.cellId)
      const event = Effect.flatMap(
        client.initial(id),
        (response) =>
          response.status === "ok" ? Effect.succeed(toEvent(response.value)) : Effect.die(new Error(response.message))
      )
      return {
        cell: CellRef.continuing(cellId),
        initial: hear(state(cellId), event, () => {})
      }
    }),
    observe: (cell, options) =>
      observe(
        cell.id,
        options?.yieldAfter === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.yieldAfter)
      ),
    terminate: (cell) => terminate(cell.id),
    cell: (id) => Effect.fail(missing(id)),
    cells: Effect.suspend(() => alive ? unsaid : Effect.succeed([])),
    shutdown,
    isAlive: Effect.sync(() => alive),
    create: () => unsaid,
    createPausable: () => unsaid,
    awaitFrontier: () => unsaid,
    resume: () => unsaid,
    yieldNow: () => unsaid,
    pausableCell: () => unsaid,
    awaitSettled: () => unsaid,
    ledger: () => unsaid,
    tools: unsaid,
    instructions: unsaid,
    limits: Protocol.Limits.make({}),
    storedValues: unsaid,
    events: Stream.fromEffect(unsaid),
    activity: Stream.fromEffect(unsaid),
    output: () => Stream.fromEffect(unsaid)
  })
})
