/**
 * A prompt with lines, a history and completion: `node:readline` as Effect.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import { homedir } from "node:os"
import { clearScreenDown, createInterface, cursorTo, moveCursor } from "node:readline"
import { Writable } from "node:stream"

const maxHistory = 1000

/** A line; or a Ctrl-C, and the part of a line that it took back. */
export type Typed =
  | { readonly _tag: "Line"; readonly line: string }
  | { readonly _tag: "Interrupt"; readonly line: string }

export interface Prompt {
  /** What is typed next. Ends with the input. */
  readonly next: (prompt: string) => Effect.Effect<Typed, Cause.Done>
  /** Waits for a Ctrl-C. */
  readonly interrupt: Effect.Effect<void>
  /** What the effect writes to the terminal stands above the prompt. */
  readonly above: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const historyFile = Effect.map(
  Path.Path,
  (path) =>
    path.join(process.env.XDG_STATE_HOME ?? path.join(homedir(), ".local", "state"), "effect-code-mode", "history")
)

/** Standard output while the prompt has it. What is typed before that is shown when its turn comes. */
const echo = (isOurs: () => boolean) =>
  Effect.gen(function*() {
    const { stdout } = process
    const output = new Writable({
      write: (text, _, done) => {
        if (isOurs()) {
          stdout.write(text)
        }
        done()
      }
    })
    Object.defineProperties(output, {
      columns: { get: () => stdout.columns },
      rows: { get: () => stdout.rows }
    })
    const resize = () => output.emit("resize")
    yield* Effect.acquireRelease(
      Effect.sync(() => stdout.on("resize", resize)),
      () => Effect.sync(() => stdout.off("resize", resize))
    )
    return output
  })

/** Opens the prompt on the standard streams. Where they are no terminal, there is nothing but the lines. */
export const make = Effect.fnUntraced(function*(complete: (word: string) => ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const file = yield* historyFile
  const history = terminal
    ? yield* fs.readFileString(file).pipe(
      Effect.map((text) => text.split("\n").filter((line) => line !== "")),
      Effect.orElseSucceed((): Array<string> => [])
    )
    : []
  const lines = yield* Queue.unbounded<Typed, Cause.Done>()
  const interrupts = yield* Queue.sliding<void>(1)

  let reading = false
  const output = terminal ? yield* echo(() => reading) : undefined

  const readline = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createInterface({
        input: process.stdin,
        output,
        terminal,
        history,
        historySize: maxHistory,
        removeHistoryDuplicates: true,
        completer: (line: string) => {
          const word = /[\w$.]*$/.exec(line)?.[0] ?? ""
          return [complete(word), word]
        }
      })
    ),
    (readline) => Effect.sync(() => readline.close())
  )
  let kept = history
  readline.on("line", (line) => {
    // At once: what was pasted behind it belongs to the next prompt.
    reading = false
    Queue.offerUnsafe(lines, { _tag: "Line", line })
  })
  readline.on("SIGINT", () => {
    if (reading) {
      Queue.offerUnsafe(lines, { _tag: "Interrupt", line: readline.line })
      readline.write(null, { ctrl: true, name: "e" })
      readline.write(null, { ctrl: true, name: "u" })
    } else {
      Queue.offerUnsafe(interrupts, undefined)
    }
  })
  readline.on("close", () => {
    if (reading && terminal) {
      process.stdout.write("\n")
    }
    reading = false
    Queue.endUnsafe(lines)
  })
  readline.on("history", (history: Array<string>) => {
    kept = [...history]
  })

  if (terminal) {
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.andThen(
        fs.makeDirectory(path.dirname(file), { recursive: true }),
        fs.writeFileString(file, `${kept.join("\n")}\n`, { mode: 0o600 })
      ))
    )
  }

  const prompt: Prompt = {
    next: (text) =>
      Effect.suspend(() => {
        const typed = terminal ? Queue.takeUnsafe(lines) : undefined
        if (typed !== undefined) {
          return Effect.tap(typed, ({ line }) => Effect.sync(() => process.stdout.write(`${text}${line}\n`)))
        }
        reading = true
        if (terminal) {
          readline.setPrompt(text)
          readline.prompt(true)
        }
        return Queue.take(lines)
      }).pipe(Effect.ensuring(Effect.sync(() => {
        reading = false
      }))),
    interrupt: Effect.andThen(Queue.clear(interrupts), Queue.take(interrupts)),
    above: (self) =>
      Effect.suspend(() => {
        if (!reading || !terminal) {
          return self
        }
        moveCursor(process.stdout, 0, -readline.getCursorPos().rows)
        cursorTo(process.stdout, 0)
        clearScreenDown(process.stdout)
        // Meanwhile it may have been closed.
        return Effect.ensuring(self, Effect.sync(() => reading && readline.prompt(true)))
      })
  }
  return prompt
})
