/** What is wrong with a journal as a whole. */
import * as Effect from "effect/Effect"
import * as Store from "../../dist/Store.js"
import { violate } from "../Violations.ts"
import * as Stores from "./Stores.ts"

/** Every cell has gone on once from each place, each call was answered once, and nothing came after the end. */
const problems = (records: ReadonlyArray<Store.Record>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const turns = new Map<string, number>()
  const seen = new Set<string>()
  const settled = new Set<string>()
  const once = (what: string) => {
    if (seen.has(what)) {
      found.push(`${what} twice`)
    }
    seen.add(what)
  }
  for (const record of records) {
    if (!("cellId" in record) || record.cellId === undefined) {
      continue
    }
    const cell: string = record.cellId
    if (settled.has(cell) && !["Heard", "Delivered", "Stored"].includes(record._tag)) {
      found.push(`cell ${cell}: ${record._tag} after its end`)
    }
    switch (record._tag) {
      case "Turn": {
        const before = turns.get(cell) ?? 0
        if (record.turn !== before + 1) {
          found.push(`cell ${cell}: turn ${record.turn} after ${before}`)
        }
        turns.set(cell, record.turn)
        break
      }
      case "Called":
      case "Answered":
        once(`cell ${cell}: ${record._tag} ${record.call}`)
        break
      case "Created":
        once(`cell ${cell}: ${record._tag}`)
        break
      case "Heard":
        if (record.key !== undefined) {
          once(`cell ${cell}: Heard ${record.key}`)
        }
        break
      case "Settled":
        once(`cell ${cell}: ${record._tag}`)
        settled.add(cell)
    }
  }
  return found
}

/** Holds that the journals of these sessions are those of one run each. */
export const check = async (names: ReadonlyArray<string>, store: string) => {
  const journals = await Effect.runPromise(
    Effect.gen(function*() {
      const kept = yield* Store.Store
      return yield* Effect.forEach(names, (name) => kept.load(name))
    }).pipe(Effect.provide(Stores.layer(store)), Effect.scoped)
  )
  for (const { records, session } of journals) {
    problems(records).forEach((problem) => violate(`journal of ${session}: ${problem}`))
  }
}
