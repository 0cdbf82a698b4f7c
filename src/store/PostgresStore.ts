/**
 * Journals in a database of PostgreSQL, for any number of machines.
 *
 * **Details**
 *
 * An append is one statement, and with it one transaction and one round trip: it locks the session's row, looks at its epoch
 * there, and adds the records only then. An append that forgets cells or replaces stored values does that first, in the same
 * transaction. Times are those of the database, so the clocks of its clients do not matter.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { CellId } from "../Protocol.ts"
import { Epoch, Fenced, SessionTaken, StoreFailure } from "../Protocol.ts"
import * as Append from "./Append.ts"
import type { Contract } from "./Contract.ts"
import * as Record from "./Record.ts"

export interface Options extends Append.Bounds {
  readonly prefix?: string | undefined
  readonly patience?: Duration.Input | undefined
}

const version = 1

/** The latest time that JavaScript knows, in milliseconds: for leases that last for ever. */
const latest = 8.64e15

/** Milliseconds since 1970. Unlike `now()`, it goes on within a transaction. */
const now = "floor(extract(epoch FROM clock_timestamp()) * 1000)::int8"

// =============================================================================
// Failures
// =============================================================================

/** What PostgreSQL itself has said, where it has. */
const textOf = ({ message, reason }: SqlError): string =>
  reason.cause instanceof Error && reason.cause.message !== "" ? reason.cause.message : message

const toFailure = (error: SqlError) =>
  new StoreFailure({ reason: "Unavailable", text: `the database cannot be used: ${textOf(error)}`, cause: error })

const tooLong = Effect.fail(
  new StoreFailure({ reason: "Unavailable", text: "the database does not answer" })
)

/** Nothing was done, and the next time it may be. */
const isUndone = ({ reason }: SqlError) => reason._tag === "DeadlockError" || reason._tag === "SerializationError"

// =============================================================================
// The store
// =============================================================================

interface SessionRow {
  readonly session: string
  readonly epoch: number
  readonly owner: string | null
  readonly lease: number
  readonly created: number
  readonly changed: number
  readonly bytes: number
  readonly cells: number
  readonly settled: number
}

/** What became of an append: whether the session was owned, and what it and its cells would have taken. */
interface Written {
  readonly owned: boolean
  readonly fits: boolean
  readonly bytes: number | null
  readonly cell: string | null
  readonly cell_bytes: number | null
}

