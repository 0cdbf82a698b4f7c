/**
 * `--trace FILE` and `--timeline`: what happened in a cell, when it is over.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Runtime from "../../Runtime.ts"
import { Recorder } from "../report/CellRecord.ts"
import * as ChromeTrace from "../report/ChromeTrace.ts"
import * as Timeline from "../report/Timeline.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as Failure from "./Failure.ts"
import * as PathFlag from "./PathFlag.ts"

export const flags = {
  timeline: Flag.Boolean("timeline").pipe(
    Flag.withDescription("Show the cell's tool calls as bars when it is over, on standard error"),
    Flag.withDefault(false)
  ),
  trace: PathFlag.make("trace").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write the cell's tool calls to this file, as a trace that Perfetto opens"),
    Flag.optional
  )
}

export interface Flags {
  readonly timeline: boolean
  readonly trace: Option.Option<string>
}

/** How long what the cell did last may take to be heard. */
const patience = "1 second"

const write = (path: string, json: string) =>
  AtomicFile.replace(path, `${json}\n`).pipe(
    Effect.mapError((error) =>
      Failure.toCell(
        text`effect-code-mode: --trace ${foreign("trace that is written", path, "word")}: there is no trace: ${
          Failure.ofFile(error)
        }`
      )
    )
  )

/** Runs what runs one cell, and tells what happened, however that ends. */
export const during = <A, E, R>({ timeline, trace }: Flags, self: Effect.Effect<A, E, R>) =>
  timeline || Option.isSome(trace)
    ? Effect.scoped(Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const clock = yield* Clock.Clock
      const recorder = new Recorder()
      const hearing = yield* session.activity.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Closed"),
        Stream.runForEach((event) =>
          Effect.sync(() => recorder.add(event, Number(clock.currentTimeNanosUnsafe()) / 1e6))
        ),
        Effect.ignore,
        Effect.forkScoped({ startImmediately: true })
      )
      const tell = Effect.gen(function*() {
        if (!recorder.isThere) {
          return
        }
        yield* Effect.timeoutOption(Fiber.await(hearing), patience)
        const record = recorder.toRecord()
        if (timeline) {
          yield* Printer.tell(Timeline.render(record, Printer.columns()))
        }
        if (Option.isSome(trace)) {
          yield* write(trace.value, ChromeTrace.toJson(record))
        }
      })
      return yield* Effect.onExit(self, () => tell)
    }))
    : self
