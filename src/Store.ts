/**
 * Where what happens in a session is kept, so that its cells outlive their process.
 *
 * **Details**
 *
 * A session has a journal: records in the order in which they were appended. It belongs to one owner at a time, and each
 * claim of it has an epoch that is greater than all before. An append with an older epoch is refused, so an owner that
 * was frozen and wakes up writes nothing into a session that another one has taken over.
 *
 * `layerSqlite` keeps journals in one file, for all processes of a machine, `layerPostgres` in a database, for all of its
 * clients. `layerMemory` keeps them in this process.
 *
 * **Example** (The sessions of a file)
 *
 * ```ts
 * import * as Store from "effect-code-mode/Store"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Store.Store
 *   return yield* store.list
 * }).pipe(Effect.provide(Store.layerSqlite({ filename: "sessions.db" })))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import type { StoreFailure } from "./Protocol.ts"
import type * as Append from "./store/Append.ts"
import type * as Contract from "./store/Contract.ts"
import * as MemoryStore from "./store/MemoryStore.ts"
import * as Record_ from "./store/Record.ts"
import * as Retention_ from "./store/Retention.ts"
import * as Sealing from "./store/Sealing.ts"
import * as SqliteStore from "./store/SqliteStore.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * What a journal says of the cells of a session, record by record.
 *
 * **Details**
 *
 * Of the session:
 *
 * - `Opened`: what the ids of its cells are made from. It is written once.
 * - `Tools`: a list of tools, under a number. It is written once, and cells name the number.
 * - `Values`: all stored values at a version. It takes the place of every `Stored` and `Values` up to this version.
 *
 * Of a cell:
 *
 * - `Created`: its request, and what its run depends on besides: its tools, the engine, the seed of its random numbers, and
 *   the version of the stored values that it sees.
 * - `Turn`: the script went on, at this time, because calls were answered or a timer was due.
 * - `Called`, `Output`, `Yielded`, `Notified`, `Frontier`: what the script did in a turn.
 * - `Asked`: a call waits for an approval, and nothing is done yet. `Attempted`: its tool begins, then or once more.
 *   `Answered`: what came of it. `Delivered`: a notification has arrived.
 * - `Resumed`: a pausable cell was told to go on from a frontier.
 * - `Heard`: an observer got the items `from` up to `to` of its output, and an event.
 * - `Stored`: what it has stored, and the version of the session's values with it. It is appended together with `Settled`.
 * - `Settled`: how it ended.
 *
 * A `Sealed` record is another one, encrypted.
 *
 * @category models
 * @since 0.1.0
 */
export const Record = Record_.Record

/**
 * @category models
 * @since 0.1.0
 */
export type Record = Record_.Record

/**
 * The records of a session, in the order in which they were appended. A session that is not there has none.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionJournal = Contract.SessionJournal

/**
 * What a store knows of a session without reading its journal. Times are milliseconds since 1970.
 *
 * **Details**
 *
 * - `owner`: who has claimed it and not released it. The lease may be over.
 * - `changedAt`: when something was appended last.
 * - `liveCells`, `settledCells`: how many cells have not ended, and how many have.
 * - `bytes`: what its records take as text.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionSummary = Contract.SessionSummary

// =============================================================================
// Service
// =============================================================================

/**
 * A store of sessions. What an effect of it has succeeded with is kept, also when the process or the machine stops then.
 *
 * **Example** (Owning a session)
 *
 * ```ts
 * import * as Store from "effect-code-mode/Store"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Store.Store
 *   const epoch = yield* store.claim("user-42", "host-1", "10 seconds")
 *   const { records } = yield* store.load("user-42")
 *   yield* store.append("user-42", epoch, [{ _tag: "Tools", number: records.length, definitions: [] }])
 *   yield* store.release("user-42", epoch)
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Store extends Context.Service<Store, Contract.Contract>()("effect-code-mode/Store") {}

// =============================================================================
// Layers
// =============================================================================

/**
 * The bounds of a store. Past one of them, an append fails with the `StoreFailure` `TooLarge`, and nothing is written.
 *
 * **Details**
 *
 * Bytes are those of the UTF-8 of records as JSON. How a cell ended, and who has heard of it, always fits.
 *
 * @category layers
 * @since 0.1.0
 */
export interface Bounds extends Append.Bounds {
  /** Bytes of one record. 16 MiB without it. */
  readonly maxRecordBytes?: number | undefined
  /** Bytes of the records of one cell. 64 MiB without it. */
  readonly maxCellBytes?: number | undefined
  /** Bytes of the records of one session. 1 GiB without it. */
  readonly maxSessionBytes?: number | undefined
}

/**
 * Keeps sessions in the memory of this process. For tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (bounds?: Bounds): Layer.Layer<Store> =>
  Layer.sync(Store, () => Store.of(MemoryStore.make(bounds)))

/**
 * How a file is used.
 *
 * @category layers
 * @since 0.1.0
 */
