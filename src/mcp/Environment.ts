/**
 * What a server that we start gets of our environment.
 *
 * @internal
 */
import * as Platform from "../system/Platform.ts"

/** Whether a variable is one that every server gets. */
export const isSafe: (name: string) => boolean = Platform.here.isSafe

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
