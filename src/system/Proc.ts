/**
 * What Linux says of processes.
 *
 * @internal
 */
import { readFileSync } from "node:fs"

/** A file below `/proc`; nothing where there is none, or its process is gone. */
export const read = (path: string): string => {
  try {
    return readFileSync(`/proc/${path}`, "utf8")
  } catch {
    return ""
  }
}