export interface SqliteOptions extends Bounds {
  /** The file. It is made where there is none, for its owner alone. Its folder has to be there, and on a local disk. */
  readonly filename: string
  /** How long to wait while another process writes. 10 seconds without it. */
  readonly busyTimeout?: Duration.Input | undefined
}

/**
 * Keeps sessions in one file of SQLite, for any number of processes of this machine.
 *
 * **Details**
 *
 * An append is on the disk when it succeeds. Appends that are made at the same time share one write to the disk. Beside the
 * file there are two more while it is in use, with the same name and `-wal` and `-shm`: copy none of them without the others.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (options: SqliteOptions): Layer.Layer<Store, StoreFailure> =>
  Layer.effect(Store, SqliteStore.make(options))

/**
 * How a database is used.
 *
 * @category layers
 * @since 0.1.0
 */
export interface PostgresOptions extends Bounds {
  /** What the names of the tables begin with. `code_mode` without it. */
  readonly prefix?: string | undefined
  /** How long the database may take to answer, with what is tried again. 30 seconds without it. */
  readonly patience?: Duration.Input | undefined
}

/**
 * Keeps sessions in a database of PostgreSQL, for any number of machines.
 *
 * **Details**
 *
 * The client is that of `@effect/sql-pg`, which you install. The database has to be in UTF-8. The tables are made where there
 * are none.
 *
 * An append is on the disk of the database when it succeeds, unless its `synchronous_commit` is off. Leases are measured by
 * the clock of the database.
 *
 * **Example** (A database)
 *
 * ```ts
 * import * as PgClient from "@effect/sql-pg/PgClient"
 * import * as Store from "effect-code-mode/Store"
 * import * as Config from "effect/Config"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Store.layerPostgres().pipe(
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPostgres = (options?: PostgresOptions): Layer.Layer<Store, StoreFailure, SqlClient> =>
  Layer.effect(
    Store,
    // Not many programs have a database, and its client takes time to load.
    Effect.flatMap(Effect.promise(() => import("./store/PostgresStore.ts")), ({ make }) => make(options))
  )

/**
 * A key, and the name under which records refer to it. The secret is 32 random bytes in base64, as `openssl rand -base64 32`
 * makes them.
 *
 * @category layers
 * @since 0.1.0
 */
export interface Key {
  readonly id: string
  readonly secret: Redacted.Redacted<string>
}

/**
 * Encrypts what is kept in another store, with AES-256-GCM.
 *
 * **Details**
 *
 * `key` is for what is written from now on. What was written before may have one of `olderKeys`. To change a key, give the
 * new one another id, and keep the old one for as long as there are sessions with it.
 *
 * Everything that a record says is encrypted. Names of sessions, ids of cells, the kinds of records, their sizes and times
 * are not. A record that was changed cannot be read any more; one that was taken away is not missed.
 *
 * A session that is not encrypted, or with another key, fails with the `StoreFailure` `WrongKey`.
 *
 * **Example** (A key from the environment)
 *
 * ```ts
 * import * as Store from "effect-code-mode/Store"
 * import * as Config from "effect/Config"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Layer.unwrap(
 *   Effect.map(Config.Redacted("STORE_KEY"), (secret) => Store.layerEncrypted({ key: { id: "2026", secret } }))
 * ).pipe(
 *   Layer.provide(Store.layerSqlite({ filename: "sessions.db" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEncrypted = (
  options: { readonly key: Key; readonly olderKeys?: ReadonlyArray<Key> | undefined }
): Layer.Layer<Store, StoreFailure, Store> =>
  Layer.effect(Store, Effect.flatMap(Store, (store) => Sealing.make(store, options)))

// =============================================================================
// Retention
// =============================================================================

/**
 * How long a store keeps what is over. What lives is kept in any case.
 *
 * **Details**
 *
 * The last cell of a session stays, because it says which the next one is. What a cell has stored is the session's, and stays
 * when the cell goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retention {
  /** How long a cell is kept that has ended, and whose outcome was read. 7 days without it. */
  readonly endedFor?: Duration.Input | undefined
  /** How long a cell is kept that has ended, and whose outcome was not read. For ever without it. */
  readonly unreadFor?: Duration.Input | undefined
  /** How long a session is kept that has no live cells, with what was stored. For ever without it. */
  readonly unusedFor?: Duration.Input | undefined
}

/**
 * Takes out of a store what need not be kept any longer. It leaves alone sessions that have an owner.
 *
 * The result is how many sessions and cells are gone. After a `StoreFailure`, those before it are gone, too.
 *
 * @category operations
 * @since 0.1.0
 */
export const prune = (
  retention: Retention = {}
): Effect.Effect<{ readonly sessions: number; readonly cells: number }, StoreFailure, Store> =>
  Effect.flatMap(Store, (store) => Retention_.prune(store, retention))
