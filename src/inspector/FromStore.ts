/**
 * What a store keeps of sessions, as the page shows it: what was, and what sleeps until its session is opened again.
 *
 * **Details**
 *
 * A journal has the time of each turn of a cell, not of each call. So a call begins with the turn that made it, and ends with
 * the one that had its answer.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { StoreFailure } from "../Protocol.ts"
import * as CellRef from "../session/CellRef.ts"
import type { Store } from "../Store.ts"
import * as Digest from "../store/Digest.ts"
import type { Record } from "../store/Record.ts"
import type * as Model from "./Model.ts"

/** Sessions that are shown, those that have changed last, what their journals may have together, and their cells. */
const maxSessions = 32
const maxBytes = 64 * 1024 * 1024
const maxCells = 512

interface Journal {
  readonly name: string
  readonly createdAt: number
  readonly records: ReadonlyArray<Record>
  readonly digest: Digest.Digest
  /** Its last cells, which are shown. */
  readonly cells: Digest.Digest["cells"]
}

/** Brings the records of a session into the model. */
const replay = (model: Model.Model, { cells: digested, createdAt, digest, name, records }: Journal): void => {
  const session = model.keptSessionBegan(name, createdAt)
  session.kept = digest.valuesAt(digest.version)
  const shown = new Set(digested.map(({ id }) => id))
  const cells = new Map<string, Model.Cell>()
  /** When the turn began that a cell is in. */
  const turns = new Map<string, number>()
  const tools = new Map(
    digested.flatMap(({ calls, id }) => calls.map((call) => [`${id}/${call.id}`, call.tool] as const))
  )
  const answers = new Map<Model.Call, "Succeeded" | "Failed" | "NotStarted" | "Interrupted">()

  const end = (cell: Model.Cell, call: Model.Call, at: number) =>
    model.callEnded(cell, call, answers.get(call) ?? "Interrupted", at)

  for (const record of records) {
    if (record._tag === "Created" && shown.has(record.cellId)) {
      const ref = CellRef.of(record.cellId, record.kind)
      cells.set(record.cellId, model.keptCellBegan(session, ref, record.kind, record.request, record.at))
      turns.set(record.cellId, record.at)
      continue
    }
    const cell = "cellId" in record && record.cellId !== undefined ? cells.get(record.cellId) : undefined
    if (cell === undefined) {
      continue
    }
    const at = turns.get(cell.ref.id) ?? cell.startedAt
    switch (record._tag) {
      case "Turn": {
        turns.set(cell.ref.id, record.at)
        if (record.cause._tag === "Answers") {
          record.cause.calls.forEach((id) => end(cell, model.callOf(cell, id, ""), record.at))
        }
        break
      }
      case "Called": {
        const call = model.callOf(cell, record.call, tools.get(`${record.cellId}/${record.call}`) ?? "")
        call.startedAt = at
        if (record.input !== undefined) {
          model.valued(call, "input", record.input)
        }
        break
      }
      case "Answered": {
        const call = model.callOf(cell, record.call, "")
        const { answer } = record
        if (answer._tag === "Resolved") {
          answers.set(call, "Succeeded")
          model.valued(call, "result", answer.json)
        } else {
          answers.set(
            call,
            answer.effect === "none" ? "NotStarted" : answer.effect === "failed" ? "Failed" : "Interrupted"
          )
          model.valued(call, "error", answer.text)
        }
        break
      }
      case "Output": {
        record.items.forEach((item) => model.output(cell, item, at))
        break
      }
      case "Notified": {
        model.notifiedOf(cell, record.text, at)
        break
      }
      case "Settled": {
        const { outcome } = record
        const error = outcome._tag === "Completed" ? outcome.error : undefined
        for (const call of cell.calls.values()) {
          end(cell, call, record.at)
        }
        model.silent(cell)
        if (error !== undefined) {
          model.failed(cell, error)
        }
        model.settled(
          cell,
          outcome._tag === "Terminated" ? "Terminated" : error === undefined ? "Completed" : "Failed",
          record.at
        )
      }
    }
  }
}

/** Shows what a store keeps, in place of what was shown of it before. It leaves out sessions that are live here. */
export const load = Effect.fnUntraced(function*(
  model: Model.Model,
  store: Store["Service"]
): Effect.fn.Return<{ readonly shown: number; readonly omitted: number }, StoreFailure> {
  const live = new Set(
    Array.from(model.sessions.values()).flatMap(({ live, name }) => live === undefined ? [] : [name])
  )
  const summaries = (yield* store.list).filter(({ session }) => !live.has(session))
  const wanted = summaries.toSorted((one, other) => other.changedAt - one.changedAt).slice(0, maxSessions)
  model.forgetKept()
  const journals: Array<Journal> = []
  let bytesLeft = maxBytes
  let cellsLeft = maxCells
  for (const { bytes, createdAt, session: name } of wanted) {
    if (bytes > bytesLeft) {
      continue
    }
    const { records } = yield* store.load(name)
    if (records.some(({ _tag }) => _tag === "Sealed")) {
      continue
    }
    const digest = Digest.make(records)
    const cells = digest.cells.slice(Math.max(0, digest.cells.length - cellsLeft))
    bytesLeft -= bytes
    cellsLeft -= cells.length
    journals.push({ name, createdAt, records, digest, cells })
  }
  // The oldest first, as everything here is in the order in which it came.
  journals.toReversed().forEach((journal) => replay(model, journal))
  return { shown: journals.length, omitted: summaries.length - journals.length }
})
