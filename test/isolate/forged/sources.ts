/** Lets a program of node's import this package's sources by name, as tests do: `node --import ./sources.ts PROGRAM`. */
import { registerHooks } from "node:module"

const name = "effect-code-mode/"

registerHooks({
  resolve: (specifier, context, next) =>
    next(
      specifier.startsWith(name)
        ? new URL(`../../../src/${specifier.slice(name.length)}.ts`, import.meta.url).href
        : specifier,
      context
    )
})
