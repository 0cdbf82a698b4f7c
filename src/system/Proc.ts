/**
 * What Linux says of processes.
 *
 * @internal
 */
import { readFileSync } from "node:fs"
import * as Platform from "./Platform.ts"

/** A file below `/proc`; nothing where there is none, or its process is gone. */
export const read = (path: string): string => {
  if (!Platform.here.hasProc) {
    return ""
  }
  try {
    return readFileSync(`/proc/${path}`, "utf8")
  } catch {
    return ""
  }
}
