/**
 * What the operating system adds to the confinement of lanes, as far as it does so here.
 *
 * Nothing of it is needed for a lane to work: what cannot be had is left out, and `levels` does not name it.
 *
 * @since 0.1.0
 */
import { spawnSync } from "node:child_process"
import { existsSync, writeFile, writeFileSync } from "node:fs"
import type * as ChildProcess from "../system/ChildProcess.ts"
import * as Platform from "../system/Platform.ts"
import type { Cgroup } from "./Cgroup.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Confinement extends ChildProcess.Confinement {
  /** Whether a lane is killed at once when this process ends, and not only ends itself when it notices. */
  readonly isKilledWithHost: boolean
  /** Tells in words what protects the lanes that were adopted so far, once the kernel has taken all of it in. */
  readonly levels: (tell: (levels: ReadonlyArray<string>) => void) => void
}

const places = ["/usr/bin/setpriv", "/bin/setpriv"]
const shell = "/bin/sh"

// Users that own nothing. Where these are none, as in most containers, there is `nobody`.
const firstUser = 0x7000_0000
const userCount = 0x0fff_ffff
/** There are no more processes at a time, so that two hosts do not use the same ones. */
const mostProcesses = 2 ** 22
const nobody = 65_534

let users = 0

const nextUser = () => firstUser + ((process.pid + mostProcesses * users++) % userCount)

const privileges = ["--no-new-privs", "--pdeathsig", "KILL"]

const becoming = (user: number) => [
  "--reuid",
  String(user),
  "--regid",
  String(user),
  "--clear-groups",
  "--bounding-set=-all",
  ...privileges
]

/**
 * A `setpriv`, and its flags for the next lane.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setpriv {
  readonly path: string
  readonly flags: () => ReadonlyArray<string>
  /** Whether it has changed to the lane's user, or there is none to change to. */
  readonly isUserKept: boolean
}

/**
 * What may work here, the strictest first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const candidates = (platform: Platform.Platform = Platform.here): ReadonlyArray<Setpriv> => {
  const path = platform.hasConfinement ? places.find((path) => existsSync(path)) : undefined
  if (path === undefined) {
    return []
  }
  return Platform.isRoot()
    ? [
      { path, flags: () => becoming(nextUser()), isUserKept: true },
      { path, flags: () => becoming(nobody), isUserKept: true },
      { path, flags: () => privileges, isUserKept: false }
    ]
    : [{ path, flags: () => privileges, isUserKept: true }]
}

/**
 * Whether what is started this way can run node and read these files. It takes a few milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const canStart = ({ flags, path }: Setpriv, files: ReadonlyArray<string>): boolean => {
  const test = `test -x "$0" && for file; do test -r "$file" || exit; done`
  const { status } = spawnSync(path, [...flags(), "--", shell, "-c", test, process.execPath, ...files], {
    cwd: "/",
    env: {},
    stdio: "ignore",
    timeout: 5_000
  })
  return status === 0
}

/**
 * Finds a `setpriv` and what of it works here. `files` are those that a lane reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const findSetpriv = (files: ReadonlyArray<string>, platform?: Platform.Platform): Setpriv | undefined =>
  candidates(platform).find((candidate) => canStart(candidate, files))

/**
 * Confines lanes with what there is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (found: Setpriv | undefined, cgroup: Cgroup | undefined): Confinement => {
  const levels = new Set<string>()
  if (found !== undefined) {
    levels.add("no new privileges")
  }
  // A process that changes its user by itself is not killed any more with the one that started it.
  const isKilledWithHost = found?.isUserKept === true
  if (isKilledWithHost) {
    levels.add("killed when its host ends")
  }

  let imposing = 0
  let listeners: Array<() => void> = []

  // The kernel takes its time for some of it, which cells do not wait for.
  const impose = (level: string, file: string, text: string) => {
    imposing++
    writeFile(file, text, (error) => {
      if (error === null) {
        levels.add(level)
      }
      if (--imposing === 0) {
        const told = listeners
        listeners = []
        told.forEach((tell) => tell())
      }
    })
  }

  const imposeAtOnce = (level: string, file: string, text: string) => {
    try {
      writeFileSync(file, text)
      levels.add(level)
    } catch {
      // The system does not have it.
    }
  }

  return {
    command: (program, args) =>
      found === undefined ? [program, args] : [found.path, [...found.flags(), "--", program, ...args]],
    adopt: (pid) => {
      if (Platform.here.hasConfinement) {
        // Node's other threads, which would do this, are not there yet when a command starts.
        imposeAtOnce("first to go when the machine's memory runs out", `/proc/${pid}/oom_score_adj`, "1000")
      }
      if (cgroup !== undefined) {
        impose("a memory cgroup", cgroup.processes, String(pid))
      }
    },
    isKilledWithHost,
    levels: (tell) => {
      const listener = () => tell([...levels])
      if (imposing === 0) {
        listener()
      } else {
        listeners.push(listener)
      }
    }
  }
}
