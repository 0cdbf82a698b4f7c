/** What has to make the proof fail: a store that does not do what durability stands on. */
import * as Effect from "effect/Effect"
import * as Protocol from "../../dist/Protocol.js"
import type * as Store from "../../dist/Store.js"

type Contract = Store.Store["Service"]

export const breaks = {
  /** An owner of an older epoch is not refused. */
  epoch: (store: Contract): Contract => {
    const current = (session: string) =>
      Effect.map(store.list, (list) => list.find((each) => each.session === session)?.epoch ?? Protocol.Epoch.make(0))
    return {
      ...store,
      renew: () => Effect.void,
      append: (session, epoch, records, options) =>
        store.append(session, epoch, records, options).pipe(
          Effect.catchTag("Fenced", () =>
            Effect.flatMap(current(session), (epoch) => store.append(session, epoch, records, options)))
        )
    }
  },
  /** A cell that goes on has other random numbers. */
  seed: (store: Contract): Contract => ({
    ...store,
    load: (session, options) =>
      Effect.map(store.load(session, options), (journal) => ({
        ...journal,
        records: journal.records.map((record) =>
          record._tag === "Created"
            ? { ...record, seed: record.seed.replace(/^./, (digit) => digit === "1" ? "2" : "1") }
            : record
        )
      }))
  }),
  /** The delegate is asked before the record of its call is kept. */
  order: (store: Contract): Contract => {
    const before = new Map<string, Promise<unknown>>()
    return {
      ...store,
      append: (session, epoch, records, options) =>
        Effect.sync(() => {
          const previous = before.get(session) ?? Promise.resolve()
          const later = previous.then(() => new Promise((resolve) => setTimeout(resolve, 150))).then(() =>
            Effect.runPromiseExit(store.append(session, epoch, records, options))
          )
          before.set(session, later)
        })
    }
  }
} as const

export type Break = keyof typeof breaks
