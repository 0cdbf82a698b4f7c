/** A run of a cell whose tools take their cancellation in three ways, and the picture of it. */
import { Context, Duration, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Runtime, V8 } from "effect-code-mode"
import { svg, text } from "./Svg.ts"

export interface Times {
  /** Milliseconds from `terminate` on: until a tool ended, and until the caller had an answer. */
  readonly ended: Readonly<Record<"polite" | "tidy" | "deaf", number>>
  readonly answered: number
}

const now = () => performance.now()

const wait = { parameters: Schema.Struct({}) }

/** Terminates a cell with three tool calls, and says when what was over. */
export const measure: Effect.Effect<Times> = Effect.gen(function*() {
  const ends = new Map<string, number>()
  const ending = (name: string) => Effect.sync(() => void ends.set(name, now()))
  const tools = Delegate.layerTools({
    // Ends as soon as it is interrupted.
    polite: Delegate.tool({ ...wait, handler: () => Effect.ensuring(Effect.never, ending("polite")) }),
    // Has something to put away first.
    tidy: Delegate.tool({
      ...wait,
      handler: () => Effect.ensuring(Effect.never, Effect.andThen(Effect.sleep("40 millis"), ending("tidy")))
    }),
    // Cannot be interrupted.
    deaf: Delegate.tool({
      ...wait,
      handler: () => Effect.uninterruptible(Effect.andThen(Effect.sleep("1200 millis"), ending("deaf")))
    })
  })
  const layer = Runtime.layer().pipe(Layer.provide([tools, V8.layer()]))
  return yield* Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const source = "await Promise.all([tools.polite({}), tools.tidy({}), tools.deaf({})])"
    const { cell, initial } = yield* session.execute({ callId: "call-1", source }, { yieldAfter: "800 millis" })
    yield* initial
    const start = now()
    yield* session.terminate(cell)
    const answered = now() - start
    yield* Effect.sleep("1 second").pipe(Effect.repeat({ until: () => ends.size === 3 }))
    const after = (name: string) => (ends.get(name) ?? NaN) - start
    return { ended: { polite: after("polite"), tidy: after("tidy"), deaf: after("deaf") }, answered }
  }).pipe(Effect.provide(layer), Effect.orDie)
}).pipe(Effect.provideContext(Context.make(Logger.CurrentLoggers, new Set())))

const left = 190
const scale = 3.4
const grace = Duration.toMillis("100 millis")

const x = (millis: number) => Math.round(left + 60 + millis * scale)

const bar = (y: number, from: number, to: number, classes = "") =>
  `<rect class="bar ${classes}" x="${from}" y="${y}" width="${to - from}" height="16" rx="3"/>`

const row = (
  y: number,
  name: string,
  about: string
) => [text(24, y + 6, name, "mono bold"), text(24, y + 22, about, "small dim")]

const millis = (time: number) => time < 10 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`

/** The first 100 ms are to scale. */
export const picture = ({ answered, ended }: Times): string =>
  svg({
    width: 760,
    height: 334,
    title: "The timeline of a cancellation: what a cell, its tool calls and the caller of terminate do",
    body: [
      `<path class="rule" stroke-dasharray="4 4" d="M${x(0)} 40V282M${x(grace)} 40V216"/>`,
      text(x(0), 28, "terminate", "bold middle mark"),
      text(x(grace), 28, "the grace is over: 100 ms", "bold middle warn"),
      ...row(56, "the script", "stopped at once"),
      bar(54, left, x(0)),
      ...row(104, "polite", "ends when interrupted"),
      bar(102, left, x(ended.polite)),
      text(x(ended.polite) + 8, 115, `${millis(ended.polite)}: done`, "small"),
      ...row(152, "tidy", "puts something away"),
      bar(150, left, x(ended.tidy)),
      text(x(ended.tidy) + 8, 163, `${millis(ended.tidy)}: done`, "small"),
      ...row(200, "deaf", "cannot be interrupted"),
      bar(198, left, x(grace)),
      bar(198, x(grace), 736, "dim"),
      text(736, 232, "given up: its slot is free, its result is dropped.", "small end"),
      text(736, 247, `It ended by itself after ${millis(ended.deaf)}.`, "small end"),
      ...row(264, "terminate", "waits for all of them"),
      bar(262, x(0), x(Math.min(answered, 125)), "warn"),
      text(x(Math.min(answered, 125)) + 8, 275, `${millis(answered)}: Terminated`, "small bold"),
      text(
        24,
        306,
        "A run of its own: made by npm run pictures. Without deaf, the answer is there as soon as tidy is done.",
        "small dim"
      )
    ]
  })
