/**
 * Journals in one file, for all processes of a machine.
 *
 * **Details**
 *
 * SQLite answers at once, so a transaction is a synchronous function. Where another process writes, it is tried again
 * after a while, so that this one does not stand still. Appends that wait at the same time share a transaction: what
 * costs is that a disk says it has kept it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { closeSync, openSync } from "node:fs"
import { getBuiltinModule } from "node:process"
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { type CellId, Epoch, Fenced, SessionTaken, StoreFailure } from "../Protocol.ts"
import * as Append from "./Append.ts"
import type { Contract } from "./Contract.ts"
import * as Record from "./Record.ts"

export interface Options extends Append.Bounds {
  readonly filename: string
  readonly busyTimeout?: Duration.Input | undefined
}

/** `ecms`: says whose file it is. */
const applicationId = 0x65636d73

const version = 1

const schema = `
  CREATE TABLE epochs (last INTEGER NOT NULL) STRICT;
  INSERT INTO epochs VALUES (0);
  CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    owner TEXT,
    lease INTEGER NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    name TEXT NOT NULL,
    settled INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (session, name)
  ) STRICT;
  CREATE TABLE records (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    cell INTEGER REFERENCES cells ON DELETE CASCADE,
    kind TEXT NOT NULL,
    version INTEGER,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX records_of_cells ON records (session, cell);
  CREATE INDEX records_of_values ON records (session, version) WHERE version IS NOT NULL;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`

// =============================================================================
// Failures
// =============================================================================

/** SQLite's codes of results, without what is more special. */
const busy = 5
const corrupt = 11
const full = 13
const notADatabase = 26

/** What SQLite or the system has thrown. */
interface Thrown {
  readonly code: number
  readonly cause: Error
}

