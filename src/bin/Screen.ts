/**
 * The tool calls that are under way, at the bottom of a terminal.
 *
 * **Details**
 *
 * They are drawn below everything else, again and again. Whatever else goes to the terminal has to go above them: what
 * is written to the console does, and so does what is written inside `above`.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { WriteStream } from "node:tty"
import * as Render from "./Render.ts"
import { Reporter } from "./Reporter.ts"

/** How often the times are drawn anew. A call that takes less is never seen. */
const interval = "100 millis"

const maxLines = 12

/** The lines that fit twice. What a terminal wraps when it gets narrower still has room then. */
const linesOf = (rows: number) => Math.max(1, Math.min(maxLines, Math.floor((rows - 1) / 2)))

const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

/** How many columns a text takes at most: what is not ASCII may take two. */
const widthOf = (text: string) => Array.from(text).reduce((sum, character) => sum + (character < "\x7f" ? 1 : 2), 0)

const fit = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) {
    return text
  }
  let fitting = ""
  for (const character of text) {
    if (widthOf(fitting + character) > columns - 2) {
      break
    }
    fitting += character
  }
  return `${fitting}…`
}

/** Runs an effect that writes to the terminal, above what is at its bottom. */
export type Above = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Running {
  readonly name: string
  readonly start: number
}

export interface Row {
  readonly name: string
  readonly millis: number
}

/** The lines for the calls that are under way, the longest first, within a size. */
export const draw = (
  rows: ReadonlyArray<Row>,
  size: { readonly columns: number; readonly rows: number },
  tick: number
): ReadonlyArray<string> => {
  const room = linesOf(size.rows)
  const shown = rows.length > room ? rows.slice(0, room - 1) : rows
  const hidden = rows.length - shown.length
  const lines = shown.map(({ millis, name }) => {
    const time = Render.duration(millis)
    const columns = size.columns - 1
    return `${
      fit(`${frames[tick % frames.length]} ${Render.summary(name)}`, Math.max(1, columns - time.length - 2))
    }  ${time}`
      .slice(0, columns)
  })
  return hidden === 0 ? lines : [...lines, `… and ${hidden} more`.slice(0, size.columns - 1)]
}

/**
 * Text that a terminal does not wrap. It may have become narrower, and we have not heard of it yet. Then we draw as many
 * lines as we erase, and once we hear of it, we erase what was wrapped before.
 */
const clipped = (text: string) => `\x1b[?7l${text}\x1b[?7h`

const colours = (env: NodeJS.ProcessEnv) => (env.NO_COLOR ?? "") === ""

/** Whether a stream shows what is drawn on it. */
const isScreen = (stream: NodeJS.WriteStream): stream is WriteStream & NodeJS.WriteStream =>
  stream.isTTY === true && process.env.TERM !== "dumb"

/** Opens a screen on a terminal; the end of the scope takes it away. */
const make = Effect.fnUntraced(function*(terminal: WriteStream) {
  const clock = yield* Clock.Clock
  const console = yield* Console.Console
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const running = new Map<object, Running>()
  const paint = colours(process.env) ? (line: string) => `\x1b[2m${line}\x1b[22m` : (line: string) => line
  let drawn: ReadonlyArray<string> = []
  let tick = 0
  let owner: Above | undefined

  const begin = <Key extends object>(key: Key, name: string): Key => {
    running.set(key, { name, start: now() })
    return key
  }

  // A terminal that knows no size of its own says that it has none.
  const size = () => ({ columns: terminal.columns || 80, rows: terminal.rows || 24 })

  const erase = () => {
    const { columns } = size()
    // A terminal that got narrower has wrapped what was drawn.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0)
    drawn = []
    return rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`
  }

  const redraw = () => {
    const rows = Array.from(running.values(), ({ name, start }) => ({ name, millis: now() - start }))
    const erased = erase()
    drawn = owner === undefined ? draw(rows, size(), tick) : []
    terminal.write(erased + (drawn.length === 0 ? "" : clipped(drawn.map((line) => `${paint(line)}\n`).join(""))))
  }

  const refresh = Effect.sync(() => {
    if (running.size > 0 || drawn.length > 0) {
      tick++
      redraw()
    }
  })

  const clear = Effect.sync(() => {
    terminal.write(erase())
  })

  /** Draws around what the effect writes. */
  const above: Above = (effect) =>
    Effect.suspend(() =>
      owner !== undefined
        ? owner(effect)
        : drawn.length === 0
        ? effect
        : Effect.andThen(clear, Effect.ensuring(effect, Effect.sync(redraw)))
    )

  yield* Effect.acquireRelease(
    Effect.sync(() => terminal.on("resize", redraw)),
    () => Effect.andThen(Effect.sync(() => terminal.off("resize", redraw)), clear)
  )
  yield* Effect.sleep(interval).pipe(Effect.andThen(refresh), Effect.forever, Effect.forkScoped)

  return {
    leaveTo: <A, E, R>(above: Above, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        Effect.andThen(
          clear,
          Effect.sync(() => {
            owner = above
          })
        ),
        () => self,
        () =>
          Effect.sync(() => {
            owner = undefined
          })
      ),
    /** A reporter that shows what is under way here, and says the rest to the given one. */
    reporter: (reporter: Reporter["Service"]): Reporter["Service"] => ({
      ...reporter,
      output: (items) => above(reporter.output(items)),
      during: (what, self) =>
        Effect.acquireUseRelease(
          Effect.sync(() => begin({}, what)),
          () => reporter.during(what, self),
          (key) => Effect.sync(() => running.delete(key))
        ),
      toolStarted: (call) => Effect.andThen(Effect.sync(() => begin(call, call.tool)), reporter.toolStarted(call)),
      toolEnded: (call, millis, exit) =>
        Effect.andThen(Effect.sync(() => running.delete(call)), reporter.toolEnded(call, millis, exit))
    }),
    /** A console whose errors go above. */
    console: {
      ...console,
      error: (...args: ReadonlyArray<unknown>) => Effect.runSync(above(Effect.sync(() => console.error(...args))))
    } satisfies Console.Console
  }
})

/** Draws nothing while the effect has the bottom of the terminal; others write above that. */
export type LeaveTo = <A, E, R>(above: Above, self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Gives the effect somebody to report to. Where standard error is a terminal, that is its screen too. */
export const use = <A, E, R>(
  reporter: Reporter["Service"],
  self: (leaveTo: LeaveTo) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Reporter>> =>
  Effect.suspend(() =>
    isScreen(process.stderr)
      ? Effect.flatMap(make(process.stderr), (screen) =>
        self(screen.leaveTo).pipe(
          Effect.provideService(Reporter, screen.reporter(reporter)),
          Effect.provideService(Console.Console, screen.console)
        ))
      : Effect.provideService(self((_, effect) => effect), Reporter, reporter)
  ).pipe(Effect.scoped)
