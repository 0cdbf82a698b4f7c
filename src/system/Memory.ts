/**
 * @internal
 */
import { readFileSync } from "node:fs"
import { totalmem } from "node:os"

/** Memory that this process may have, in bytes: that of the machine, or of the container that it is in. */
export const available = (): number => Math.min(totalmem(), process.constrainedMemory() || Infinity)

/** Memory that a process shares with no other, in bytes; 0 where that is not known. */
export const ofProcess = (pid: number | undefined): number => {
  try {
    const [, kibibytes = "0"] = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0
  }
}