/** Anything else is a bug. */
const toThrown = (cause: unknown): Thrown => {
  if (cause instanceof Error && "code" in cause) {
    return { code: "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode & 0xff : 0, cause }
  }
  throw cause
}

const toFailure = (filename: string, { cause, code }: Thrown): StoreFailure =>
  code === corrupt || code === notADatabase
    ? new StoreFailure({ reason: "Damaged", text: `${filename} is damaged, or no store: ${cause.message}`, cause })
    : new StoreFailure({
      reason: "Unavailable",
      text: code === busy
        ? `another process keeps ${filename} locked`
        : code === full
        ? `there is no room for ${filename}`
        : `${filename} cannot be used: ${cause.message}`,
      cause
    })

// =============================================================================
// The file
// =============================================================================

const pragma = (database: DatabaseSync, name: string): SQLOutputValue | undefined =>
  database.prepare(`PRAGMA ${name}`).get()?.[name]

/** A transaction that writes. Where it throws, nothing was written. */
const transact = <A>(database: DatabaseSync, body: () => A): A => {
  database.exec("BEGIN IMMEDIATE")
  try {
    const result = body()
    database.exec("COMMIT")
    return result
  } catch (cause) {
    if (database.isTransaction) {
      database.exec("ROLLBACK")
    }
    throw cause
  }
}

/** Makes the file a store, unless it is one, or says why it cannot. */
const prepareFile = (database: DatabaseSync, filename: string): StoreFailure | undefined => {
  // In this order: another process may make it a store meanwhile.
  const isEmpty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined
  const isOurs = pragma(database, "application_id") === applicationId
  if (!isOurs && !isEmpty) {
    return new StoreFailure({ reason: "Damaged", text: `${filename} is a database of something else` })
  }
  if (isOurs && Number(pragma(database, "user_version")) > version) {
    return new StoreFailure({
      reason: "NewerVersion",
      text: `${filename} was made by a newer version of effect-code-mode`
    })
  }
  if (!isOurs) {
    database.exec("PRAGMA auto_vacuum = INCREMENTAL")
  }
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864")
  if (!isOurs) {
    transact(database, () => {
      // Another process may have been first.
      if (pragma(database, "application_id") !== applicationId) {
        database.exec(schema)
      }
    })
  }
  return undefined
}

const open = (filename: string): DatabaseSync | StoreFailure => {
  // What it holds is for its owner alone. SQLite gives the files beside it the same rights.
  closeSync(openSync(filename, "a", 0o600))
  const { DatabaseSync } = getBuiltinModule("node:sqlite")
  // A moment's wait is shorter than trying again.
  const database = new DatabaseSync(filename, { timeout: 20, enableForeignKeyConstraints: true })
  let failure: StoreFailure | undefined
  try {
    failure = prepareFile(database, filename)
  } catch (cause) {
    database.close()
    throw cause
  }
  if (failure === undefined) {
    return database
  }
  database.close()
  return failure
}

// =============================================================================
// The store
// =============================================================================

interface SessionRow {
  readonly id: number
  readonly name: string
  readonly epoch: Epoch
  readonly owner: string | null
  readonly lease: number
  readonly created: number
  readonly changed: number
  readonly bytes: number
}

interface Waiting {
  readonly session: string
  readonly epoch: Epoch
  readonly append: Append.Append
  readonly resume: (result: Effect.Effect<void, Fenced | StoreFailure>) => void
}

/** The cells that have ended are looked for once, not for each record. */
const isWayToEnd = `kind IN (${Array.from(Record.ways, (kind) => `'${kind}'`).join()}) AND cell IN (
  SELECT cells.id FROM cells JOIN sessions ON sessions.id = session WHERE sessions.name = :name AND settled
)`

/** Bytes of appends that share a transaction. */
const maxTogether = 8 * 1024 * 1024

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Contract, StoreFailure, Scope.Scope> {
  const { filename } = options
  const limits = Append.limitsOf(options)
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const again = Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("50 millis")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: options.busyTimeout ?? "10 seconds" })
  )

  /** Tried again while another process writes. */
  const attempt = <A>(body: () => A): Effect.Effect<A, StoreFailure> =>
    Effect.try({ try: body, catch: toThrown }).pipe(
      Effect.retry({ while: ({ code }) => code === busy, schedule: again }),
      Effect.mapError((thrown) => toFailure(filename, thrown))
    )

  const database = yield* Effect.acquireRelease(
    Effect.flatMap(
      attempt(() => open(filename)),
      (result) => result instanceof StoreFailure ? Effect.fail(result) : Effect.succeed(result)
    ),
    (database) => Effect.sync(() => database.close())
  )

  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const before = statements.get(sql)
    if (before !== undefined) {
      return before
    }
    const statement = database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }

  const sessionOf = (name: string) =>
    prepare("SELECT * FROM sessions WHERE name = ?").get(name) as SessionRow | undefined

  const takenBy = (session: SessionRow | undefined, now: number) =>
    session !== undefined && session.owner !== null && session.lease > now
      ? new SessionTaken({ session: session.name, owner: session.owner, leaseUntil: session.lease })
      : undefined

  const owned = (name: string, epoch: Epoch): SessionRow | undefined => {
    const session = sessionOf(name)
    return session !== undefined && session.owner !== null && session.epoch === epoch ? session : undefined
  }

  /** One append within a transaction, which it leaves as it was where it is refused. */
  const write = ({ append, epoch, session: name }: Waiting, now: number): Fenced | StoreFailure | undefined => {
    const session = owned(name, epoch)
    if (session === undefined) {
      return new Fenced({ session: name, epoch })
    }
    const { id } = session
    const bytesOf = (cell: CellId) =>
      (prepare("SELECT bytes FROM cells WHERE session = ? AND name = ?").get(id, cell)?.bytes ?? 0) as number
    const freed = append.forget.reduce((sum, cell) => sum + bytesOf(cell), 0) +
      (append.replaced < 0 ? 0 : prepare(
        "SELECT coalesce(sum(octet_length(data)), 0) AS bytes FROM records WHERE session = ? AND version <= ?"
      ).get(id, append.replaced)!.bytes as number)
    const bytes = session.bytes - freed + append.bytes
    const refusal = Append.refusal(
      append,
      bytes,
      append.cells.map(({ bytes, cell }) => [cell, bytes + (append.forget.includes(cell) ? 0 : bytesOf(cell))]),
      limits
    )
    if (refusal !== undefined) {
      return refusal
    }
    for (const cell of append.forget) {
      prepare("DELETE FROM cells WHERE session = ? AND name = ?").run(id, cell)
    }
    if (append.replaced >= 0) {
      prepare("DELETE FROM records WHERE session = ? AND version <= ?").run(id, append.replaced)
    }
    const ids = new Map(append.cells.map(({ bytes, cell, isSettled }) => [
      cell,
      prepare(
        `INSERT INTO cells (session, name, settled, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET settled = max(settled, excluded.settled), bytes = bytes + excluded.bytes RETURNING id`
      ).get(id, cell, isSettled ? 1 : 0, bytes)!.id as number
    ]))
    for (const { cell, kind, text, version } of append.rows) {
      prepare("INSERT INTO records (session, cell, kind, version, data) VALUES (?, ?, ?, ?, ?)").run(
        id,
        cell === undefined ? null : ids.get(cell)!,
        kind,
        version ?? null,
        text
      )
    }
    prepare("UPDATE sessions SET changed = ?, bytes = ? WHERE id = ?").run(now, bytes, id)
    return undefined
  }

  let waiting: Array<Waiting> = []
  let isFlushing = false

  const takeSome = (): ReadonlyArray<Waiting> => {
    let bytes = 0
    const past = waiting.findIndex(({ append }, index) => (bytes += append.bytes) > maxTogether && index > 0)
    return waiting.splice(0, past === -1 ? waiting.length : past)
  }

  /** Writes what waits, as much at a time as has come meanwhile. */
  const flush: Effect.Effect<void> = Effect.gen(function*() {
    while (waiting.length > 0) {
      // The others of this turn come, too.
      yield* Effect.yieldNow
      const some = takeSome()
      const now = yield* Clock.currentTimeMillis
      const result = yield* Effect.exit(
        attempt(() => transact(database, () => some.map((append) => write(append, now))))
      )
      some.forEach(({ resume }, index) => {
        const refusal = Exit.isSuccess(result) ? result.value[index] : undefined
        resume(Exit.isFailure(result) ? result : refusal === undefined ? Effect.void : Effect.fail(refusal))
      })
    }
  }).pipe(
    Effect.ensuring(Effect.sync(() => {
      isFlushing = false
      const closed = Effect.fail(new StoreFailure({ reason: "Unavailable", text: `${filename} was closed` }))
      waiting.splice(0).forEach(({ resume }) => resume(closed))
    }))
  )

  const change = <A>(body: (now: number) => A): Effect.Effect<A, StoreFailure> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => attempt(() => transact(database, () => body(now))))

  /** A whole number, as the column has it, also where a lease lasts for ever. */
  const until = (now: number, lease: Duration.Input) =>
    Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(now + Duration.toMillis(Duration.fromInputUnsafe(lease))))

  return {
    claim: (name, owner, lease, options) =>
      Effect.flatMap(
        change((now) => {
          const session = sessionOf(name)
          const taken = takenBy(session, now)
          if (taken !== undefined && taken.owner !== owner && taken.owner !== options?.insteadOf) {
            return taken
          }
          const epoch = prepare("UPDATE epochs SET last = last + 1 RETURNING last").get()!.last as number
          prepare(
            `INSERT INTO sessions (name, epoch, owner, lease, created, changed, bytes) VALUES (?, ?, ?, ?, ?, ?, 0)
            ON CONFLICT DO UPDATE SET epoch = excluded.epoch, owner = excluded.owner, lease = excluded.lease`
          ).run(name, epoch, owner, until(now, lease), now, now)
          return Epoch.make(epoch)
        }),
        (result) => typeof result === "number" ? Effect.succeed(result) : Effect.fail(result)
      ),
    renew: (name, epoch, lease) =>
      Effect.flatMap(
        change((now) => {
          const session = owned(name, epoch)
          if (session === undefined) {
            return false
          }
          prepare("UPDATE sessions SET lease = ? WHERE id = ?").run(until(now, lease), session.id)
          return true
        }),
        (isOwned) => isOwned ? Effect.void : Effect.fail(new Fenced({ session: name, epoch }))
      ),
    release: (name, epoch) =>
      change(() => {
        prepare("UPDATE sessions SET owner = NULL WHERE name = ? AND epoch = ?").run(name, epoch)
      }),
    load: (name, options) =>
      Effect.flatMap(
        attempt(() => {
          const of = `SELECT number, data FROM records
            WHERE session = (SELECT id FROM sessions WHERE sessions.name = :name)
            ${options?.ended === undefined ? "" : `AND NOT (${isWayToEnd})`}`
          const rows = options?.cell === undefined
            ? prepare(`${of} ORDER BY number`).all({ name })
            // One after the other: together, the index would find those of all cells.
            : prepare(
              `${of} AND cell IS NULL UNION ALL ${of} AND cell = (
                SELECT cells.id FROM cells JOIN sessions ON sessions.id = session
                WHERE sessions.name = :name AND cells.name = :cell
              ) ORDER BY number`
            ).all({ name, cell: options.cell })
          return rows.map(({ data }) => data as string)
        }),
        (texts) => Effect.map(Record.decode(texts), (records) => ({ session: name, records }))
      ),
    append: (session, epoch, records, options) =>
      Effect.flatMap(
        Append.make(records, options?.forget, limits),
        (append) =>
          Effect.callback<void, Fenced | StoreFailure>((resume) => {
            const entry: Waiting = { session, epoch, append, resume }
            waiting.push(entry)
            if (!isFlushing) {
              isFlushing = true
              runFork(Effect.forkIn(flush, scope, { startImmediately: true }))
            }
            // What a transaction has taken is written all the same.
            return Effect.sync(() => {
              waiting = waiting.filter((other) => other !== entry)
            })
          })
      ),
    list: attempt(() =>
      prepare(
        `SELECT sessions.*, count(cells.id) AS cells, coalesce(sum(settled), 0) AS settled
        FROM sessions LEFT JOIN cells ON cells.session = sessions.id GROUP BY sessions.id ORDER BY sessions.name`
      ).all().map((row) => {
        const { bytes, changed, created, epoch, lease, name, owner } = row as unknown as SessionRow
        const { cells, settled } = row as { readonly cells: number; readonly settled: number }
        return {
          session: name,
          epoch,
          owner: owner ?? undefined,
          leaseUntil: owner === null ? undefined : lease,
          createdAt: created,
          changedAt: changed,
          liveCells: cells - settled,
          settledCells: settled,
          bytes
        }
      })
    ),
    remove: (name, options) =>
      Effect.flatMap(
        change((now) => {
          const session = sessionOf(name)
          const taken = takenBy(session, now)
          if (taken !== undefined || session === undefined) {
            return taken ?? false
          }
          const result = prepare("DELETE FROM sessions WHERE id = ? AND changed <= ?").run(
            session.id,
            options?.unchangedSince ?? Number.MAX_SAFE_INTEGER
          )
          return result.changes === 1
        }),
        (result): Effect.Effect<boolean, SessionTaken | StoreFailure> =>
          typeof result !== "boolean"
            ? Effect.fail(result)
            : result
            // The file gets shorter.
            ? Effect.as(Effect.ignore(attempt(() => database.exec("PRAGMA incremental_vacuum"))), true)
            : Effect.succeed(false)
      )
  }
})
