/**
 * A terminal with a command in it: a pseudo-terminal that `script` of util-linux opens, and an emulator that draws what
 * is written to it.
 */
import headless from "@xterm/headless"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { descendants, folder, root, start } from "./Process.ts"

/** Whether there can be terminals here. Every Debian has them; the `script` of macOS is another. */
export const isAvailable = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "")

export const key = { enter: "\r", tab: "\t", up: "\x1b[A", ctrlC: "\x03", ctrlD: "\x04" } as const

export interface Options {
  readonly columns?: number
  readonly rows?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a shell script in a terminal; its last line says with which status that ended. */
export const make = Effect.fnUntraced(function*(script: string, { columns = 60, env = {}, rows = 20 }: Options = {}) {
  const home = yield* folder
  const file = join(home, "run.sh")
  const device = join(home, "tty")
  const size = (columns: number, rows: number) => `stty cols ${columns} rows ${rows}`
  const exports = Object.entries({ TERM: "xterm-256color", NO_COLOR: "", ...env })
  writeFileSync(
    file,
    [
      `tty > '${device}'`,
      `stty echo`,
      size(columns, rows),
      ...exports.map(([name, value]) => `export ${name}='${value}'`),
      "trap : INT",
      `cd '${root}'`,
      script,
      "echo \"status $?\"",
      "sleep 1000"
    ].join("\n")
  )

  const terminal = new headless.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => terminal.dispose()))
  const { child } = yield* start("script", ["-q", "-c", `sh '${file}'`, "/dev/null"], { keepOpen: true })
  let written = ""
  let marks = 0
  child.stdout.on("data", (text: string) => {
    written += text
    terminal.write(text)
  })

  const lines = (from: number) =>
    Array.from(
      { length: terminal.buffer.active.length - from },
      (_, i) => terminal.buffer.active.getLine(from + i)
    ).flatMap((line) => line === undefined ? [] : [line])
  const textOf = (from: number) => lines(from).map((line) => line.translateToString(true)).join("\n").trimEnd()

  /** What can be seen. */
  const show = () => textOf(terminal.buffer.active.baseY)

  return {
    show,
    /** Everything that was written to it, as it was. */
    written: () => written,
    /** What can be seen, and what can be scrolled back to. */
    showAll: () => textOf(0),
    /** Whether any of what can be seen is dimmed, which is the one colour there is. */
    isDimmed: () =>
      lines(terminal.buffer.active.baseY).some((line) =>
        Array.from({ length: line.length }, (_, x) => line.getCell(x)).some((cell) =>
          cell !== undefined && cell.isDim() !== 0
        )
      ),
    type: (...keys: ReadonlyArray<string>) => Effect.sync(() => child.stdin.write(keys.join(""))),
    /**
     * As terminals do it: first what is there is drawn anew, then the program hears of it. It stands still meanwhile, as
     * what it draws for the old size would otherwise come to the new one.
     */
    resize: (columns: number, rows: number) =>
      Effect.gen(function*() {
        const tty = readFileSync(device, "utf8").trim()
        // All but the shell: `script` stands still where that does.
        const programs = descendants(child.pid!).slice(1)
        programs.forEach((pid) => process.kill(pid, "SIGSTOP"))
        // What it wrote has been drawn once this is there, which no terminal shows.
        const mark = `\x1b]9999;${++marks}\x07`
        writeFileSync(tty, mark)
        yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => written.includes(mark) }))
        yield* Effect.promise(() => new Promise<void>((resolve) => terminal.write("", resolve)))
        terminal.resize(columns, rows)
        spawnSync("sh", ["-c", `${size(columns, rows)} < '${tty}'`])
        programs.forEach((pid) => process.kill(pid, "SIGCONT"))
      }),
    until: (pattern: RegExp, patience: Duration.Input = "40 seconds") =>
      Effect.sync(show).pipe(
        Effect.repeat({ until: (screen) => pattern.test(screen), schedule: Schedule.spaced("20 millis") }),
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.die(new Error(`the screen never showed ${pattern}:\n${show()}`))
        })
      )
  }
})
