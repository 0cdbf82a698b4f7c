/**
 * A `SessionRuntime` whose cells live in a cluster.
 *
 * **Details**
 *
 * It knows nothing of where the session is. What it asks is asked again until a host has answered, or its time is over.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type {
  AlreadyProcessingMessage,
  EntityNotAssignedToRunner,
  MailboxFull,
  PersistenceError
} from "effect/cluster/ClusterError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type { RpcClient } from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Scopeless from "../data/Scopeless.ts"
import * as Protocol from "../Protocol.ts"
import { type KeyedObserveOptions, SessionRuntime } from "../Runtime.ts"
import * as CellRef from "../session/CellRef.ts"
import * as Replies from "../session/Replies.ts"
import { Unreachable } from "../session/Unreachable.ts"
import * as YieldAfter from "../session/YieldAfter.ts"
import { maxNameLength, type Session } from "./Requests.ts"

/** No host of the cluster has answered. */
export class ClusterFailure
  extends Schema.TaggedError<ClusterFailure>("effect-code-mode/Cluster/ClusterFailure")("ClusterFailure", {
    text: Schema.String
  })
{
  override get message() {
    return this.text
  }
}

type Unsent = MailboxFull | AlreadyProcessingMessage | PersistenceError | EntityNotAssignedToRunner

type Rpcs = typeof Session extends { readonly protocol: RpcGroup.RpcGroup<infer R> } ? R : never

export type Client = (session: string) => RpcClient.From<Rpcs, Unsent>

type EventOf<Tag extends string> = Rpc.SuccessChunk<Rpc.ExtractTag<Rpcs, Tag>>

export interface Options {
  readonly session: string
  readonly patience?: Duration.Input | undefined
}

/** The host has left while it was asked. */
class Left {
  readonly _tag = "Left"
}

const unsent = new Set([
  "MailboxFull",
  "AlreadyProcessingMessage",
  "PersistenceError",
  "EntityNotAssignedToRunner",
  "Left"
])

const isUnsent = (error: unknown): error is Unsent | Left =>
  typeof error === "object" && error !== null && "_tag" in error && unsent.has(error._tag as string)

/** A host that leaves interrupts what it was asked. The interruption of the caller itself is not caught. */
const orLeft = <E>(cause: Cause.Cause<E>): Effect.Effect<never, E | Left> =>
  Cause.hasInterruptsOnly(cause) ? Effect.fail(new Left()) : Effect.failCause(cause)

const again = Schedule.jittered(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]))

