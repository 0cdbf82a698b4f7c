/** What is wrong with a journal as a whole. */
import type * as Store from "../../dist/Store.js"

/** Every cell has gone on once from each place, each call was answered once, and nothing came after the end. */
export const problems = (records: ReadonlyArray<Store.Record>): ReadonlyArray<string> => {
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
