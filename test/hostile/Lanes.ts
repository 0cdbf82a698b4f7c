/** What `/proc` tells of the lanes of this process. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

const pageBytes = 4096
const mebibyte = 1024 * 1024

/** Reads a file of a process, which may be gone. */
const readProc = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8")
  } catch {
    return ""
  }
}

const ticksPerSecond = 100

const stat = (pid: number) => {
  const text = readProc(pid, "stat")
  const [state = "", parent, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return {
    isAlive: state !== "" && state !== "Z",
    parent: Number(parent),
    cpuMillis: (Number(fields[9]) + Number(fields[10])) * 1000 / ticksPerSecond
  }
}

export const isAlive = (pid: number): boolean => stat(pid).isAlive

export const residentMebibytes = (pid: number): number =>
  Number(readProc(pid, "statm").split(" ")[1] ?? 0) * pageBytes / mebibyte

/** All processes that live. */
export const processes = (): ReadonlyArray<{ readonly pid: number; readonly parent: number }> =>
  readdirSync("/proc").map(Number).filter((pid) => pid > 0)
    .map((pid) => ({ pid, ...stat(pid) }))
    .filter(({ isAlive }) => isAlive)

/** The lanes that a process has started and that live. */
export const lanesOf = (parent: number): ReadonlyArray<number> =>
  readdirSync(`/proc/${parent}/task`)
    .flatMap((thread) => readProc(parent, `task/${thread}/children`).split(" "))
    .map(Number)
    .filter((pid) => pid > 0 && isAlive(pid) && /\/lane\/main\./.test(readProc(pid, "cmdline")))

export interface Residence {
  /** The most that any of the lanes held, in MiB. */
  peak: number
  /** The longest time in milliseconds that one held more than the bound. */
  above: number
}

/** Watches how much memory lanes hold, until its scope closes. */
export const watch = Effect.fnUntraced(function*(lanes: () => ReadonlyArray<number>, boundMebibytes: number) {
  const residence: Residence = { peak: 0, above: 0 }
  const since = new Map<number, number>()
  const look = Effect.sync(() => {
    const now = performance.now()
    for (const pid of lanes()) {
      const resident = residentMebibytes(pid)
      residence.peak = Math.max(residence.peak, resident)
      if (resident <= boundMebibytes) {
        since.delete(pid)
        continue
      }
      const start = since.get(pid) ?? now
      since.set(pid, start)
      residence.above = Math.max(residence.above, now - start)
    }
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(20))))
  return residence
})

/** Waits until no lane computes any more. */
export const rest = (lanes: () => ReadonlyArray<number>): Effect.Effect<void> => {
  const window = 150
  const used = () => lanes().reduce((sum, pid) => sum + stat(pid).cpuMillis, 0)
  return Effect.gen(function*() {
    const before = used()
    yield* Effect.sleep(window)
    return used() - before < window / 3
  }).pipe(Effect.repeat({ until: (idle) => idle }), Effect.asVoid)
}

/** The real user of a process. */
export const user = (pid: number): number | undefined => {
  const user = /^Uid:\s+(\d+)/m.exec(readProc(pid, "status"))?.[1]
  return user === undefined ? undefined : Number(user)
}

/** The environment of a process, as it was started. */
export const environment = (pid: number): string => readProc(pid, "environ")

export const commandLine = (pid: number): ReadonlyArray<string> =>
  readProc(pid, "cmdline").split("\0").filter((word) => word !== "")
