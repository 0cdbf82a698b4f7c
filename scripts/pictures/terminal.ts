/** A run of the command line in a terminal, as a picture that moves. */
import headless from "@xterm/headless"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { svg, text } from "./Svg.ts"

const root = join(import.meta.dirname, "../..")
const columns = 92
const rows = 24
const shown = "pages.js"

/** What is on the screen: for each row its pieces, and whether they are dimmed. */
type Screen = ReadonlyArray<ReadonlyArray<{ readonly x: number; readonly words: string; readonly isDim: boolean }>>

const screenOf = (terminal: headless.Terminal): Screen =>
  Array.from({ length: rows }, (_, y) => {
    const line = terminal.buffer.active.getLine(terminal.buffer.active.baseY + y)
    const cells = Array.from({ length: columns }, (_, x) => line?.getCell(x))
    const pieces: Array<{ x: number; words: string; isDim: boolean }> = []
    cells.forEach((cell, x) => {
      const isDim = cell !== undefined && cell.isDim() !== 0
      const last = pieces.at(-1)
      const words = cell?.getChars() || " "
      if (last !== undefined && last.isDim === isDim) {
        last.words += words
      } else {
        pieces.push({ x, words, isDim })
      }
    })
    return pieces.map((piece) => ({ ...piece, words: piece.words.trimEnd() })).filter(({ words }) => words !== "")
  })

const draw = (terminal: headless.Terminal, written: string): Promise<Screen> =>
  new Promise((resolve) => terminal.write(written, () => resolve(screenOf(terminal))))

interface Frame {
  readonly screen: Screen
  readonly millis: number
}

/** The command is typed as a person would, and then it runs. What takes no time is shown for long enough to be seen. */
const record = async (): Promise<ReadonlyArray<Frame>> => {
  const terminal = new headless.Terminal({ cols: columns, rows, allowProposedApi: true })
  const folder = mkdtempSync(join(tmpdir(), "picture-"))
  const frames: Array<Frame> = []
  const show = async (written: string, millis: number) =>
    void frames.push({ screen: await draw(terminal, written), millis })
  const type = async (command: string) => {
    for (const part of command.match(/.{1,4}/g) ?? []) await show(part, 90)
    await show("\r\n", 250)
  }
  try {
    const source = readFileSync(join(import.meta.dirname, shown), "utf8")
    const command = `effect-code-mode run ${shown} --mcp 'fs=npx mcp-server-filesystem .'`
    await show("$ ", 500)
    await type(`cat ${shown}`)
    await show(`${source.replaceAll("\n", "\r\n")}$ `, 2_500)
    await type(command)

    const file = join(folder, "run.sh")
    writeFileSync(
      file,
      `stty cols ${columns} rows ${rows}\nexport TERM=xterm-256color\n${
        command.replace(shown, join(import.meta.dirname, shown))
      }\n`
    )
    symlinkSync(join(root, "bin/effect-code-mode.js"), join(folder, "effect-code-mode"))
    const child = spawn("script", ["-q", "-c", `sh '${file}'`, "/dev/null"], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        NO_COLOR: "",
        PATH: [folder, join(root, "node_modules/.bin"), process.env.PATH].join(delimiter)
      }
    })
    let last = performance.now()
    for await (const bytes of child.stdout) {
      const waited = performance.now() - last
      frames.push({ ...frames.pop()!, millis: Math.min(Math.max(waited, 140), 900) })
      await show(String(bytes), 140)
      last = performance.now()
    }
    await show("$ ", 6_000)
    return frames
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const character = 7.83
const line = 18
const margin = 16

/** Each piece of text is there once, and shows itself from a moment to another. */
export const picture = async (): Promise<string> => {
  const frames = await record()
  const total = frames.reduce((sum, { millis }) => sum + millis, 0)
  const pieces = new Map<string, Array<string>>()
  const open = new Map<string, number>()
  const close = (key: string, from: number, to: number) => {
    const times = `${from} ${to}`
    pieces.set(times, [...pieces.get(times) ?? [], key])
  }
  let at = 0
  for (const { millis, screen } of [...frames, { millis: 0, screen: [] }]) {
    const there = new Set(
      screen.flatMap((pieces, y) =>
        pieces.map(({ isDim, words, x }) =>
          text(Number((margin + x * character).toFixed(1)), margin + 13 + y * line, words, isDim ? "mono dim" : "mono")
            .replace("<text", `<text textLength="${(words.length * character).toFixed(1)}" xml:space="preserve"`)
        )
      )
    )
    for (const [key, from] of open) {
      if (!there.has(key)) {
        close(key, from, at)
        open.delete(key)
      }
    }
    there.forEach((key) => open.has(key) || open.set(key, at))
    at += millis
  }
  const percent = (time: number) => `${(time / total * 100).toFixed(2)}%`
  const groups = Array.from(pieces).filter(([, keys]) => keys.length > 0)
  const css = groups.map(([times], index) => {
    const [from = 0, to = 0] = times.split(" ").map(Number)
    const hidden = from === 0 ? "" : "0%{visibility:hidden}"
    const end = to >= total ? "" : `${percent(to)}{visibility:hidden}`
    return `@keyframes k${index}{${hidden}${percent(from)}{visibility:visible}${end}}` +
      `.k${index}{visibility:hidden;animation:k${index} ${(total / 1000).toFixed(1)}s step-end infinite}`
  })
  const still = groups.flatMap(([times], index) => Number(times.split(" ")[1]) >= total ? [`.k${index}`] : [])
  return svg({
    width: Math.ceil(2 * margin + columns * character),
    height: 2 * margin + rows * line,
    title: `A run of effect-code-mode: it reads pages through an MCP server, and puts out a list`,
    css: `${css.join("")}@media (prefers-reduced-motion:reduce){g{animation:none!important}${
      still.join(",")
    }{visibility:visible!important}}`,
    body: groups.map(([, keys], index) => `<g class="k${index}">${keys.join("")}</g>`)
  })
}
