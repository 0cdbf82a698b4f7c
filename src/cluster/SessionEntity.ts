/**
 * A session of a cluster at the host that has it.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Entity from "effect/cluster/Entity"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import type { Sharding } from "effect/cluster/Sharding"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import type * as Protocol from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import { Attached } from "../session/Attached.ts"
import * as CellRef from "../session/CellRef.ts"
import * as Replies from "../session/Replies.ts"
import { Store } from "../Store.ts"
import * as FirstEvent from "../wire/FirstEvent.ts"
import * as HeldSession from "./HeldSession.ts"
import { Session } from "./Requests.ts"

/** What sessions are opened with, and how long one without work stays at its host. */
export interface Options extends Omit<Runtime.DurableOptions, "session" | "lease" | "owner"> {
  readonly restAfter?: Duration.Input | undefined
}

/** What the names of owners begin with that are hosts of a cluster. */
const hostPrefix = "cluster host "

/**
 * A store in which a session stays with the hosts of a cluster until it rests: no lease ends, and nothing else can take it
 * meanwhile. Of two hosts, the one that has the shard has the session, and the epoch keeps out the one that has had it.
 */
const ofCluster = (store: Store["Service"]): Store["Service"] => ({
  ...store,
  claim: (session, owner) =>
    Effect.catchTag(
      store.claim(session, owner, Duration.infinity),
      "SessionTaken",
      (taken) =>
        taken.owner.startsWith(hostPrefix)
          ? store.claim(session, owner, Duration.infinity, { insteadOf: taken.owner })
          : Effect.fail(taken)
    )
})

export const layer = (
  { restAfter, ...options }: Options
): Layer.Layer<never, never, Sharding | RunnerStorage | Delegate | Isolate | Store> =>
  Session.toLayer(
    Effect.gen(function*() {
      const address = yield* Entity.CurrentAddress
      const runner = yield* Entity.CurrentRunnerAddress
      const runners = yield* RunnerStorage
      const context = yield* Effect.context<Sharding | Entity.CurrentAddress>()

      const held = yield* HeldSession.make({
        session: address.entityId,
        isOurs: runners.refresh(runner, [address.shardId]).pipe(
          Effect.map((ours) => ours.some((shard) => Equal.equals(shard, address.shardId))),
          Effect.timeout("5 seconds"),
          Effect.catchCause(() => Effect.succeed(false))
        ),
        open: Effect.provideServiceEffect(
          Runtime.makeDurable({
            ...options,
            session: address.entityId,
            owner: `${hostPrefix}${runner.host}:${runner.port}`,
            lease: 0
          }),
          Store,
          Effect.map(Store, ofCluster)
        ),
        keepAwake: (isAwake) => Effect.provideContext(Entity.keepAlive(isAwake), context)
      })

      const stayAwake = Effect.flatMap(held.opening, ({ stayAwake }) => stayAwake)

      /** What happens, from the next opening on, too. */
      const events = (calls: boolean): Stream.Stream<
        Protocol.ActivityEvent | {
          readonly _tag: "LiveCells"
          readonly cells: ReadonlyArray<{ readonly cellId: Protocol.CellId; readonly isSettled: boolean }>
        },
        Protocol.Lagged
      > =>
        Stream.unwrap(Effect.gen(function*() {
          const { lost, runtime } = yield* held.opening
          const queue = yield* Queue.bounded<Protocol.ActivityEvent, Protocol.Lagged | Cause.Done>(1)
          yield* Effect.forkScoped(
            Stream.runIntoQueue<Protocol.ActivityEvent, Protocol.Lagged, never>(
              calls ? runtime.activity : runtime.events,
              queue
            ),
            { startImmediately: true }
          )
          const cells = yield* runtime.cells
          return Stream.succeed({
            _tag: "LiveCells" as const,
            cells: cells.map(({ cell, status }) => ({ cellId: cell.id, isSettled: status === "Settled" }))
          }).pipe(
            Stream.concat(Stream.fromQueue(queue)),
            Stream.concat(Stream.unwrap(Effect.map(lost, () => events(calls))))
          )
        }))

      return Session.of({
        Create: ({ payload: { key, kind, request } }) => {
          // Carried out again, it finds the cell that it has made.
          const known = { ...request, idempotencyKey: request.idempotencyKey ?? key }
          return held.use((runtime): Effect.Effect<Runtime.Cell | Runtime.PausableCell, Runtime.CreateError> =>
            kind === "continuing" ? runtime.create(known) : runtime.createPausable(known)
          ).pipe(
            Effect.map(({ id }) => id),
            Effect.tap(stayAwake)
          )
        },
        Observe: ({ payload: { cellId, of, yieldAfter } }) =>
          held.use((runtime) =>
            "request" in of
              ? FirstEvent.observe(runtime, cellId, of.request, yieldAfter)
              : runtime.observe(CellRef.continuing(cellId), { ...of, yieldAfter })
          ),
        ObserveAttached: ({ payload: { cellId, key, yieldAfter } }) =>
          Effect.provideService(
            held.use((runtime) => runtime.observe(CellRef.continuing(cellId), { idempotencyKey: key, yieldAfter })),
            Attached,
            true
          ),
        AwaitFrontier: ({ payload: { cellId } }) =>
          held.use((runtime) => runtime.awaitFrontier(CellRef.pausable(cellId))),
        Terminate: ({ payload: { cellId } }) => held.use((runtime) => runtime.terminate(CellRef.continuing(cellId))),
        Resume: ({ payload: { cellId, generation } }) =>
          held.use((runtime) => runtime.resume(CellRef.pausable(cellId), generation)),
        Shutdown: () => held.use((runtime) => runtime.shutdown),
        Describe: () =>
          held.look((runtime) =>
            Effect.map(Effect.all([runtime.tools, runtime.instructions]), ([tools, instructions]) => ({
              limits: runtime.limits,
              tools,
              instructions: Array.from(instructions)
            }))
          ),
        YieldNow: ({ payload: { cellId } }) => held.use((runtime) => runtime.yieldNow(CellRef.continuing(cellId))),
        Find: ({ payload: { cellId, kind } }) =>
          held.use((runtime) =>
            Effect.asVoid<unknown, Protocol.MissingCell | Protocol.WrongCellKind, never>(
              kind === "continuing" ? runtime.cell(cellId) : runtime.pausableCell(cellId)
            )
          ),
        Cells: () => held.look((runtime) => Effect.map(runtime.cells, Replies.toCells)),
        AwaitSettled: ({ payload: { cellId } }) => held.use((runtime) => runtime.awaitSettled(cellId)),
        Ledger: ({ payload: { cellId } }) => held.use((runtime) => runtime.ledger(cellId)),
        StoredValues: () => held.look((runtime) => runtime.storedValues),
        Events: ({ payload: { calls } }) => events(calls),
        Output: ({ payload: { cellId } }) =>
          Stream.concat(
            Stream.succeed({ _tag: "Begins" as const }),
            Stream.unwrap(
              Effect.map(held.opening, ({ runtime }) => runtime.output(CellRef.continuing(cellId)))
            )
          )
      })
    }),
    { concurrency: "unbounded", ...(restAfter === undefined ? {} : { maxIdleTime: restAfter }) }
  )
