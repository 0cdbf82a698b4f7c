/**
 * The host's side of a connection: the sessions of one client, and what it asks of them.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Remembered } from "../data/Remembered.ts"
import * as Scopeless from "../data/Scopeless.ts"
import { ApprovalWait, Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import * as Protocol from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as CellRef from "../session/CellRef.ts"
import { Delivery } from "../session/Delivery.ts"
import * as Replies from "../session/Replies.ts"
import * as Trace from "../telemetry/Trace.ts"
import * as FirstEvent from "../wire/FirstEvent.ts"
import type { SharedByClients } from "../wire/Serving.ts"
import type { ConnectionError, Transport } from "../wire/Transport.ts"
import * as Link from "./Link.ts"
import * as Rpcs from "./Rpcs.ts"

/** Requests of one client that may be under way, and sessions that it may have. */
const maxRequests = 4096
const maxSessions = 1024

/** A caller that was told something, or waits for it. */
interface Ticket {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly received: Deferred.Deferred<void>
}

interface Session {
  readonly runtime: Runtime.SessionRuntime["Service"]
  /** Under which cells were made. */
  readonly keys: Remembered<string>
  readonly tickets: Map<number, Ticket>
  /** What hears whether a tool call waits for a person, by its callback. */
  readonly approvals: Map<number, typeof ApprovalWait.Service>
}

const refuse = (text: string) => Effect.fail(new Rpcs.Refused({ text }))

