/**
 * Journals in this process, which outlive its sessions and not the process.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type CellId, Epoch, Fenced, SessionTaken, type StoreFailure } from "../Protocol.ts"
import * as Append from "./Append.ts"
import type { Contract } from "./Contract.ts"
import * as Record from "./Record.ts"

interface Cell {
  readonly bytes: number
  readonly isSettled: boolean
}

interface Session {
  epoch: Epoch
  owner: string | undefined
  leaseUntil: number
  readonly createdAt: number
  changedAt: number
  bytes: number
  rows: Array<Append.Row>
  readonly cells: Map<CellId, Cell>
}

const isReplaced = ({ version }: Append.Row, upTo: number) => version !== undefined && version <= upTo

const sizeOf = (rows: ReadonlyArray<Append.Row>) => rows.reduce((sum, { bytes }) => sum + bytes, 0)

/** Writes, or says why it does not. */
const write = (
  session: Session,
  append: Append.Append,
  limits: Append.Limits,
  now: number
): StoreFailure | undefined => {
  const gone = new Set(append.forget)
  const isKept = (row: Append.Row) =>
    !(row.cell !== undefined && gone.has(row.cell)) && !isReplaced(row, append.replaced)
  const kept = gone.size === 0 && append.replaced < 0 ? session.rows : session.rows.filter(isKept)
  const bytes = append.bytes + (kept === session.rows ? session.bytes : sizeOf(kept))
  const cells = append.cells.map(({ bytes, cell, isSettled }): readonly [CellId, Cell] => {
    const before = gone.has(cell) ? undefined : session.cells.get(cell)
    return [cell, { bytes: bytes + (before?.bytes ?? 0), isSettled: isSettled || before?.isSettled === true }]
  })
  const refusal = Append.refusal(append, bytes, cells.map(([cell, { bytes }]) => [cell, bytes]), limits)
  if (refusal === undefined) {
    kept.push(...append.rows)
    session.rows = kept
    session.bytes = bytes
    session.changedAt = now
    gone.forEach((cell) => session.cells.delete(cell))
    cells.forEach(([id, cell]) => session.cells.set(id, cell))
  }
  return refusal
}

export const make = (bounds?: Append.Bounds): Contract => {
  const limits = Append.limitsOf(bounds)
  const sessions = new Map<string, Session>()
  let epochs = 0

  const until = (now: number, lease: Duration.Input) => now + Duration.toMillis(Duration.fromInputUnsafe(lease))

  const taken = (name: string, session: Session | undefined, now: number): SessionTaken | undefined =>
    session?.owner !== undefined && session.leaseUntil > now
      ? new SessionTaken({ session: name, owner: session.owner, leaseUntil: session.leaseUntil })
      : undefined

  const owned = (name: string, epoch: Epoch): Effect.Effect<Session, Fenced> =>
    Effect.suspend(() => {
      const session = sessions.get(name)
      return session?.owner !== undefined && session.epoch === epoch
        ? Effect.succeed(session)
        : Effect.fail(new Fenced({ session: name, epoch }))
    })

  return {
    claim: Effect.fnUntraced(function*(name, owner, lease, options) {
      const now = yield* Clock.currentTimeMillis
      const before = sessions.get(name)
      const other = taken(name, before, now)
      if (other !== undefined && other.owner !== owner && other.owner !== options?.insteadOf) {
        return yield* other
      }
      const epoch = Epoch.make(++epochs)
      sessions.set(name, {
        createdAt: now,
        changedAt: now,
        bytes: 0,
        rows: [],
        cells: new Map(),
        ...before,
        epoch,
        owner,
        leaseUntil: until(now, lease)
      })
      return epoch
    }),
    renew: Effect.fnUntraced(function*(name, epoch, lease) {
      const now = yield* Clock.currentTimeMillis
      const session = yield* owned(name, epoch)
      session.leaseUntil = until(now, lease)
    }),
    release: (name, epoch) =>
      Effect.ignore(Effect.map(owned(name, epoch), (session) => {
        session.owner = undefined
      })),
    load: (name, options) =>
      Effect.suspend(() => {
        const session = sessions.get(name)
        const hasEnded = (cell: CellId) => session?.cells.get(cell)?.isSettled === true
        const rows = (session?.rows ?? []).filter(({ cell, kind }) =>
          cell === undefined ||
          (options?.cell === undefined || cell === options.cell) &&
            (options?.ended === undefined || !Record.ways.has(kind) || !hasEnded(cell))
        )
        return Effect.map(Record.decode(rows.map(({ text }) => text)), (records) => ({ session: name, records }))
      }),
    append: Effect.fnUntraced(function*(name, epoch, records, options) {
      const append = yield* Append.make(records, options?.forget, limits)
      const now = yield* Clock.currentTimeMillis
      const session = yield* owned(name, epoch)
      const refusal = write(session, append, limits, now)
      if (refusal !== undefined) {
        return yield* refusal
      }
    }),
    list: Effect.sync(() =>
      Array.from(sessions, ([session, { bytes, cells, changedAt, createdAt, epoch, leaseUntil, owner }]) => {
        const settledCells = Array.from(cells.values()).filter(({ isSettled }) => isSettled).length
        return {
          session,
          epoch,
          owner,
          leaseUntil: owner === undefined ? undefined : leaseUntil,
          createdAt,
          changedAt,
          liveCells: cells.size - settledCells,
          settledCells,
          bytes
        }
      }).sort((one, other) => one.session < other.session ? -1 : 1)
    ),
    remove: Effect.fnUntraced(function*(name, options) {
      const now = yield* Clock.currentTimeMillis
      const session = sessions.get(name)
      const other = taken(name, session, now)
      if (other !== undefined) {
        return yield* other
      }
      return session !== undefined && session.changedAt <= (options?.unchangedSince ?? Infinity) &&
        sessions.delete(name)
    })
  }
}
