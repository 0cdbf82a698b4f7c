/** Which users a lane of these tests may become. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"

const setpriv = "/usr/bin/setpriv"

export const hasSetpriv = existsSync(setpriv)

export const isRoot = process.getuid?.() === 0

const others = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]

/** Whether lanes start as the user that they stay: another one than root cannot run a node in root's own folder. */
export const areKept = hasSetpriv &&
  (!isRoot || spawnSync(setpriv, [...others, "/bin/sh", "-c", "test -x \"$0\"", process.execPath]).status === 0)
