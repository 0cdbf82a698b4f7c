/**
 * Standard output and standard error: the only module that writes to them, besides `Version`. It takes what is `Printable`, and
 * what others write to the console it takes for foreign.
 *
 * @internal
 */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Console as NodeConsole } from "node:console"
import { Writable } from "node:stream"
import * as Printable from "./Printable.ts"

const { foreign, render, text } = Printable

const { stderr, stdout } = process

const surfaceOf = (stream: NodeJS.WriteStream): Printable.Surface => ({
  isTerminal: stream.isTTY === true,
  hasColours: stream.isTTY === true && process.env.TERM !== "dumb"
})

const write = (stream: NodeJS.WriteStream, printable: Printable.Printable, done?: (error?: Error | null) => void) =>
  stream.write(render(printable, surfaceOf(stream)), done)

// =============================================================================
// Standard output
// =============================================================================

/** The output has no reader any more, as after `| head -1`. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>("effect-code-mode/bin/OutputClosed")(
  "OutputClosed",
  {}
) {}

/** Writes to standard output, and waits until it is taken. */
export const print = (printable: Printable.Printable): Effect.Effect<void, OutputClosed> =>
  Effect.callback((resume) => {
    write(stdout, printable, (error) => resume(error ? Effect.fail(new OutputClosed()) : Effect.void))
  })

/** Fails when any write finds that the output is closed. */
export const closed: Effect.Effect<never, OutputClosed> = Effect.callback((resume) => {
  const listener = () => resume(Effect.fail(new OutputClosed()))
  stdout.once("error", listener)
  return Effect.sync(() => stdout.off("error", listener))
})

/**
 * A stream that is gone says so to those who write to it, and as an event that would end the process if it had no
 * listener. We hear it from the writes.
 */
export const ignoreClosedStreams: Effect.Effect<void> = Effect.sync(() => {
  for (const stream of [stdout, stderr]) {
    stream.on("error", () => {})
  }
})

// =============================================================================
// Standard error
// =============================================================================

/** Writes to standard error; a screen that draws there has it go above. */
type Tell = (printable: Printable.Printable) => void

const Told = Context.Reference<Tell>("effect-code-mode/bin/Printer/Told", {
  defaultValue: () => (printable) => void write(stderr, printable)
})

/** Says something to the person who runs the command, in a line on standard error. */
export const tell = (printable: Printable.Printable): Effect.Effect<void> =>
  Effect.map(Told, (write) => write(text`${printable}\n`))

/** A stream for a module that writes text. */
const textStream = (write: (text: string) => void) =>
  new Writable({
    decodeStrings: false,
    write: (text: string, _, done) => {
      write(text)
      done()
    }
  })

/** The console of those who do not know of us: the log, and the parser of the command line. */
const consoleOf = (tell: Tell): Console.Console =>
  new NodeConsole({
    stdout: textStream((text) => write(stdout, foreign("console", text, "output"))),
    stderr: textStream((line) => tell(text`${foreign("log", line.replace(/\n$/, ""), "quote")}\n`)),
    colorMode: false
  })

const contextOf = (tell: Tell) => Context.make(Told, tell).pipe(Context.add(Console.Console, consoleOf(tell)))

/** Gives the effect a console that is ours. */
export const layer: Layer.Layer<never> = Layer.effectContext(Effect.map(Told, contextOf))

/** Has everything on standard error go by `through`, which runs what writes there. */
export const above = (through: (write: Effect.Effect<void>) => Effect.Effect<void>) =>
<A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Told, (write) =>
    Effect.provideContext(
      self,
      contextOf((printable) => Effect.runSync(through(Effect.sync(() => write(printable)))))
    ))

/** Has what node itself would write go by us: its warnings, and the error that ends the process. */
export const adoptProcess = (name: "effect-code-mode" | "code-mode-host"): Effect.Effect<void> =>
  Effect.sync(() => {
    process.on("uncaughtException", (error: unknown) => {
      const stack = error instanceof Error ? error.stack ?? error.message : String(error)
      write(stderr, text`${name}: This is a bug: ${foreign("uncaught exception", stack, "quote")}\n`)
      process.exit(1)
    })
    // They have no listener where they are not wanted.
    if (process.listenerCount("warning") > 0) {
      process.removeAllListeners("warning").on("warning", ({ message, name: kind }) => {
        write(stderr, text`${name}: ${foreign("warning of node", `${kind}: ${message}`, "quote")}\n`)
      })
    }
  })

// =============================================================================
// Terminals
// =============================================================================

/** How wide what is told may be. */
export const columns = (): number => stderr.columns || 80

/** Whether both ends of the conversation are a terminal. */
export const isConversation = (): boolean => process.stdin.isTTY === true && stdout.isTTY === true

/** A terminal to draw on. */
export interface Terminal {
  readonly size: () => { readonly columns: number; readonly rows: number }
  readonly write: (printable: Printable.Printable) => void
  readonly onResize: (listener: () => void) => void
  readonly offResize: (listener: () => void) => void
}

const terminalOf = (stream: NodeJS.WriteStream): Terminal => ({
  // A terminal that knows no size of its own says that it has none.
  size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
  write: (printable) => void write(stream, printable),
  onResize: (listener) => void stream.on("resize", listener),
  offResize: (listener) => void stream.off("resize", listener)
})

/** Standard error, where it shows what is drawn on it. */
export const screen = (): Terminal | undefined => surfaceOf(stderr).hasColours ? terminalOf(stderr) : undefined

/** Standard output, where a prompt is. */
export const page: Terminal = terminalOf(stdout)

/** The page for `node:readline`, which draws as long as `isOpen`. */
export const pageOfReadline = (isOpen: () => boolean): Writable => {
  const stream = textStream((drawn) => {
    if (isOpen()) {
      page.write(foreign("typed at the prompt", drawn, "typing"))
    }
  })
  return Object.defineProperties(stream, {
    columns: { get: () => stdout.columns },
    rows: { get: () => stdout.rows }
  })
}
