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
import { createInterface } from "node:readline"
import * as Platform from "../../system/Platform.ts"
import * as Visible from "../../text/Visible.ts"
import * as AtomicFile from "../commands/AtomicFile.ts"
import * as InputFile from "../commands/InputFile.ts"
import * as Keyboard from "./Keyboard.ts"
import { foreign, type Printable, text } from "./Printable.ts"
import * as Printer from "./Printer.ts"

const maxHistory = 1000
const maxHistoryBytes = 2 ** 24

/** A line; or a Ctrl-C, and the part of a line that it took back. */
export type Typed =
  | { readonly _tag: "Line"; readonly line: string }
  | { readonly _tag: "Interrupt"; readonly line: string }

export interface Prompt {
  /** What is typed next. Ends with the input. */
  readonly next: (prompt: Printable) => Effect.Effect<Typed, Cause.Done>
  /** Keeps for later prompts what was typed, in however many lines, as one entry. */
  readonly remember: (typed: string) => void
  /** Waits for a Ctrl-C. */
  readonly interrupt: Effect.Effect<void>
  /** What the effect writes to the terminal stands above the prompt. */
  readonly above: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const historyFile = Effect.map(
  Path.Path,
  (path) => path.join(Platform.here.stateFolder(process.env, homedir()), "history")
)

/** The terminal while the prompt has it. What is typed before that is shown when its turn comes. */
const pageOf = (isOurs: () => boolean) =>
  Effect.gen(function*() {
    const page = Printer.pageOfReadline(isOurs)
    const resize = () => page.emit("resize")
    yield* Effect.acquireRelease(
      Effect.sync(() => Printer.page.onResize(resize)),
      () => Effect.sync(() => Printer.page.offResize(resize))
    )
    return page
  })

/** An entry of the history is one line, in the file too. */
const toEntry = (typed: string): string => typed.trimEnd().split(/\r\n|[\n\r]/).map(Visible.lines).join("\r")

/** What `node:readline` has for an entry, and shows with its lines: the last of them comes first. */
const toReadline = (entry: string): string => entry.split("\r").toReversed().join("\r")

const readHistory = (file: string) =>
  InputFile.read(file, { maxBytes: maxHistoryBytes, pipes: false }).pipe(
    Effect.map((text) => text.split("\n").map(toEntry).filter((entry) => entry !== "")),
    Effect.orElseSucceed((): Array<string> => [])
  )

/** What the last word of a line may become. */
export interface Completion {
  readonly word: string
  readonly words: ReadonlyArray<string>
}

export interface Options {
  /** What the end of a line may become. */
  readonly complete?: ((line: string) => Completion) | undefined
  /** Whether what is typed is kept for later prompts. */
  readonly hasHistory: boolean
}

/** Opens the prompt on the standard streams. Where they are no terminal, there is nothing but the lines. */
export const make = Effect.fnUntraced(function*({ complete, hasHistory }: Options) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const terminal = Printer.isConversation()
  const file = yield* historyFile
  const history = terminal && hasHistory ? yield* readHistory(file) : []
  const lines = yield* Queue.unbounded<Typed, Cause.Done>()
  const interrupts = yield* Queue.sliding<void>(1)

  let reading = false
  /** How many effects write above the prompt, which is out of sight meanwhile. */
  let covers = 0
  const output = terminal ? yield* pageOf(() => reading && covers === 0) : undefined

  const keyboard = terminal ?
    yield* Effect.acquireRelease(
      Effect.sync(Keyboard.make),
      (keyboard) => Effect.sync(() => Keyboard.release(keyboard))
    ) :
    undefined
  const readline = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createInterface({
        input: keyboard ?? process.stdin,
        output,
        terminal,
        history: history.map(toReadline),
        historySize: hasHistory ? maxHistory : 0,
        removeHistoryDuplicates: true,
        completer: (line: string) => {
          const { word, words } = complete?.(line) ?? { word: "", words: [] }
          return [[...words], word]
        }
      })
    ),
    (readline) => Effect.sync(() => readline.close())
  )
  let kept = history
  /** The history of `node:readline`, which has every line by itself until there is an entry for them. */
  let live: Array<string> = []
  readline.on("history", (history: Array<string>) => {
    live = history
  })
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
      // The next one to be recalled is the last one again.
      Object.assign(readline, { historyIndex: -1 })
    } else {
      Queue.offerUnsafe(interrupts, undefined)
    }
  })
  readline.on("close", () => {
    if (reading && terminal) {
      Printer.page.write(text`\n`)
    }
    reading = false
    Queue.endUnsafe(lines)
  })

  if (terminal && hasHistory) {
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.andThen(
        fs.makeDirectory(path.dirname(file), { recursive: true }),
        AtomicFile.replace(file, `${kept.join("\n")}\n`)
      ))
    )
  }

  const prompt: Prompt = {
    next: (shown) =>
      Effect.suspend(() => {
        const typed = terminal ? Queue.takeUnsafe(lines) : undefined
        if (typed !== undefined) {
          return Effect.tap(typed, ({ line }) =>
            Effect.sync(() => Printer.page.write(text`${shown}${foreign("typed ahead", line, "code")}\n`)))
        }
        reading = true
        if (terminal) {
          readline.setPrompt(shown.toString())
          readline.prompt(true)
        }
        return Queue.take(lines)
      }).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => terminal && reading && Printer.page.write(text`\n`))
        ),
        Effect.ensuring(Effect.sync(() => {
          reading = false
        }))
      ),
    remember: (typed) => {
      const entry = toEntry(typed)
      if (entry !== "") {
        kept = [entry, ...kept.filter((each) => each !== entry)].slice(0, maxHistory)
        live.splice(0, live.length, ...kept.map(toReadline))
      }
    },
    interrupt: Effect.andThen(Queue.clear(interrupts), Queue.take(interrupts)),
    above: (self) =>
      Effect.suspend(() => {
        if (!reading || !terminal) {
          return self
        }
        if (covers++ === 0) {
          const { rows } = readline.getCursorPos()
          Printer.page.write(rows === 0 ? text`\r\x1b[J` : text`\x1b[${rows}A\r\x1b[J`)
          // It looks for its first row from here on.
          Object.assign(readline, { prevRows: 0 })
        }
        // Meanwhile it may have been closed.
        return Effect.ensuring(self, Effect.sync(() => --covers === 0 && reading && readline.prompt(true)))
      })
  }
  return prompt
})
