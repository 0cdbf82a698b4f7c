/**
 * A process of ours that is spoken to through its pipes, and that leaves nothing behind.
 *
 * **Details**
 *
 * The process leads a process group of its own. So a Ctrl-C in the terminal reaches us alone, who then end the process
 * in order; and what it started itself (`npx` starts a chain of processes) ends with it. On Linux that holds, too, for
 * what left the group for a session of its own: everything that carries the process's mark in its environment is found
 * and killed. Elsewhere, and where a process has cleared its environment, what left the group stays.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readdirSync } from "node:fs"
import * as Platform from "./Platform.ts"
import * as Proc from "./Proc.ts"

export interface Command {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly cwd?: string | undefined
}

/** What the operating system adds to a process. */
export interface Confinement {
  /** The command that runs a program of its own, with these arguments. */
  readonly command: (
    program: string,
    args: ReadonlyArray<string>
  ) => readonly [program: string, args: ReadonlyArray<string>]
  /** Does what can only be done to a process that is there. */
  readonly adopt: (pid: number) => void
}

export interface ChildProcess {
  readonly handle: ChildProcessWithoutNullStreams
  /** What the environments of the process and of everything it starts contain. */
  readonly mark: string
}

/** How long a process may take to leave: after its input has ended, after it was told to, after it was killed. */
export interface Patience {
  readonly endOfInput: Duration.Input
  readonly terminate: Duration.Input
  readonly kill: Duration.Input
}

const markVariable = "EFFECT_CODE_MODE_STARTED_BY"

// =============================================================================
// Its end
// =============================================================================

const running = new Set<ChildProcess>()

const attempt = (action: () => void) => {
  try {
    action()
  } catch {
    // No process of the group is left, or none of ours.
  }
}

/** Kills what carries one of the marks. */
const killMarked = (marks: ReadonlyArray<string>) => {
  if (!Platform.here.hasProc) {
    return
  }
  attempt(() => {
    for (const entry of readdirSync("/proc")) {
      const pid = Number(entry)
      const environment = Number.isInteger(pid) && pid !== process.pid ? Proc.read(`${pid}/environ`) : ""
      if (marks.some((mark) => environment.includes(mark))) {
        attempt(() => process.kill(pid, "SIGKILL"))
      }
    }
  })
}

const signalGroup = (pid: number, name: NodeJS.Signals) => {
  const { endTree } = Platform.here
  if (endTree === undefined) {
    process.kill(-pid, name)
  } else if (name === "SIGKILL") {
    // Nothing else there asks a process to leave, and the end of its input has.
    const [command, args] = endTree(pid)
    spawnSync(command, args, { stdio: "ignore", timeout: 5_000, windowsHide: true })
  }
}

const signal = ({ handle: { pid } }: ChildProcess, name: NodeJS.Signals) =>
  attempt(() => pid !== undefined && signalGroup(pid, name))

/** Takes the processes along where this one ends without further ado. */
const killAll = () => {
  running.forEach((child) => signal(child, "SIGKILL"))
  if (running.size > 0) {
    killMarked(Array.from(running, ({ mark }) => mark))
  }
}

/** Kills the process with everything it started. */
export const kill = (self: ChildProcess): void => {
  signal(self, "SIGKILL")
  killMarked([self.mark])
}

export const isGone = ({ handle: { exitCode, signalCode } }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null

/** Waits for an event of the process, or of one of its pipes. */
export const once = (self: ChildProcess, event: "exit" | "close"): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const listener = () => resume(Effect.void)
    self.handle.once(event, listener)
    return Effect.sync(() => self.handle.off(event, listener))
  })

export const awaitExit = (self: ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => isGone(self) ? Effect.void : once(self, "exit"))

const exitsWithin = (self: ChildProcess, duration: Duration.Input) =>
  awaitExit(self).pipe(Effect.timeoutOption(duration), Effect.map(Option.isSome))

/** Asks the process to leave, ever less politely. Nothing of it is there when this is done. */
export const end = Effect.fnUntraced(function*(self: ChildProcess, patience: Patience) {
  self.handle.stdin.end()
  if (!(yield* exitsWithin(self, patience.endOfInput))) {
    signal(self, "SIGTERM")
    if (!(yield* exitsWithin(self, patience.terminate))) {
      signal(self, "SIGKILL")
      yield* exitsWithin(self, patience.kill)
    }
  }
  kill(self)
  self.handle.stdout.destroy()
  self.handle.stderr.destroy()
  running.delete(self)
})

// =============================================================================
// Its start
// =============================================================================

/** A process could not be started: the system's code for why, and its text. */
export class NotStarted extends Schema.TaggedError<NotStarted>("effect-code-mode/system/NotStarted")("NotStarted", {
  code: Schema.String,
  message: Schema.String
}) {}

const notStarted = (error: unknown) =>
  new NotStarted({
    code: Predicate.hasProperty(error, "code") ? String(error.code) : "",
    message: error instanceof Error ? error.message : String(error)
  })

const spawnMarked = ({ args, command, cwd, env }: Command, mark: string) =>
  spawn(command, args ?? [], {
    cwd,
    env: { ...env ?? process.env, [markVariable]: mark.slice(markVariable.length + 1) },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    windowsHide: true
  })

/** Starts a process. What it started is killed as soon as it has left by itself, too. */
export const start = (command: Command): Effect.Effect<ChildProcess, NotStarted> =>
  Effect.suspend(() => {
    const mark = `${markVariable}=${process.pid}-${randomUUID()}`
    // It throws what it finds out before there is a process, such as arguments that are too long.
    return Effect.try({ try: () => spawnMarked(command, mark), catch: notStarted }).pipe(Effect.flatMap((child) =>
      Effect.callback<ChildProcess, NotStarted>((resume) => {
        const self: ChildProcess = { handle: child, mark }
        child.on("error", (error) => resume(Effect.fail(notStarted(error))))
        child.once("spawn", () => {
          running.add(self)
          process.off("exit", killAll).on("exit", killAll)
          resume(Effect.succeed(self))
        })
        child.once("exit", () => kill(self))
      })
    ))
  })
