/**
 * A control group of Linux that bounds the memory of all lanes together, where this process may make one.
 *
 * @since 0.1.0
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { attempt } from "../data/Attempt.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Cgroup {
  readonly path: string
  /** What puts a process under the bound when its number is written there. */
  readonly processes: string
  /** How many of its processes the kernel has ended because they held too much. */
  readonly kills: () => number
  /** Takes the group away; says whether it is gone, which it is not before its last process has ended. */
  readonly remove: () => boolean
}

/** Where the kernel says which groups this process is in, and where the groups are. */
export interface Paths {
  readonly self: string
  readonly root: string
  readonly processes: string
}

const defaultPaths: Paths = { self: "/proc/self/cgroup", root: "/sys/fs/cgroup", processes: "/proc" }

const prefix = "effect-code-mode-"

const succeeds = (f: () => void): boolean =>
  attempt(() => {
    f()
    return true
  }) === true

interface Place {
  readonly parent: string
  readonly limitFile: string
  readonly eventsFile: string
}

/** Where a group of ours could be made. In version 2, a group that has processes cannot bound groups below it. */
const places = ({ root, self }: Paths): ReadonlyArray<Place> => {
  const lines = attempt(() => readFileSync(self, "utf8").split("\n")) ?? []
  return lines.flatMap((line): ReadonlyArray<Place> => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) {
      return []
    }
    if (controllers.split(",").includes("memory")) {
      return [{
        parent: join(root, controllers, path),
        limitFile: "memory.limit_in_bytes",
        eventsFile: "memory.oom_control"
      }]
    }
    return controllers !== "" ? [] : [join(root, path), dirname(join(root, path))]
      .filter((parent) =>
        attempt(() => readFileSync(join(parent, "cgroup.subtree_control"), "utf8"))?.includes("memory") === true
      )
      .map((parent) => ({ parent, limitFile: "memory.max", eventsFile: "memory.events" }))
  })
}

/** A host that we cannot see, as it has numbers of its own for processes, has put a process into its group by then. */
const abandonedMillis = 60_000

/** Takes away what hosts have left that were killed. A group that has processes stays anyway. */
const sweep = (parent: string, { processes }: Paths) => {
  const running = new Set(attempt(() => readdirSync(processes)))
  for (const name of attempt(() => readdirSync(parent)) ?? []) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length).split("-")[0] : undefined
    const path = join(parent, name)
    if (pid !== undefined && !running.has(pid)) {
      attempt(() => statSync(path).mtimeMs < performance.timeOrigin - abandonedMillis && rmdirSync(path))
    }
  }
}

let made = 0

/**
 * Makes a group for the lanes of an engine, or nothing where that cannot be done.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (maxMemoryBytes: number, paths: Paths = defaultPaths): Cgroup | undefined => {
  for (const { eventsFile, limitFile, parent } of places(paths)) {
    sweep(parent, paths)
    const path = join(parent, `${prefix}${process.pid}-${++made}`)
    const remove = () => {
      attempt(() => rmdirSync(path))
      return !existsSync(path)
    }
    if (!succeeds(() => mkdirSync(path))) {
      continue
    }
    if (succeeds(() => writeFileSync(join(path, limitFile), String(maxMemoryBytes)))) {
      const events = join(path, eventsFile)
      const kills = () => Number(/^oom_kill (\d+)$/m.exec(attempt(() => readFileSync(events, "utf8")) ?? "")?.[1] ?? 0)
      return { path, processes: join(path, "cgroup.procs"), kills, remove }
    }
    remove()
  }
  return undefined
}
