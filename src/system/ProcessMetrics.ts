/**
 * What this process takes of its machine, together with the processes that it has started: cells run in those.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Proc from "./Proc.ts"

export interface ProcessMetrics {
  readonly process_id: number
  readonly process_start_time_seconds: number
  readonly cpu_seconds_total: number
  readonly resident_memory_bytes: number
}

const ticksPerSecond = 100
const pageBytes = 4096

/** Processor time of a process: its own, or that of its children which have ended. */
const cpuSeconds = (pid: number, which: "own" | "ended"): number => {
  const stat = Proc.read(`${pid}/stat`)
  // The name of the program, which comes before, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const first = which === "own" ? 11 : 13
  return stat === "" ? 0 : (Number(fields[first]) + Number(fields[first + 1])) / ticksPerSecond
}

const residentBytes = (pid: number): number => Number(Proc.read(`${pid}/statm`).split(" ")[1] ?? 0) * pageBytes

/** What one process takes; nothing where that is not known. */
export const ofProcess = (pid: number): { readonly cpuSeconds: number; readonly residentBytes: number } =>
  pid === process.pid
    ? { cpuSeconds: ownCpuSeconds(), residentBytes: process.memoryUsage.rss() }
    : { cpuSeconds: cpuSeconds(pid, "own"), residentBytes: residentBytes(pid) }

const ownCpuSeconds = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

export const read: Effect.Effect<ProcessMetrics> = Effect.sync(() => {
  const { pid } = process
  const children = Proc.read(`self/task/${pid}/children`).split(" ").filter((word) => word !== "").map(Number)
  const sum = (each: (child: number) => number) => children.reduce((total, child) => total + each(child), 0)
  return {
    process_id: pid,
    process_start_time_seconds: performance.timeOrigin / 1000,
    cpu_seconds_total: ownCpuSeconds() + cpuSeconds(pid, "ended") + sum((child) => cpuSeconds(child, "own")),
    resident_memory_bytes: process.memoryUsage.rss() + sum(residentBytes)
  }
})