/** Serves a client until it leaves. Nothing of it is left then. */
export const serve = Effect.fnUntraced(function*(
  host: SharedByClients,
  transport: Transport
): Effect.fn.Return<void, ConnectionError, Isolate | Scope.Scope> {
  const runFork = Effect.runForkWith(yield* Scopeless.context<Isolate>())
  let isOver = false
  const link = yield* Link.make(transport, {
    peer: "client",
    maxFrameBytes: host.maxFrameBytes,
    tooLong: (text) => ({ _tag: "Refused", text: `the answer is too long: ${text}` }),
    hearsReadersOnly: true,
    gone: Effect.never,
    whyEnded: Effect.void,
    onEnd: () => {
      isOver = true
    }
  })
  const client = yield* Link.makeClient(link, Rpcs.DelegateRpcs)
  const sessions = new Map<number, Session>()
  const ids = new Set<number>()
  let underWay = 0
  let lastCallback = 0

  // ---------------------------------------------------------------------------
  // The client as a delegate
  // ---------------------------------------------------------------------------

  /** A callback at the client. Interrupted, it is over once the client says that it has ended. */
  const call = <A, E>(session: number, ask: (callback: number) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.andThen(
      link.room,
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const callback = ++lastCallback
          const fiber = runFork(ask(callback))
          return Effect.onInterrupt(
            restore(Fiber.join(fiber)),
            () => Effect.andThen(Effect.ignore(client.Cancel({ session, callback })), Fiber.await(fiber))
          )
        })
      )
    )

  const delegateOf = (
    session: number,
    tools: ReadonlyArray<Protocol.ToolDefinition>,
    approvals: Session["approvals"]
  ) =>
    Delegate.of({
      tools,
      invokeTool: (invocation) =>
        Effect.withFiber<Schema.Json, Protocol.ToolError | RpcClientError>((fiber) => {
          const wait = fiber.getRef(ApprovalWait)
          const traced = Trace.member(fiber.context)
          return call(session, (callback) => {
            approvals.set(callback, wait)
            return Effect.ensuring(
              client.InvokeTool({ session, callback, call: invocation, ...traced }),
              Effect.sync(() => approvals.delete(callback))
            )
          })
        }).pipe(
          Effect.catchTag(
            "RpcClientError",
            ({ reason }) => Effect.fail(new Protocol.ToolError({ text: reason.message }))
          )
        ),
      notify: (notification) =>
        call(session, (callback) => client.Notify({ session, callback, notification })).pipe(
          Effect.catchTag(
            "RpcClientError",
            // With the connection its sessions end, and that is all there is to say of it.
            ({ reason }) => isOver ? Effect.never : Effect.fail(new Protocol.NotifyError({ text: reason.message }))
          )
        )
    })

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  const open = Effect.fnUntraced(function*(
    { limits = host.limits, session: id, storedValues, tools, version }: Rpcs.Payload<"Open">
  ) {
    if (version !== Rpcs.version) {
      return yield* refuse(`this host speaks version ${Rpcs.version} of remote sessions, and not ${version}`)
    }
    if (ids.has(id) || ids.size >= maxSessions) {
      return yield* refuse(ids.has(id) ? `session ${id} is open already` : "the host has too many sessions")
    }
    ids.add(id)
    yield* Effect.addFinalizer(() => Effect.sync(() => ids.delete(id)))
    const approvals: Session["approvals"] = new Map()
    const runtime = yield* Runtime.make({ sessionId: String(id), limits, storedValues }).pipe(
      Effect.provideService(Delegate, delegateOf(id, tools, approvals))
    )
    const session: Session = {
      runtime,
      approvals,
      keys: new Remembered(limits.maxRememberedCells),
      tickets: new Map()
    }
    const events = yield* Queue.bounded<Protocol.LifecycleEvent, Protocol.Lagged | Cause.Done>(1)
    yield* Effect.forkScoped(Stream.runIntoQueue(runtime.events, events), { startImmediately: true })
    sessions.set(id, session)
    const leave = host.liveCells.add(runtime)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        sessions.delete(id)
        leave()
        session.tickets.forEach(({ fiber }) => fiber.interruptUnsafe())
      })
    )
    return Stream.concat(Stream.succeed({ _tag: "Opened", limits } as const), Stream.fromQueue(events))
  })

  /** Holds what every request has to. */
  const inSession: Rpcs.InSession["Service"] = (request, { payload, rpc }) =>
    Effect.suspend(() => {
      const { session: id, ticket } = payload as { readonly session: number; readonly ticket?: number }
      const session = sessions.get(id)
      if (session === undefined) {
        return refuse(`unknown session ${id}`)
      }
      // What was received is never too much: it makes room.
      if (rpc._tag === "Received") {
        return request
      }
      if (ticket !== undefined && session.tickets.has(ticket)) {
        return refuse(`ticket ${ticket} is used already`)
      }
      if (underWay >= maxRequests || session.tickets.size >= maxRequests) {
        return refuse("the host has too many requests under way")
      }
      underWay++
      return Effect.ensuring(request, Effect.sync(() => underWay--))
    })

  const inIt = <P extends { readonly session: number }, A, E>(
    run: (session: Session, payload: P) => Effect.Effect<A, E>
  ) =>
  (payload: P): Effect.Effect<A, E> => Effect.suspend(() => run(sessions.get(payload.session)!, payload))

  /** Asks a session once the client has read enough of what it was told before. */
  const inRoom = <A, E>(effect: Effect.Effect<A, E>) => Effect.andThen(link.room, effect)

  /** Asks something that a cell tells, and that is heard once the client says so. */
  const telling = <P extends { readonly session: number; readonly ticket: number }, A, E>(
    ask: (runtime: Session["runtime"], payload: P) => Effect.Effect<A, E>
  ) =>
    inIt((session, payload: P) => {
      const answer = Deferred.makeUnsafe<A, E>()
      const received = Deferred.makeUnsafe<void>()
      const deliver = (event: unknown) =>
        Effect.suspend(() => {
          Deferred.doneUnsafe(answer, Effect.succeed(event as A))
          return Deferred.await(received)
        })
      const fiber = runFork(
        Effect.provideService(ask(session.runtime, payload), Delivery, deliver)
      )
      session.tickets.set(payload.ticket, { fiber, received })
      fiber.addObserver((exit) => {
        session.tickets.delete(payload.ticket)
        Deferred.doneUnsafe(answer, exit)
      })
      return Deferred.await(answer)
    })

  const create = inIt(({ keys, runtime }, { kind, request, traceparent }: Rpcs.Payload<"Create">) =>
    Effect.flatMap(host.liveCells.isFull, (isFull) => {
      const { idempotencyKey: key } = request
      const isKnown = key !== undefined && keys.has(key)
      // A request that comes again may find its cell.
      if (isFull && !isKnown) {
        return Effect.fail(
          new Protocol.CapacityExceeded({ limit: "maxLiveCells", text: "the host has too many live cells" })
        )
      }
      if (key !== undefined) {
        keys.set(key, true)
      }
      const made: Effect.Effect<Runtime.Cell | Runtime.PausableCell, Runtime.CreateError> = kind === "continuing"
        ? runtime.create(request)
        : runtime.createPausable(request)
      return Effect.onError(
        Trace.below(host.liveCells.start(Effect.map(made, ({ id }) => id)), traceparent),
        () => Effect.sync(() => key !== undefined && !isKnown && keys.delete(key))
      )
    })
  )

  const shutdown = inIt((session) => {
    // No caller will come back for what was told.
    session.tickets.forEach(({ received }) => Deferred.doneUnsafe(received, Effect.void))
    return session.runtime.shutdown
  })

  yield* RpcServer.make(Rpcs.SessionRpcs, { disableTracing: true, disableFatalDefects: true }).pipe(
    Effect.provide(Rpcs.SessionRpcs.toLayer({
      Open: (request) => Stream.unwrap(open(request)),
      Create: create,
      Observe: telling((runtime, { cellId, firstOf, idempotencyKey, yieldAfter }) =>
        inRoom(
          firstOf === undefined
            ? runtime.observe(CellRef.continuing(cellId), { yieldAfter, idempotencyKey })
            : FirstEvent.observe(runtime, cellId, firstOf, yieldAfter)
        )
      ),
      AwaitFrontier: telling((runtime, { cellId }) => inRoom(runtime.awaitFrontier(CellRef.pausable(cellId)))),
      Terminate: telling((runtime, { cellId }) => runtime.terminate(CellRef.continuing(cellId))),
      Received: inIt(({ tickets }, { heard, ticket }) =>
        Effect.sync(() => {
          const told = tickets.get(ticket)
          if (told !== undefined && heard) {
            Deferred.doneUnsafe(told.received, Effect.void)
          } else {
            told?.fiber.interruptUnsafe()
          }
        })
      ),
      Resume: inIt(({ runtime }, { cellId, generation }) => runtime.resume(CellRef.pausable(cellId), generation)),
      YieldNow: inIt(({ runtime }, { cellId }) => runtime.yieldNow(CellRef.continuing(cellId))),
      Find: inIt(({ runtime }, { cellId, kind }) => {
        const find: Session["runtime"]["cell" | "pausableCell"] =
          runtime[kind === "continuing" ? "cell" : "pausableCell"]
        return Effect.asVoid<unknown, Protocol.MissingCell | Protocol.WrongCellKind, never>(find(cellId))
      }),
      Cells: inIt(({ runtime }) => Effect.map(runtime.cells, Replies.toCells)),
      AwaitSettled: inIt(({ runtime }, { cellId }) => runtime.awaitSettled(cellId)),
      StoredValues: inIt(({ runtime }) => inRoom(runtime.storedValues)),
      Output: ({ cellId, session }) =>
        Stream.suspend(() => sessions.get(session)!.runtime.output(CellRef.continuing(cellId))),
      AwaitsApproval: inIt(({ approvals }, { awaits, callback }) =>
        Effect.sync(() => {
          const wait = approvals.get(callback)
          return awaits ? wait?.began("within") : wait?.ended(true)
        })
      ),
      Shutdown: shutdown
    })),
    Effect.provideService(Rpcs.InSession, inSession),
    Effect.provideService(RpcServer.Protocol, link.server),
    Effect.forkScoped({ startImmediately: true })
  )
  return yield* link.ended
})
