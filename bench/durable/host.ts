/**
 * A host of the proof: it opens sessions, makes and observes cells in them, and tells what it has claimed and appended. The
 * process that starts it speaks to it over its channel, and kills or freezes it as it likes. With a port it is a host of a
 * cluster, and the sessions are asked for as those of a cluster are.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { flushCompileCache } from "node:module"
import * as Delegate from "../../dist/Delegate.js"
import type { Isolate } from "../../dist/Isolate.js"
import * as Protocol from "../../dist/Protocol.js"
import * as Runtime from "../../dist/Runtime.js"
import * as CellRef from "../../dist/session/CellRef.js"
import * as Store from "../../dist/Store.js"
import * as V8 from "../../dist/V8.js"
import { type Break, breaks } from "./Broken.ts"
import type { Answer, Request, Told } from "./Hosts.ts"
import * as Stores from "./Stores.ts"
import { tools } from "./Work.ts"
import * as World from "./World.ts"

const [, , store = "", world = "", lease = "", broken = "", port = ""] = process.argv

const tell = (message: Told | Answer) => {
  if (process.connected) {
    process.send!(message)
  }
}

/** Tells of what this process has claimed, and appended, and when. */
const watched = (store: Store.Store["Service"]): Store.Store["Service"] => ({
  ...store,
  claim: (session, ...rest) =>
    Effect.tap(
      store.claim(session, ...rest),
      (epoch) => Effect.sync(() => tell({ told: "claim", session, epoch, ended: Date.now() }))
    ),
  append: (session, epoch, records, options) =>
    Effect.suspend(() => {
      const began = Date.now()
      return Effect.tap(
        store.append(session, epoch, records, options),
        () => Effect.sync(() => tell({ told: "append", session, epoch, began, records: records.length }))
      )
    })
})

const storeLayer = Layer.effect(
  Store.Store,
  Effect.map(Store.Store, (store) => watched(broken === "" ? store : breaks[broken as Break](store)))
).pipe(Layer.provide(Stores.layer(store)))

const ask = (message: object) =>
  Effect.tryPromise({
    try: (signal) => World.ask(world, message, signal),
    catch: (cause) => new Protocol.ToolError({ text: String(cause) })
  })

const delegate = Delegate.layer({
  tools,
  invokeTool: ({ attempt, cellId, idempotencyKey, input, tool }) =>
    Effect.map(
      ask({ tool, key: idempotencyKey, attempt, cell: cellId, n: (input as { readonly n: number }).n }),
      (answer) => answer as never
    ),
  notify: ({ cellId, sequence }) =>
    Effect.mapError(ask({ cell: cellId, sequence }), ({ text }) => new Protocol.NotifyError({ text }))
})

type Session = Runtime.SessionRuntime["Service"]

interface Open {
  readonly session: Session
  readonly scope: Scope.Closeable
}

const open = new Map<string, Open>()

const close = (name: string) =>
  Effect.suspend(() => {
    const before = open.get(name)
    open.delete(name)
    return before === undefined ? Effect.void : Scope.close(before.scope, Exit.void)
  })

const handle = Effect.fnUntraced(function*(
  request: Request,
  context: Context.Context<Delegate.Delegate | Store.Store | Isolate>
) {
  if (request.op === "open") {
    yield* close(request.session)
    const scope = yield* Scope.make()
    const session = yield* Runtime.makeDurable({
      session: request.session,
      lease: Number(lease),
      idleAfter: "100 millis",
      maxIdleInMemory: 8
    }).pipe(
      Effect.retry({ while: ({ _tag }) => _tag === "SessionTaken", schedule: Schedule.spaced("25 millis") }),
      Effect.provide(context),
      Effect.provideService(Scope.Scope, scope)
    )
    open.set(request.session, { scope, session })
    return null
  }
  if (request.op === "close") {
    return yield* Effect.as(close(request.session), null)
  }
  const session = open.get(request.session)?.session
  if (session === undefined || !(yield* session.isAlive)) {
    return yield* Effect.fail({ message: "lost" })
  }
  switch (request.op) {
    case "create":
      return (yield* session.create({ callId: "c", source: request.source, idempotencyKey: request.key })).id
    case "observe":
      return yield* session.observe(CellRef.continuing(request.cell), {
        yieldAfter: request.wait,
        idempotencyKey: request.key
      })
    case "values":
      return yield* session.storedValues
  }
})

const main = Effect.gen(function*() {
  const context = yield* Layer.build(
    Layer.mergeAll(delegate, storeLayer, V8.layer({ maxLanes: 4, warmLanes: 0, warmIsolates: 1 }))
  )
  process.on("message", (request: Request) => {
    Effect.runCallback(handle(request, context), {
      onExit: (exit) =>
        tell(
          Exit.isSuccess(exit)
            ? { id: request.id, value: exit.value }
            : { id: request.id, error: String(Cause.squash(exit.cause)) }
        )
    })
  })
  tell({ told: "ready" })
  flushCompileCache()
  return yield* Effect.never
})

/** As a host of the cluster that has the store's database. The others need not load what clusters take. */
const clustered = Effect.flatMap(
  Effect.promise(() => import("../../dist/Cluster.js")),
  (Cluster) =>
    Cluster.layerSessions({
      address: { host: "127.0.0.1", port: Number(port) },
      idleAfter: "100 millis",
      maxIdleInMemory: 8
    }).pipe(
      Layer.provide([delegate, storeLayer, V8.layer({ maxLanes: 4, warmLanes: 0, warmIsolates: 1 })]),
      Layer.provide(Stores.clientOf(store)),
      Layer.tap(() => Effect.sync(() => tell({ told: "ready" }))),
      Layer.launch
    )
)

// Without those who started it there is nothing to do.
process.on("disconnect", () => process.exit())
void Effect.runPromise<unknown, unknown>(Effect.scoped(port === "" ? main : clustered))
