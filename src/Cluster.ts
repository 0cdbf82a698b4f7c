/**
 * Sessions that many hosts share: whichever has one, it goes on when that host is gone.
 *
 * **Details**
 *
 * The hosts are runners of Effect Cluster with one database of PostgreSQL. A session is an entity: it lives at one host at a
 * time, from the journal that it has in the `Store`. A host that is killed loses its sessions to others within seconds. One that
 * was frozen, and wakes up, writes nothing into a session that has moved. A session whose cells have not ended moves by
 * itself; nothing has to ask for it.
 *
 * The tools are those of the hosts: each needs the same `Delegate`. A client has a session by its name, as a
 * `SessionRuntime`. It needs the database and a way to the hosts. They trust each other and their clients: keep them in a
 * network of their own.
 *
 * What is below is called unstable by Effect, and so is this module: it may change with Effect's minor versions.
 *
 * **Example** (A host)
 *
 * ```ts
 * import * as PgClient from "@effect/sql-pg/PgClient"
 * import * as Cluster from "effect-code-mode/Cluster"
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Store from "effect-code-mode/Store"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Config from "effect/Config"
 * import * as Layer from "effect/Layer"
 *
 * const database = PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })
 *
 * const host = Cluster.layerSessions({ address: { host: "10.0.0.1", port: 34431 } }).pipe(
 *   Layer.provide([Delegate.layerNoop, V8.layer(), Store.layerPostgres()]),
 *   Layer.provide(database)
 * )
 *
 * const program = Layer.launch(host)
 * ```
 *
 * **Example** (A client)
 *
 * ```ts
 * import * as PgClient from "@effect/sql-pg/PgClient"
 * import * as Cluster from "effect-code-mode/Cluster"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as Config from "effect/Config"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const session = Cluster.layerClient({ session: "user-42" }).pipe(
 *   Layer.provide(Cluster.layerConnection()),
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const runtime = yield* Runtime.SessionRuntime
 *   const { initial } = yield* runtime.execute({ callId: "call-1", source: "text(1)", idempotencyKey: "task-1" })
 *   return yield* initial
 * }).pipe(Effect.provide(session))
 * ```
 *
 * @since 0.1.0
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as ClientSession from "./cluster/ClientSession.ts"
import * as OldMessages from "./cluster/OldMessages.ts"
import { Session } from "./cluster/Requests.ts"
import * as SessionEntity from "./cluster/SessionEntity.ts"
import * as Settings from "./cluster/Settings.ts"
import type { Delegate } from "./Delegate.ts"
import type { Isolate } from "./Isolate.ts"
import { SessionRuntime } from "./Runtime.ts"
import type { Store } from "./Store.ts"

/**
 * The cluster cannot be used: the database cannot be, a port is taken, or no host has answered in time.
 *
 * @category errors
 * @since 0.1.0
 */
export const ClusterFailure = ClientSession.ClusterFailure

/**
 * @category errors
 * @since 0.1.0
 */
export type ClusterFailure = ClientSession.ClusterFailure

// =============================================================================
// Connections
// =============================================================================

/**
 * The way to the hosts of a cluster, for any number of sessions.
 *
 * @category services
 * @since 0.1.0
 */
export class Connection extends Context.Service<Connection, {
  /** A session by its name. It goes on when the scope closes. */
  readonly session: (
    options: ClientOptions
  ) => Effect.Effect<SessionRuntime["Service"], ClusterFailure, Scope.Scope>
}>()("effect-code-mode/Cluster/Connection") {}

