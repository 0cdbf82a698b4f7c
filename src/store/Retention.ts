/**
 * What of a session is kept for how long.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type CellId, StoreFailure } from "../Protocol.ts"
import type { Contract } from "./Contract.ts"
import * as Digest from "./Digest.ts"
import type { Record } from "./Record.ts"

export interface Retention {
  readonly endedFor?: Duration.Input | undefined
  readonly unreadFor?: Duration.Input | undefined
  readonly unusedFor?: Duration.Input | undefined
}

/** The values of so many cells are put together in one record. */
const minWrites = 64

const millis = (duration: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(duration))

export interface Plan {
  readonly forget: ReadonlyArray<CellId>
  readonly records: ReadonlyArray<Record>
}

/** What an owner of a session appends, so that no more is kept than is asked for. */
export const plan = (
  records: ReadonlyArray<Record>,
  { endedFor = "7 days", unreadFor = Duration.infinity }: Retention,
  now: number
): Plan => {
  const { cells, valuesAt } = Digest.make(records)
  // Its number says which the next one has.
  const last = Math.max(...cells.map(({ number }) => number))
  const forget = cells.flatMap(({ ended, id, isRead, number }) =>
    ended !== undefined && number !== last && now - ended.at >= millis(isRead ? endedFor : unreadFor) ? [id] : []
  )
  const live = cells.filter(({ ended }) => ended === undefined)
  const writes = records.flatMap((record) => record._tag === "Stored" ? [record.version] : [])
  // What live cells see of older ones stays as it is.
  const version = Math.min(Math.max(...writes), ...live.map(({ sees }) => sees))
  const replaces = writes.filter((written) => written <= version).length >= minWrites
  return {
    forget,
    records: replaces ? [{ _tag: "Values", version, values: Array.from(valuesAt(version)) }] : []
  }
}

/** How long it takes to look through one session, and more. */
const lease = "1 minute"

const pruneSession = Effect.fnUntraced(function*(store: Contract, session: string, retention: Retention) {
  const epoch = yield* store.claim(session, "effect-code-mode prune", lease)
  return yield* Effect.gen(function*() {
    const { records } = yield* store.load(session, { ended: "outcomes" })
    if (records.some(({ _tag }) => _tag === "Sealed")) {
      return yield* new StoreFailure({ reason: "WrongKey", text: `session ${session} is encrypted` })
    }
    const { forget, records: more } = plan(records, retention, yield* Clock.currentTimeMillis)
    if (forget.length + more.length > 0) {
      yield* store.append(session, epoch, more, { forget })
    }
    return forget.length
  }).pipe(Effect.ensuring(Effect.ignore(store.release(session, epoch))))
})

/** Goes through all sessions that have no owner. */
export const prune = Effect.fn("Store.prune")(function*(store: Contract, retention: Retention) {
  const now = yield* Clock.currentTimeMillis
  const unused = now - millis(retention.unusedFor ?? Duration.infinity)
  let sessions = 0
  let cells = 0
  for (const { changedAt, leaseUntil = 0, liveCells, session, settledCells } of yield* store.list) {
    if (leaseUntil > now) {
      continue
    }
    if (liveCells === 0 && changedAt <= unused) {
      const isGone = yield* store.remove(session, { unchangedSince: changedAt }).pipe(
        Effect.catchTag("SessionTaken", () => Effect.succeed(false))
      )
      sessions += isGone ? 1 : 0
      cells += isGone ? settledCells : 0
    } else if (settledCells > 0) {
      cells += yield* pruneSession(store, session, retention).pipe(
        Effect.catchTag(["SessionTaken", "Fenced"], () => Effect.succeed(0))
      )
    }
  }
  return { sessions, cells }
})
