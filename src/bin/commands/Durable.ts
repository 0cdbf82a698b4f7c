/**
 * Cells that a store keeps: `run --durable FILE`, and `sessions resume`. It is loaded when it is used.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Holder from "../../durable/Holder.ts"
import { Fenced, SessionTaken, StoreFailure } from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import * as Store from "../../Store.ts"
import * as Digest from "../../store/Digest.ts"
import * as Kept from "../report/Kept.ts"
import * as Render from "../report/Render.ts"
import * as Reporter from "../report/Reporter.ts"
import { foreign, join, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Questions from "../terminal/Questions.ts"
import * as Execute from "./Execute.ts"
import * as Failure from "./Failure.ts"
import * as OpenStore from "./OpenStore.ts"
import * as SessionLayer from "./SessionLayer.ts"
import type * as StoreFlag from "./StoreFlag.ts"
import type * as ToolFlags from "./ToolFlags.ts"

/** The session of a file that `run` has its cells in. */
const runs = "run"

const ofTaken = ({ owner, session }: SessionTaken): Failure.Failure =>
  Failure.toStart(
    text`another process has session ${foreign("session that is taken", session, "word")}: ${
      foreign("owner of a session that is taken", Holder.describe(owner), "word")
    }`
  )

/** A session that this process has lost says so, and it is no bug. */
const ofLost = (defect: unknown): Effect.Effect<never, Failure.Failure> =>
  defect instanceof StoreFailure
    ? Effect.fail(OpenStore.ofStore(defect))
    : defect instanceof Fenced
    ? Effect.fail(Failure.toCell(text`effect-code-mode: another process has taken the session over`))
    : Effect.die(defect)

/** Says what is wrong with the store, or with the session. */
export const explained = <A, E, R>(
  self: Effect.Effect<A, E | SessionTaken | StoreFailure, R>
): Effect.Effect<A, Exclude<E, SessionTaken | StoreFailure> | Failure.Failure, R> =>
  self.pipe(
    Effect.mapError((error) =>
      error instanceof SessionTaken
        ? ofTaken(error)
        : error instanceof StoreFailure
        ? OpenStore.ofStore(error)
        : error as Exclude<E, SessionTaken | StoreFailure>
    ),
    Effect.catchDefect(ofLost)
  )

/** What `run` runs its cell in, and the store that keeps it. */
export const layer = (flags: ToolFlags.Flags, file: string, keys: Option.Option<string>) =>
  SessionLayer.layerDurable(flags, runs).pipe(Layer.provideMerge(OpenStore.layerOf(file, keys)))

/** The cell that runs this source, or has run it without having been heard to its end. */
export const find = Effect.fn("Durable.find")(function*(source: string) {
  const session = yield* Runtime.SessionRuntime
  const store = yield* Store.Store
  const { cells } = Digest.make((yield* store.load(runs, { ended: "outcomes" })).records)
  const before = cells.findLast((cell) => cell.source === source && cell.kind === "continuing" && !cell.isRead)
  if (before === undefined) {
    return undefined
  }
  const cell = yield* Effect.option(session.cell(before.id))
  if (Option.isSome(cell)) {
    const now = yield* Clock.currentTimeMillis
    yield* Printer.tell(text`going on with cell ${before.id}, made ${Kept.age(now - before.createdAt)}`)
  }
  return Option.getOrUndefined(cell)
})

/** Goes on with all cells of a session until they have ended, and reports what they do. */
const attendAll = Effect.fnUntraced(function*(name: string) {
  const session = yield* Runtime.SessionRuntime
  const store = yield* Store.Store
  const { cells } = Digest.make((yield* store.load(name, { ended: "outcomes" })).records)
  const live = yield* session.cells
  if (live.length === 0) {
    return yield* Failure.toStart(
      text`session ${foreign("session that has no live cells", name, "word")} has no cells to go on with`
    )
  }
  const failures = yield* Effect.forEach(live, ({ cell }) =>
    Effect.gen(function*() {
      const continuing = yield* Effect.option(session.cell(cell.id))
      if (Option.isNone(continuing)) {
        yield* Printer.tell(text`cell ${cell.id} pauses until its program resumes it`)
        return []
      }
      const event = yield* Execute.attend(Effect.succeed(continuing.value), { isKept: true })
      const source = cells.find(({ id }) => id === cell.id)?.source ?? ""
      return event._tag === "Completed" && event.error !== undefined
        ? [Render.failure({ label: text`cell ${cell.id}`, text: source }, event.error)]
        : []
    }), { concurrency: "unbounded" })
  if (failures.flat().length > 0) {
    return yield* Failure.toCell(join(failures.flat(), text`\n\n`))
  }
}, Effect.scoped)

/** `sessions resume`. */
export const resume = Effect.fn("Durable.resume")(
  function*(flags: ToolFlags.Flags & StoreFlag.Flags & { readonly session: string; readonly json: boolean }) {
    yield* OpenStore.find(flags.session)
    const attended = Effect.provide(attendAll(flags.session), SessionLayer.layerDurable(flags, flags.session))
    return yield* flags.json
      ? Effect.provideService(attended, Reporter.Reporter, Reporter.json(undefined))
      : Questions.atScreen(Reporter.lines(undefined), () => attended)
  },
  (self, flags) =>
    explained(Effect.provide(self, OpenStore.layer(flags))).pipe(
      Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart)
    )
)
