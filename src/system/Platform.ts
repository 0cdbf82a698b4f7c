/**
 * What differs between operating systems: signals, spawning, paths, sockets. Everything else asks here, and not which system
 * it is. A platform is a value, so that tests can play the others.
 *
 * @internal
 */
import { join } from "node:path"

export interface Platform {
  /** What people call it. */
  readonly name: "Linux" | "macOS" | "Windows" | "a system that was never tried"
  /** Whether `/proc` says what processes take and carry, and which groups they are in. */
  readonly hasProc: boolean
  /** Whether there are programs and files of Linux that confine a process further. */
  readonly hasConfinement: boolean
  /** Whether a name of a socket can go away with its process. */
  readonly hasAbstractSockets: boolean
  /** Whether a socket can be a file, which has an owner. */
  readonly hasSocketFiles: boolean
  /** What ends all processes of a group at once, besides a signal to it. */
  readonly endTree: ((pid: number) => readonly [command: string, args: ReadonlyArray<string>]) | undefined
  /** What else may be wrong where a command is not found. */
  readonly missingCommand: string
  /** Whether a program gets a variable of the environment without being given it: it needs it to find its way. */
  readonly isSafe: (variable: string) => boolean
  /** Where a program keeps what it remembers. */
  readonly stateFolder: (env: NodeJS.ProcessEnv, home: string) => string
  /** What Linux gives, and this system does not. */
  readonly lacks: ReadonlyArray<Lack>
}

/**
 * - `confinement`: nothing of the system holds a lane besides its being a process.
 * - `memory`: what a process holds outside of V8's heaps is not known.
 * - `descendants`: a process that has left its group is not found.
 * - `sockets`: a socket cannot be a file, which has an owner.
 * - `scripts`: a script is no command by itself.
 */
export type Lack = "confinement" | "memory" | "descendants" | "sockets" | "scripts"

const posixVariables = new Set([
  "HOME",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "LOGNAME",
  "PATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER"
])

const windowsVariables = new Set([
  "APPDATA",
  "COMSPEC",
  "HOMEDRIVE",
  "HOMEPATH",
  "LOCALAPPDATA",
  "PATH",
  "PATHEXT",
  "PROCESSOR_ARCHITECTURE",
  "PROGRAMFILES",
  "SYSTEMDRIVE",
  "SYSTEMROOT",
  "TEMP",
  "TMP",
  "USERNAME",
  "USERPROFILE"
])

const linux: Platform = {
  name: "Linux",
  hasProc: true,
  hasConfinement: true,
  hasAbstractSockets: true,
  hasSocketFiles: true,
  endTree: undefined,
  missingCommand: "is it installed, and in the PATH?",
  isSafe: (variable) => posixVariables.has(variable),
  stateFolder: (env, home) => join(env.XDG_STATE_HOME ?? join(home, ".local", "state"), "effect-code-mode"),
  lacks: []
}

const posix = (name: Platform["name"]): Platform => ({
  ...linux,
  name,
  hasProc: false,
  hasConfinement: false,
  hasAbstractSockets: false,
  lacks: ["confinement", "memory", "descendants"]
})

const windows: Platform = {
  ...posix("Windows"),
  hasSocketFiles: false,
  endTree: (pid) => ["taskkill", ["/PID", String(pid), "/T", "/F"]],
  missingCommand: "is it installed, and in the PATH? A script such as npx is started by cmd, with /c",
  isSafe: (variable) => windowsVariables.has(variable.toUpperCase()),
  stateFolder: (env, home) => join(env.LOCALAPPDATA ?? join(home, "AppData", "Local"), "effect-code-mode"),
  lacks: ["confinement", "memory", "descendants", "sockets", "scripts"]
}

/** The platform of a name that node has for it. */
export const of = (name: string): Platform => {
  switch (name) {
    case "linux":
      return linux
    case "win32":
      return windows
    case "darwin":
      return posix("macOS")
    default:
      return posix("a system that was never tried")
  }
}

export const here: Platform = of(process.platform)

/** Whether this process may do everything. */
export const isRoot = (): boolean => process.getuid?.() === 0

/** The number of this process's user, as text; empty where users have none. */
export const user = (): string => String(process.getuid?.() ?? "")
