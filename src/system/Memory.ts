/**
 * @internal
 */
import { totalmem } from "node:os"
import * as Proc from "./Proc.ts"

/** Memory that this process may have, in bytes: that of the machine, or of the container that it is in. */
export const available = (): number => Math.min(totalmem(), process.constrainedMemory() || Infinity)

/** Memory that a process shares with no other, in bytes; 0 where that is not known. */
export const ofProcess = (pid: number | undefined): number => {
  const [, kibibytes = "0"] = /^RssAnon:\s*(\d+) kB/m.exec(Proc.read(`${pid}/status`)) ?? []
  return Number(kibibytes) * 1024
}
