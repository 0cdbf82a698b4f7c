/**
 * The command as a process, as a user would start it.
 */
import * as Effect from "effect/Effect"
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Lanes from "../hostile/Lanes.ts"

export const root = fileURLToPath(new URL("../..", import.meta.url))

export const fixture = fileURLToPath(new URL("../mcp/fixtures/server.js", import.meta.url))

/** A server of the fixture, for `--mcp`. */
export const server = (...args: ReadonlyArray<string>) =>
  [process.execPath, fixture, ...args].map((word) => `'${word}'`).join(" ")

export interface Result {
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: () => string
  /** Waits until the text is on standard output. */
  readonly printed: (text: string) => Effect.Effect<void>
  readonly result: Effect.Effect<Result>
}

/** A folder that is there until the end of the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "effect-code-mode-")))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** Starts a program. What still runs of it at the end of the scope is killed. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly stdin?: string
    readonly keepOpen?: boolean
    readonly cwd?: string
    readonly env?: NodeJS.ProcessEnv
  } = {}
) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const child = spawn(command, args, { stdio: "pipe", cwd: options.cwd, env: options.env ?? process.env })
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text) => {
        stdout += text
      })
      child.stderr.setEncoding("utf8").on("data", (text) => {
        stderr += text
      })
      child.stdin.on("error", () => {})
      if (options.keepOpen !== true) {
        child.stdin.end(options.stdin ?? "")
      }
      const closed = new Promise<Result>((resolve) => {
        child.on("close", (code, signal) => resolve({ status: code ?? signal!, stdout, stderr }))
      })
      return {
        child,
        stdout: () => stdout,
        printed: (text) =>
          Effect.callback((resume) => {
            const check = () => stdout.includes(text) && resume(Effect.void)
            child.stdout.on("data", check)
            check()
            return Effect.sync(() => child.stdout.off("data", check))
          }),
        result: Effect.promise(() => closed)
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Starts the command from its source. */
export const startCommand = (args: ReadonlyArray<string>, options?: Parameters<typeof start>[2]) =>
  start(process.execPath, [`${root}bin/effect-code-mode.js`, ...args], options)

/** Runs the command to its end. */
export const run = (args: ReadonlyArray<string>, options?: Parameters<typeof start>[2]) =>
  Effect.flatMap(startCommand(args, options), ({ result }) => result)

/** Runs a cell to its end. */
export const runCell = (source: string, ...args: ReadonlyArray<string>) => run(["run", "-", ...args], { stdin: source })

/** The processes of this machine that are no zombies, from `ps` where there is no `/proc`. */
const processes = (): ReadonlyArray<{ readonly pid: number; readonly parent: number }> =>
  process.platform === "linux"
    ? Lanes.processes()
    : spawnSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" }).stdout.trim().split("\n")
      .map((line) => line.trim().split(/\s+/))
      .flatMap(([pid, parent, state]) => state!.startsWith("Z") ? [] : [{ pid: Number(pid), parent: Number(parent) }])

/** Every process that descends from this one and is not a zombie. */
export const descendants = (pid: number): ReadonlyArray<number> => {
  const all = processes()
  const of = (parent: number): Array<number> =>
    all.flatMap((each) => each.parent === parent ? [each.pid, ...of(each.pid)] : [])
  return of(pid)
}

/** Whether the process does anything still: a zombie does not. */
export const isRunning = (pid: number): boolean =>
  process.platform === "linux" ? Lanes.isAlive(pid) : processes().some((each) => each.pid === pid)
