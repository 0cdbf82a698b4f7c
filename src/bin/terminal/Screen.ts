/**
 * The tool calls that are under way, at the bottom of a terminal.
 *
 * **Details**
 *
 * They are drawn below everything else, again and again. Whatever else goes to the terminal has to go above them: what
 * goes to standard error does, and so does what is written inside `above`.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Names from "../../mcp/Names.ts"
import * as Monotonic from "../../system/Monotonic.ts"
import * as Render from "../report/Render.ts"
import { Reporter, type ToolCall } from "../report/Reporter.ts"
import { empty, fit, isEmpty, join, type Printable, text, width } from "./Printable.ts"
import * as Printer from "./Printer.ts"

/** How often the times are drawn anew. A call that takes less is never seen. */
const interval = "100 millis"

const maxLines = 12

/** The lines that fit twice. What a terminal wraps when it gets narrower still has room then. */
const linesOf = (rows: number) => Math.max(1, Math.min(maxLines, Math.floor((rows - 1) / 2)))

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const

/** Runs an effect that writes to the terminal, above what is at its bottom. */
export type Above = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Running {
  readonly name: Printable
  /** What it is, unless it is the start of a server. */
  readonly call: ToolCall | undefined
  readonly start: number
  /** What is known of how it is going. */
  note: Printable
}

export interface Row {
  readonly name: Printable
  readonly millis: number
}

/** The lines for the calls that are under way, the longest first, within a size. */
export const draw = (
  rows: ReadonlyArray<Row>,
  size: { readonly columns: number; readonly rows: number },
  tick: number
): ReadonlyArray<Printable> => {
  const room = linesOf(size.rows)
  const shown = rows.length > room ? rows.slice(0, room - 1) : rows
  const hidden = rows.length - shown.length
  const columns = size.columns - 1
  const lines = shown.map(({ millis, name }) => {
    const time = Render.duration(millis)
    const frame = frames[tick % frames.length]!
    return text`${fit(text`${frame} ${name}`, Math.max(1, columns - width(time) - 2))}  ${time}`
  })
  return [...lines, ...(hidden === 0 ? [] : [text`… and ${hidden} more`])].map((line) => fit(line, columns, ""))
}

/**
 * Text that a terminal does not wrap. It may have become narrower, and we have not heard of it yet. Then we draw as many
 * lines as we erase, and once we hear of it, we erase what was wrapped before.
 */
const clipped = (lines: Printable) => text`\x1b[?7l${lines}\x1b[?7h`

const isSomething = (self: Printable) => !isEmpty(self)

const colours = (env: NodeJS.ProcessEnv) => (env.NO_COLOR ?? "") === ""