/**
 * What hosts and clients of a cluster have to have in common.
 *
 * **Details**
 *
 * - `maxMessageBytes`: the longest message between them. 64 MiB without it.
 * - `sharding`: what is not as here: a host that says nothing for 10 s is gone, and a killed one is missed after some 2 s.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions {
  readonly maxMessageBytes?: number | undefined
  readonly sharding?: Partial<ShardingConfig.ShardingConfig["Service"]> | undefined
}

const mebibyte = 1024 * 1024

const toFailure = (error: unknown) =>
  new ClusterFailure({ text: `the cluster cannot be used: ${error instanceof Error ? error.message : String(error)}` })

const settings = ({ sharding }: ConnectionOptions, more: Partial<ShardingConfig.ShardingConfig["Service"]>) =>
  ShardingConfig.layer({ ...Settings.defaults, ...sharding, ...more })

const serialization = ({ maxMessageBytes }: ConnectionOptions) =>
  RpcSerialization.layerNdjsonWith({ maxBufferSize: maxMessageBytes ?? 64 * mebibyte })

const storage = Layer.mergeAll(
  SqlMessageStorage.layer.pipe(Layer.provide(NodeCrypto.layerDigest)),
  SqlRunnerStorage.layer
)

const connection = Layer.effect(
  Connection,
  Effect.map(Session.client, (client) => Connection.of({ session: (options) => ClientSession.make(client, options) }))
)

/**
 * Connects to the hosts of the cluster that has this database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnection = (
  options: ConnectionOptions = {}
): Layer.Layer<Connection, ClusterFailure, SqlClient> =>
  connection.pipe(
    Layer.provide(SocketRunner.layerClientOnly),
    Layer.provide(NodeClusterSocket.layerClientProtocol),
    Layer.provide(storage),
    Layer.provide([settings(options, { runnerAddress: Option.none() }), serialization(options)]),
    Layer.catch((error) => Layer.effectContext(Effect.fail(toFailure(error))))
  )

// =============================================================================
// Clients
// =============================================================================

/**
 * A session by its name, which has 1 to 255 characters.
 *
 * **Details**
 *
 * `patience` is how long a host may take to answer what can be answered at once, while sessions move, too. 1 minute without
 * it. What waits for a cell may wait for as long as it says besides.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions {
  readonly session: string
  readonly patience?: Duration.Input | undefined
}

/**
 * A session of the cluster. Any number of clients may have it, one after the other or at the same time.
 *
 * **Details**
 *
 * A request or observation with an `idempotencyKey` is carried out once, whatever becomes of its client and of hosts. Without
 * one, it goes on while its client is there, whatever becomes of hosts. What `terminate` and `awaitFrontier` tell of the end of
 * a cell is lost if its host is killed at that moment: `awaitSettled` still tells how the cell has ended.
 *
 * `events` and `activity` go on when the session moves, and tell what cells have done meanwhile. `output` fails with `Lagged`
 * then. Closing the layer's scope ends nothing; `shutdown` ends the cells of the session.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options: ClientOptions): Layer.Layer<SessionRuntime, ClusterFailure, Connection> =>
  Layer.effect(SessionRuntime, Connection.use(({ session }) => session(options)))

// =============================================================================
// Hosts
// =============================================================================

/**
 * What a host listens at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * How a host has its sessions.
 *
 * **Details**
 *
 * - `address`: where the other hosts and clients find it. `listen` is what it listens at, where that is another one.
 * - `restAfter`: a session that nothing has asked for that long, and whose cells have ended, leaves the memory. 1 minute
 *   without it.
 * - `keepMessagesFor`: messages that were answered are removed after this time. 1 day without it.
 * - The others are those of `Runtime.DurableOptions`. Hosts have to agree on them.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostOptions extends ConnectionOptions, SessionEntity.Options {
  readonly address: Address
  readonly listen?: Address | undefined
  readonly keepMessagesFor?: Duration.Input | undefined
}

const toAddress = ({ host, port }: Address) => RunnerAddress.make(host, port)

/**
 * A host: it has its share of the sessions for as long as its scope. It is a connection to the cluster, too.
 *
 * **Details**
 *
 * When its scope closes, its sessions move to other hosts, and observers do not notice. All hosts need the same tools.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSessions = (
  options: HostOptions
): Layer.Layer<Connection, ClusterFailure, Delegate | Isolate | Store | SqlClient> => {
  const { address, keepMessagesFor, listen, maxMessageBytes: _, sharding: __, ...sessions } = options
  return Layer.mergeAll(
    connection,
    SessionEntity.layer(sessions),
    OldMessages.layer(keepMessagesFor ?? "1 day")
  ).pipe(
    Layer.provide(SocketRunner.layer),
    Layer.provide(RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc))),
    Layer.provide([NodeClusterSocket.layerClientProtocol, NodeClusterSocket.layerSocketServer]),
    Layer.provide(storage),
    Layer.provide([
      settings(options, {
        runnerAddress: Option.some(toAddress(address)),
        runnerListenAddress: Option.map(Option.fromUndefinedOr(listen), toAddress)
      }),
      serialization(options)
    ]),
    Layer.catch((error) => Layer.effectContext(Effect.fail(toFailure(error))))
  )
}
