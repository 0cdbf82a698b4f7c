/**
 * What `effect-code-mode sessions` does with a store. It is loaded when it is used.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Holder from "../../durable/Holder.ts"
import { StoreFailure } from "../../Protocol.ts"
import * as Store from "../../Store.ts"
import * as Digest from "../../store/Digest.ts"
import * as Event from "../report/Event.ts"
import * as Kept from "../report/Kept.ts"
import * as Render from "../report/Render.ts"
import { foreign, join, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"
import * as OpenStore from "./OpenStore.ts"
import type * as StoreFlag from "./StoreFlag.ts"

interface Shown extends StoreFlag.Flags {
  readonly json: boolean
}

/** The store is there for the command, and what is wrong with it is said. */
const withStore = <A, E, R>(self: Effect.Effect<A, E | StoreFailure, R>, flags: StoreFlag.Flags) =>
  self.pipe(
    Effect.provide(OpenStore.layer(flags)),
    Effect.catchIf((error) => error instanceof StoreFailure, (error) => Effect.fail(OpenStore.ofStore(error)))
  )

export const list = Effect.fn("KeptSessions.list")(function*({ json }: Shown) {
  const store = yield* Store.Store
  const sessions = yield* store.list
  yield* Printer.print(
    json ? join(sessions.map(Event.ofSession)) : Kept.sessions(sessions, yield* Clock.currentTimeMillis)
  )
}, withStore)

export const show = Effect.fn("KeptSessions.show")(function*({ json, session }: Shown & { readonly session: string }) {
  const store = yield* Store.Store
  const summary = yield* OpenStore.find(session)
  const { records } = yield* store.load(session)
  if (records.some(({ _tag }) => _tag === "Sealed")) {
    return yield* Failure.toStart(
      text`session ${foreign("session that is encrypted", session, "word")} is encrypted; --store-keys FILE has its key`
    )
  }
  const digest = Digest.make(records)
  yield* Printer.print(
    json
      ? join([Event.ofSession(summary), ...digest.cells.map(Event.ofKeptCell)])
      : Kept.session(summary, digest, yield* Clock.currentTimeMillis)
  )
}, withStore)

export const remove = Effect.fn("KeptSessions.remove")(
  function*({ session: sessions }: StoreFlag.Flags & { readonly session: ReadonlyArray<string> }) {
    const store = yield* Store.Store
    yield* Effect.forEach(sessions, OpenStore.find)
    for (const session of sessions) {
      yield* store.remove(session).pipe(
        Effect.catchTag("SessionTaken", ({ owner }) =>
          Effect.fail(Failure.toStart(
            text`session ${foreign("session that is not deleted", session, "word")} belongs to ${
              foreign("owner of a session that is not deleted", Holder.describe(owner), "word")
            }, which may still run`
          )))
      )
    }
  },
  withStore
)

export const prune = Effect.fn("KeptSessions.prune")(
  function*(_: StoreFlag.Flags, retention: Store.Retention) {
    const { cells, sessions } = yield* Store.prune(retention)
    yield* Printer.print(text`deleted ${Render.count(cells)} cells and ${Render.count(sessions)} sessions\n`)
  },
  withStore
)