/** Makes a client of a session. The session goes on when its scope closes. */
export const make = Effect.fnUntraced(function*(
  client: Client,
  options: Options
): Effect.fn.Return<SessionRuntime["Service"], ClusterFailure, Scope.Scope> {
  const { session } = options
  const patience = Duration.fromInputUnsafe(options.patience ?? "1 minute")
  if (session === "" || session.length > maxNameLength) {
    return yield* new ClusterFailure({ text: `the name of a session has 1 to ${maxNameLength} characters` })
  }
  const rpc = client(session)
  const runFork = Effect.runForkWith(yield* Scopeless.context<Scope.Scope>())
  let isClosed = false

  const asking = <A, E>(
    request: Effect.Effect<A, E>,
    wait: Duration.Duration = Duration.zero
  ): Effect.Effect<A, Exclude<E, Unsent> | ClusterFailure> => {
    const sent = Effect.retry(Effect.catchCause(request, orLeft), {
      while: isUnsent,
      schedule: again
    }) as Effect.Effect<
      A,
      Exclude<E, Unsent>
    >
    return Duration.isFinite(wait)
      ? Effect.timeoutOrElse(sent, {
        duration: Duration.sum(wait, patience),
        orElse: () =>
          Effect.fail(
            new ClusterFailure({
              text: `no host has answered for session ${session} within ${Duration.format(patience)}`
            })
          )
      })
      : sent
  }

  /** Something of a cell, whose caller hears that it cannot be had. */
  const ofCell = <A, E>(
    cellId: Protocol.CellId,
    request: Effect.Effect<A, E>,
    wait?: Duration.Duration
  ): Effect.Effect<A, Exclude<E, Unsent> | Protocol.MissingCell> =>
    Effect.suspend((): Effect.Effect<A, Exclude<E, Unsent> | Protocol.MissingCell> =>
      isClosed
        ? Effect.fail(new Protocol.MissingCell({ cellId, finished: true }))
        : Effect.mapError(asking(request, wait), (error) =>
          error instanceof ClusterFailure
            ? new Unreachable({ cellId, finished: false, text: error.text })
            : error)
    )

  /** Something of the session, whose answer is all that there is. */
  const ofSession = <A>(request: Effect.Effect<A, Unsent>) => Effect.orDie(asking(request))

  const described = yield* asking(rpc.Describe())
  let { instructions, tools } = described

  const describe = Effect.tap(
    Effect.catch(asking(rpc.Describe()), () => Effect.succeed(described)),
    (now) =>
      Effect.sync(() => {
        instructions = now.instructions
        tools = now.tools
      })
  )

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  const terminate = (cellId: Protocol.CellId) =>
    Effect.suspend(() => ofCell(cellId, rpc.Terminate({ key: randomUUID(), cellId })))

  const create = (kind: Protocol.CellKind, request: Protocol.CellRequest) =>
    Effect.suspend(() => {
      if (isClosed) {
        return Effect.fail(new Protocol.ShuttingDown())
      }
      const made = Deferred.makeUnsafe<Protocol.CellId, Rpc.Error<Rpc.ExtractTag<Rpcs, "Create">> | ClusterFailure>()
      const making = runFork(Deferred.into(asking(rpc.Create({ key: randomUUID(), kind, request })), made))
      return Deferred.await(made).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            // A cell that was made under a key is there for the next request with it.
            if (request.idempotencyKey === undefined) {
              making.addObserver(() => runFork(Effect.ignore(Effect.flatMap(Deferred.await(made), terminate))))
            }
          })
        ),
        Effect.mapError((error) =>
          error instanceof ClusterFailure ? new Protocol.IsolateFailure({ text: error.text }) : error
        )
      )
    })

  const observe = (
    cellId: Protocol.CellId,
    options: KeyedObserveOptions | undefined,
    firstOf?: Protocol.CellRequest
  ) =>
    Effect.suspend(() => {
      const yieldAfter = YieldAfter.of(options)
      const key = randomUUID()
      const of = options?.idempotencyKey !== undefined
        ? { idempotencyKey: options.idempotencyKey }
        : firstOf?.idempotencyKey !== undefined
        ? { request: firstOf }
        : undefined
      return ofCell(
        cellId,
        of === undefined
          ? rpc.ObserveAttached({ key, cellId, yieldAfter })
          : rpc.Observe({ key, cellId, yieldAfter, of }),
        yieldAfter
      )
    })

  // ---------------------------------------------------------------------------
  // What happens
  // ---------------------------------------------------------------------------

  /** The event of a cell that has settled. Of one that is not known any more, it is not known how. */
  const settled = (cellId: Protocol.CellId): Effect.Effect<Protocol.ActivityEvent> =>
    ofCell(cellId, rpc.AwaitSettled({ cellId })).pipe(
      Effect.orElseSucceed(() => "Failed" as const),
      Effect.map((outcome) => ({ _tag: "Settled", cellId, outcome }))
    )

  /**
   * What happens, as one reader hears it. After the session has moved, the reader is told what it has missed of cells; of
   * calls it has missed what was said meanwhile.
   */
  const events = (calls: boolean) =>
    Stream.suspend(() => {
      /** Live cells, and whether they are settled. */
      let live: Map<Protocol.CellId, boolean> | undefined

      const missed = Effect.fnUntraced(function*(now: Map<Protocol.CellId, boolean>) {
        const before = live ?? now
        live = now
        const told: Array<Protocol.ActivityEvent> = []
        for (const [cellId, wasSettled] of before) {
          if (!wasSettled && now.get(cellId) !== false) {
            told.push(yield* settled(cellId))
          }
          if (!now.has(cellId)) {
            told.push({ _tag: "Closed", cellId })
          }
        }
        for (const [cellId, isSettled] of now) {
          if (!before.has(cellId)) {
            told.push({ _tag: "Admitted", cellId })
            if (isSettled) {
              told.push(yield* settled(cellId))
            }
          }
        }
        return told
      })

      /** Nothing is said twice. */
      const isNews = (event: Protocol.ActivityEvent): boolean => {
        const known = live!
        switch (event._tag) {
          case "Admitted": {
            const isNew = !known.has(event.cellId)
            known.set(event.cellId, known.get(event.cellId) ?? false)
            return isNew
          }
          case "Settled": {
            const isNew = known.get(event.cellId) === false
            known.set(event.cellId, true)
            return isNew
          }
          case "Closed":
            return known.delete(event.cellId)
          default:
            return true
        }
      }

      return streamed(rpc.Events({ calls })).pipe(
        Stream.mapEffect((event: EventOf<"Events">): Effect.Effect<ReadonlyArray<Protocol.ActivityEvent>> =>
          event._tag === "LiveCells"
            ? missed(new Map(event.cells.map(({ cellId, isSettled }) => [cellId, isSettled])))
            : Effect.sync(() => isNews(event) ? [event] : [])
        ),
        Stream.flattenIterable
      )
    })

  const closing = Deferred.makeUnsafe<void>()

  /** A stream of a host; the next host goes on with it. It ends with the client. */
  const streamed = <A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, Exclude<E, Unsent>> =>
    Stream.interruptWhen(
      Stream.retry(
        Stream.catchCause(stream, (cause) => Stream.fromEffect(orLeft(cause))),
        Schedule.while(again, ({ input }) => Effect.succeed(isUnsent(input)))
      ) as Stream.Stream<
        A,
        Exclude<E, Unsent>
      >,
      Deferred.await(closing)
    )

  const close = Effect.sync(() => {
    isClosed = true
    Deferred.doneUnsafe(closing, Effect.void)
  })

  yield* Effect.addFinalizer(() => close)

  return SessionRuntime.of({
    create: (request) => Effect.map(create("continuing", request), CellRef.continuing),
    createPausable: (request) => Effect.map(create("pausable", request), CellRef.pausable),
    execute: (request, options) =>
      Effect.map(create("continuing", request), (cellId) => ({
        cell: CellRef.continuing(cellId),
        initial: observe(cellId, options, request)
      })),
    observe: ({ id }, options) => observe(id, options),
    awaitFrontier: ({ id }) =>
      Effect.suspend(() => ofCell(id, rpc.AwaitFrontier({ key: randomUUID(), cellId: id }), Duration.infinity)),
    resume: ({ id }, generation) =>
      Effect.suspend(() => ofCell(id, rpc.Resume({ key: randomUUID(), cellId: id, generation }))),
    terminate: ({ id }) => terminate(id),
    yieldNow: ({ id }) => ofCell(id, rpc.YieldNow({ cellId: id })),
    cell: (id) => Effect.as(ofCell(id, rpc.Find({ cellId: id, kind: "continuing" })), CellRef.continuing(id)),
    pausableCell: (id) => Effect.as(ofCell(id, rpc.Find({ cellId: id, kind: "pausable" })), CellRef.pausable(id)),
    cells: Effect.suspend(() => isClosed ? Effect.succeed([]) : Effect.map(ofSession(rpc.Cells()), Replies.fromCells)),
    awaitSettled: (id) => ofCell(id, rpc.AwaitSettled({ cellId: id }), Duration.infinity),
    ledger: (id) => ofCell(id, rpc.Ledger({ cellId: id })),
    tools: Effect.map(describe, () => tools),
    instructions: Effect.map(describe, () => new Map(instructions)),
    limits: described.limits,
    storedValues: ofSession(rpc.StoredValues()),
    events: Stream.filter(
      events(false),
      (event): event is Protocol.LifecycleEvent => Schema.is(Protocol.LifecycleEvent)(event)
    ),
    activity: events(true),
    output: ({ id }) =>
      Stream.suspend(() => {
        let hasBegun = false
        return streamed(rpc.Output({ cellId: id })).pipe(
          Stream.mapEffect((item: EventOf<"Output">) => {
            if (!("_tag" in item)) {
              return Effect.succeed([item])
            }
            // What comes next may have been said by the host before, or may have been missed.
            const isAgain = hasBegun
            hasBegun = true
            return isAgain ? Effect.fail(new Protocol.Lagged({ capacity: 0 })) : Effect.succeed([])
          }),
          Stream.flattenIterable
        )
      }),
    shutdown: Effect.suspend(() =>
      isClosed
        ? Effect.void
        : Effect.andThen(close, Effect.ignore(asking(rpc.Shutdown({ key: randomUUID() }))))
    ),
    isAlive: Effect.sync(() => !isClosed)
  })
})