export const make = Effect.fnUntraced(function*(
  options: Options | undefined
): Effect.fn.Return<Contract, StoreFailure, SqlClient.SqlClient> {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const limits = Append.limitsOf(options)
  const patience = options?.patience ?? "30 seconds"
  const prefix = options?.prefix ?? "code_mode"
  const named = (name: string) => `"${`${prefix}_${name}`.replaceAll("\"", "\"\"")}"`
  const versions = named("version")
  const epochs = named("epochs")
  const sessions = named("sessions")
  const cells = named("cells")
  const records = named("records")

  const run = <Row extends object = never>(statement: string, parameters: ReadonlyArray<unknown> = []) =>
    sql.unsafe<Row>(statement, parameters)

  const again = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 second")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: patience })
  )

  const within = <A, E>(
    effect: Effect.Effect<A, E>,
    isTriedAgain: (error: SqlError) => boolean
  ): Effect.Effect<A, Exclude<E, SqlError> | StoreFailure> =>
    effect.pipe(
      Effect.retry({ schedule: again, while: (error) => isSqlError(error) && isTriedAgain(error) }),
      Effect.timeoutOrElse({ duration: patience, orElse: () => tooLong }),
      Effect.mapError((error) => isSqlError(error) ? toFailure(error) : error as Exclude<E, SqlError>),
      // What has succeeded is kept, whatever becomes of a transaction of the caller.
      Effect.updateContext((context: Context.Context<never>) =>
        Context.omit(sql.transactionService)(context as Context.Context<never>) as Context.Context<never>
      )
    )

  /** Something that may be done twice. */
  const asking = <A, E>(effect: Effect.Effect<A, E>) => within(effect, (error) => error.isRetryable)

  // ---------------------------------------------------------------------------
  // Tables
  // ---------------------------------------------------------------------------

  const tables = [
    `CREATE TABLE ${versions} (version int4 NOT NULL)`,
    `INSERT INTO ${versions} VALUES (${version})`,
    `CREATE SEQUENCE ${epochs}`,
    `CREATE TABLE ${sessions} (
      id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text COLLATE "C" NOT NULL UNIQUE,
      epoch int8 NOT NULL,
      owner text,
      lease int8 NOT NULL,
      created int8 NOT NULL,
      changed int8 NOT NULL,
      bytes int8 NOT NULL
    )`,
    `CREATE TABLE ${cells} (
      session int8 NOT NULL REFERENCES ${sessions} ON DELETE CASCADE,
      name text COLLATE "C" NOT NULL,
      settled boolean NOT NULL,
      bytes int8 NOT NULL,
      PRIMARY KEY (session, name)
    )`,
    `CREATE TABLE ${records} (
      number int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      session int8 NOT NULL REFERENCES ${sessions} ON DELETE CASCADE,
      cell text COLLATE "C",
      kind text NOT NULL,
      version int8,
      data text NOT NULL
    )`,
    `CREATE INDEX ON ${records} (session, cell, number)`,
    `CREATE INDEX ON ${records} (session, version) WHERE version IS NOT NULL`
  ]

  /** The version of the tables; 0 where there are none. */
  const versionThere = Effect.gen(function*() {
    // Unlike `to_regclass`, a query sees what others have committed since the transaction began.
    const there = yield* run(
      "SELECT FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = $1",
      [`${prefix}_version`]
    )
    if (there.length === 0) {
      return 0
    }
    const [row] = yield* run<{ readonly version: number }>(`SELECT version FROM ${versions}`)
    return row?.version ?? 0
  })

  const prepare = Effect.gen(function*() {
    const [encoding] = yield* run<{ readonly server_encoding: string }>("SHOW server_encoding")
    if (encoding?.server_encoding !== "UTF8") {
      return yield* new StoreFailure({
        reason: "Unavailable",
        text: `the database is encoded in ${encoding?.server_encoding}, and has to be in UTF8`
      })
    }
    let there = yield* versionThere
    if (there === 0) {
      // Hosts that start at the same time make them one after the other.
      there = yield* sql.withTransaction(Effect.gen(function*() {
        yield* run("SELECT pg_advisory_xact_lock(hashtext($1))", [versions])
        const before = yield* versionThere
        if (before === 0) {
          yield* Effect.forEach(tables, (table) => run(table), { discard: true })
        }
        return before === 0 ? version : before
      }))
    }
    if (there > version) {
      return yield* new StoreFailure({
        reason: "NewerVersion",
        text: "the database was made by a newer version of effect-code-mode"
      })
    }
  })
  yield* asking(prepare)

  // ---------------------------------------------------------------------------
  // Appends
  // ---------------------------------------------------------------------------

  const isOwned = "name = $1 AND epoch = $2::float8::int8 AND owner IS NOT NULL"

  // A statement sees the tables as they were when it began, and rows that it has locked as they are.
  const writing = `
    WITH owned AS (
      SELECT id, bytes FROM ${sessions} WHERE ${isOwned} FOR UPDATE
    ), added AS (
      SELECT * FROM unnest($3::text[], $4::text[]::int8[], $5::text[]::boolean[]) AS added (name, bytes, settled)
    ), grown AS (
      SELECT added.name, added.bytes + coalesce(cells.bytes, 0) AS bytes
      FROM owned CROSS JOIN added LEFT JOIN ${cells} cells ON cells.session = owned.id AND cells.name = added.name
    ), over AS (
      SELECT name, bytes FROM grown WHERE bytes > $10::float8 LIMIT 1
    ), fits AS (
      SELECT id FROM owned WHERE $9::boolean OR
        (owned.bytes + $8::float8 <= $11::float8 AND NOT EXISTS (SELECT FROM over))
    ), written_cells AS (
      INSERT INTO ${cells} AS cells (session, name, settled, bytes)
      SELECT fits.id, added.name, added.settled, added.bytes FROM fits CROSS JOIN added
      ON CONFLICT (session, name) DO UPDATE
      SET settled = cells.settled OR excluded.settled, bytes = cells.bytes + excluded.bytes
    ), written_records AS (
      INSERT INTO ${records} (session, cell, kind, version, data)
      SELECT fits.id, nullif(row.cell, ''), row.kind, nullif(row.version, '')::int8, row.data
      FROM fits CROSS JOIN
        unnest($6::text[], $7::text[], $12::text[], $13::text[]) WITH ORDINALITY AS row (cell, kind, version, data, place)
      ORDER BY row.place
    ), written_session AS (
      UPDATE ${sessions} sessions SET changed = ${now}, bytes = sessions.bytes + $8::float8::int8
      FROM fits WHERE sessions.id = fits.id
    )
    SELECT
      EXISTS (SELECT FROM owned) AS owned,
      EXISTS (SELECT FROM fits) AS fits,
      (SELECT bytes::float8 FROM owned) AS bytes,
      (SELECT name FROM over) AS cell,
      (SELECT bytes::float8 FROM over) AS cell_bytes`

  const write = (session: string, epoch: Epoch, append: Append.Append) =>
    Effect.flatMap(
      run<Written>(writing, [
        session,
        epoch,
        append.cells.map(({ cell }) => cell),
        append.cells.map(({ bytes }) => String(bytes)),
        append.cells.map(({ isSettled }) => String(isSettled)),
        append.rows.map(({ cell = "" }) => cell),
        append.rows.map(({ kind }) => kind),
        append.bytes,
        append.isEnding,
        limits.maxCellBytes,
        limits.maxSessionBytes,
        append.rows.map(({ version = "" }) => String(version)),
        append.rows.map(({ text }) => text)
      ]),
      ([written]): Effect.Effect<void, Fenced | StoreFailure> => {
        if (written?.owned !== true) {
          return Effect.fail(new Fenced({ session, epoch }))
        }
        if (written.fits) {
          return Effect.void
        }
        const over: ReadonlyArray<readonly [CellId, number]> = written.cell === null
          ? []
          : [[written.cell as CellId, written.cell_bytes!]]
        return Effect.fail(Append.refusal(append, (written.bytes ?? 0) + append.bytes, over, limits)!)
      }
    )

  const queues = new Map<string, { readonly semaphore: Semaphore.Semaphore; waiting: number }>()

  /** Appends to a session in the order in which they came, each over a connection of its own. */
  const inOrder = <A, E>(session: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const queue = queues.get(session) ?? { semaphore: Semaphore.makeUnsafe(1), waiting: 0 }
        queue.waiting++
        queues.set(session, queue)
        return queue
      }),
      ({ semaphore }) => Semaphore.withPermit(semaphore, effect),
      (queue) => Effect.sync(() => --queue.waiting === 0 && queues.delete(session))
    )

  /** What goes first. It takes the lock, so that `write` finds what it has left. */
  const free = (session: string, epoch: Epoch, { forget, replaced }: Append.Append) =>
    Effect.flatMap(
      Effect.andThen(
        // A process that is frozen here keeps others waiting no longer than this.
        run("SET LOCAL idle_in_transaction_session_timeout = 5000"),
        run<{ readonly id: bigint }>(`SELECT id FROM ${sessions} WHERE ${isOwned} FOR UPDATE`, [session, epoch])
      ),
      ([owned]): Effect.Effect<unknown, Fenced | SqlError> =>
        owned === undefined
          ? Effect.fail(new Fenced({ session, epoch }))
          : run(
            `WITH gone_cells AS (
              DELETE FROM ${cells} WHERE session = $1 AND name = ANY ($2::text[])
            ), gone AS (
              DELETE FROM ${records} WHERE session = $1 AND (cell = ANY ($2::text[]) OR version <= $3::float8::int8)
              RETURNING octet_length(data) AS bytes
            )
            UPDATE ${sessions} SET bytes = bytes - (SELECT coalesce(sum(bytes), 0) FROM gone)::int8 WHERE id = $1`,
            [owned.id, forget, replaced]
          )
    )

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  const until = (parameter: string) => `least(${now} + ceil(${parameter}::float8), ${latest})::int8`

  const toMillis = (lease: Duration.Input) => Math.min(latest, Duration.toMillis(Duration.fromInputUnsafe(lease)))

  /** Why a session could not be had; nothing where it is free by now. */
  const takenBy = (session: string) =>
    Effect.map(
      run<{ readonly owner: string; readonly lease: number }>(
        `SELECT owner, lease::float8 AS lease FROM ${sessions} WHERE name = $1 AND owner IS NOT NULL AND lease > ${now}`,
        [session]
      ),
      ([row]) => row === undefined ? undefined : new SessionTaken({ session, owner: row.owner, leaseUntil: row.lease })
    )

  const claim: Contract["claim"] = (session, owner, lease, options) => {
    const attempt: Effect.Effect<Epoch, SqlError | SessionTaken> = Effect.flatMap(
      // A number that is drawn before the row is locked might be less than that of another claim.
      run<{ readonly epoch: number }>(
        `INSERT INTO ${sessions} AS sessions (name, epoch, owner, lease, created, changed, bytes)
        VALUES ($1, nextval('${epochs.replaceAll("'", "''")}'), $2, ${until("$3")}, ${now}, ${now}, 0)
        ON CONFLICT (name) DO UPDATE
        SET epoch = nextval('${epochs.replaceAll("'", "''")}'), owner = excluded.owner, lease = ${until("$3")}
        WHERE sessions.owner IS NULL OR sessions.lease <= ${now} OR sessions.owner IN ($2, $4)
        RETURNING epoch::float8 AS epoch`,
        [session, owner, toMillis(lease), options?.insteadOf ?? owner]
      ),
      ([row]) =>
        row === undefined
          ? Effect.flatMap(takenBy(session), (taken) => taken === undefined ? attempt : Effect.fail(taken))
          : Effect.succeed(Epoch.make(row.epoch))
    )
    return asking(attempt)
  }

  // The cells that have ended are looked for once, not for each record.
  const isWayToEnd = `kind IN (${Array.from(Record.ways, (kind) => `'${kind}'`).join()})
    AND cell IN (SELECT name FROM ${cells} WHERE session = (SELECT id FROM ${sessions} WHERE name = $1) AND settled)`

  return {
    claim,
    renew: (session, epoch, lease) =>
      Effect.flatMap(
        asking(run<{ readonly id: bigint }>(
          `UPDATE ${sessions} SET lease = ${until("$3")} WHERE ${isOwned} RETURNING id`,
          [session, epoch, toMillis(lease)]
        )),
        (rows) => rows.length === 0 ? Effect.fail(new Fenced({ session, epoch })) : Effect.void
      ),
    release: (session, epoch) =>
      Effect.asVoid(asking(run(`UPDATE ${sessions} SET owner = NULL WHERE ${isOwned}`, [session, epoch]))),
    load: (session, options) => {
      const of = `SELECT number, data FROM ${records} records
        WHERE session = (SELECT id FROM ${sessions} WHERE name = $1)
        ${options?.ended === undefined ? "" : `AND NOT (${isWayToEnd})`}`
      return Effect.flatMap(
        asking(
          options?.cell === undefined
            ? run<{ readonly data: string }>(`${of} ORDER BY number`, [session])
            // One after the other: together, the index would find those of all cells.
            : run<{ readonly data: string }>(
              `${of} AND cell IS NULL UNION ALL ${of} AND cell = $2 ORDER BY number`,
              [session, options.cell]
            )
        ),
        (rows) => Effect.map(Record.decode(rows.map(({ data }) => data)), (records) => ({ session, records }))
      )
    },
    append: (session, epoch, records, options) =>
      inOrder(
        session,
        Effect.flatMap(Append.make(records, options?.forget, limits), (append) =>
          within(
            append.forget.length === 0 && append.replaced < 0
              ? write(session, epoch, append)
              : sql.withTransaction(Effect.andThen(free(session, epoch, append), write(session, epoch, append))),
            isUndone
          ))
      ),
    list: Effect.map(
      asking(run<SessionRow>(
        `SELECT name AS session, epoch::float8 AS epoch, owner, lease::float8 AS lease, created::float8 AS created,
          changed::float8 AS changed, bytes::float8 AS bytes, cells::float8 AS cells, settled::float8 AS settled
        FROM ${sessions} CROSS JOIN LATERAL (
          SELECT count(*) AS cells, count(*) FILTER (WHERE settled) AS settled
          FROM ${cells} cells WHERE cells.session = ${sessions}.id
        ) AS counted ORDER BY name`
      )),
      (rows) =>
        rows.map(({ bytes, cells, changed, created, epoch, lease, owner, session, settled }) => ({
          session,
          epoch: Epoch.make(epoch),
          owner: owner ?? undefined,
          leaseUntil: owner === null ? undefined : lease,
          createdAt: created,
          changedAt: changed,
          liveCells: cells - settled,
          settledCells: settled,
          bytes
        }))
    ),
    remove: (session, options) =>
      asking(Effect.flatMap(
        run<{ readonly id: bigint }>(
          `DELETE FROM ${sessions} WHERE name = $1 AND (owner IS NULL OR lease <= ${now}) AND changed <= $2::float8
          RETURNING id`,
          [session, options?.unchangedSince ?? latest]
        ),
        (rows): Effect.Effect<boolean, SqlError | SessionTaken> =>
          rows.length > 0
            ? Effect.succeed(true)
            : Effect.flatMap(takenBy(session), (taken) =>
              taken === undefined ? Effect.succeed(false) : Effect.fail(taken))
      ))
  }
})
