/**
 * Lets a program of node's import this package's sources by name, as tests do: `node --import ./sources.ts PROGRAM`.
 * Who requires the package gets what is published.
 */
import { registerHooks } from "node:module"

const name = "effect-code-mode"

registerHooks({
  resolve: (specifier, context, next) =>
    next(
      (specifier === name || specifier.startsWith(`${name}/`)) && context.conditions.includes("import")
        ? new URL(`../src/${specifier.slice(name.length + 1) || "index"}.ts`, import.meta.url).href
        : specifier,
      context
    )
})
