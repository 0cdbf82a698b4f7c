/**
 * What a server that we start gets of our environment.
 *
 * @internal
 */

/** What a program needs to find its way: none of it is a secret. */
const safe: ReadonlySet<string> = new Set(
  process.platform === "win32"
    ? [
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
    ]
    : ["HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"]
)

/** Whether a variable is one that every server gets. */
export const isSafe = (name: string): boolean => safe.has(process.platform === "win32" ? name.toUpperCase() : name)

const depthVariable = "EFFECT_CODE_MODE_DEPTH"

/** How many of our own commands have started one another to start this one. */
export const depth = (): number => Number(process.env[depthVariable] ?? 0)

/** The environment of a server. */
export const forServer = (
  config: { readonly env?: Readonly<Record<string, string>>; readonly inheritEnv?: boolean }
): NodeJS.ProcessEnv => ({
  ...(config.inheritEnv === true
    ? process.env
    : Object.fromEntries(Object.entries(process.env).filter(([name]) => isSafe(name)))),
  [depthVariable]: String(depth() + 1),
  ...config.env
})