/** Draws nothing while the effect has the bottom of the terminal; others write above that. */
export type LeaveTo = <A, E, R>(above: Above, self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Who has the bottom of the terminal. */
export interface Bottom {
  readonly leaveTo: LeaveTo
  /** What has the bottom is out of sight until the effect is over, and takes it only then. One effect at a time. */
  readonly interrupt: <A, E, R>(self: (leaveTo: LeaveTo) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** `clear` takes away what is drawn there. */
const makeBottom = Effect.fnUntraced(function*(clear: Effect.Effect<void>) {
  const owners: Array<Above> = []
  const turn = yield* Semaphore.make(1)

  const enter = (above: Above) => Effect.andThen(clear, Effect.sync(() => owners.push(above)))
  const leave = (above: Above) => Effect.sync(() => owners.splice(owners.lastIndexOf(above), 1))
  const own: LeaveTo = (above, self) => Effect.acquireUseRelease(enter(above), () => self, () => leave(above))

  const bottom: Bottom = {
    leaveTo: (above, self) =>
      Effect.uninterruptibleMask((restore) =>
        restore(turn.take(1)).pipe(
          Effect.andThen(enter(above)),
          Effect.andThen(turn.release(1)),
          Effect.andThen(restore(self)),
          Effect.ensuring(leave(above))
        )
      ),
    interrupt: (self) =>
      turn.withPermit(Effect.suspend(() => {
        const covered = owners.at(-1)
        return covered === undefined ? self(own) : covered(self(own))
      }))
  }
  return { bottom, owner: () => owners.at(-1) }
})

/** Opens a screen on a terminal; the end of the scope takes it away. */
const make = Effect.fnUntraced(function*(terminal: Printer.Terminal) {
  const clock = yield* Clock.Clock
  const now = () => Monotonic.millisUnsafe(clock)
  const running = new Map<object, Running>()
  const paint = colours(process.env) ? (line: Printable) => text`\x1b[2m${line}\x1b[22m` : (line: Printable) => line
  let drawn: ReadonlyArray<Printable> = []
  let tick = 0

  const begin = <Key extends object>(key: Key, name: Printable, call?: ToolCall) =>
    Effect.sync(() => {
      running.set(key, { name, call, start: now(), note: empty })
      return key
    })

  const end = (key: object) => Effect.sync(() => running.delete(key))

  /** Notes something about some of the calls. */
  const note = (isMeant: (call: ToolCall) => boolean, note: Printable) =>
    Effect.sync(() => {
      for (const entry of running.values()) {
        if (entry.call !== undefined && isMeant(entry.call)) {
          entry.note = note
        }
      }
    })

  const erase = () => {
    const { columns } = terminal.size()
    // A terminal that got narrower has wrapped what was drawn.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns)), 0)
    drawn = []
    return rows === 0 ? empty : text`\x1b[${rows}A\r\x1b[J`
  }

  const clear = Effect.sync(() => {
    terminal.write(erase())
  })

  const { bottom, owner } = yield* makeBottom(clear)

  const redraw = () => {
    const rows = Array.from(running.values(), ({ name, note, start }) => ({
      name: isEmpty(note) ? name : text`${name}  ${note}`,
      millis: now() - start
    }))
    const erased = erase()
    drawn = owner() === undefined ? draw(rows, terminal.size(), tick) : []
    const anew = drawn.length === 0 ? empty : clipped(join(drawn.map((line) => text`${paint(line)}\n`)))
    terminal.write(text`${erased}${anew}`)
  }

  const refresh = Effect.sync(() => {
    if (running.size > 0 || drawn.length > 0) {
      tick++
      redraw()
    }
  })

  /** Draws around what the effect writes. */
  const above: Above = (effect) =>
    Effect.suspend(() =>
      owner()?.(effect) ??
        (drawn.length === 0 ? effect : Effect.andThen(clear, Effect.ensuring(effect, Effect.sync(redraw))))
    )

  yield* Effect.acquireRelease(
    Effect.sync(() => terminal.onResize(redraw)),
    () => Effect.andThen(Effect.sync(() => terminal.offResize(redraw)), clear)
  )
  yield* Effect.sleep(interval).pipe(Effect.andThen(refresh), Effect.forever, Effect.forkScoped)

  return {
    bottom,
    /** A reporter that shows what is under way here, and says the rest to the given one. */
    reporter: (reporter: Reporter["Service"]): Reporter["Service"] => ({
      ...reporter,
      output: (items) => above(reporter.output(items)),
      during: (what, self) => Effect.acquireUseRelease(begin({}, what), () => reporter.during(what, self), end),
      toolStarted: (call) => {
        const name = join([Render.tool(call.tool), Render.argument(call.call.input)].filter(isSomething), text`  `)
        return Effect.andThen(begin(call, name, call), reporter.toolStarted(call))
      },
      toolProgress: (id, progress) => note((call) => call.id === id, Render.progress(progress)),
      serverSaid: (server, told) => {
        const namespace = Names.namespace(server)
        return note(({ call }) => call.toolName.namespace === namespace, Render.said(told))
      },
      toolEnded: (call, millis, exit) => Effect.andThen(end(call), reporter.toolEnded(call, millis, exit))
    }),
    above
  }
})

/** Gives the effect a reporter. Where standard error is a terminal, that is its screen too. */
export const use = <A, E, R>(
  reporter: Reporter["Service"],
  self: (bottom: Bottom) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Reporter>> =>
  Effect.suspend(() => {
    const terminal = Printer.screen()
    return terminal === undefined
      ? Effect.flatMap(makeBottom(Effect.void), ({ bottom }) => Effect.provideService(self(bottom), Reporter, reporter))
      : Effect.flatMap(make(terminal), (screen) =>
        self(screen.bottom).pipe(
          Effect.provideService(Reporter, screen.reporter(reporter)),
          Printer.above(screen.above)
        ))
  }).pipe(Effect.scoped)
