/**
 * What a process of test files has before it loads them. Node itself loads sources and tests: where Vite does, each use
 * of what another module exports is a call, and what goes through bytes one by one takes ten times as long.
 */
import { enableCompileCache, registerHooks } from "node:module"
import { fileURLToPath } from "node:url"

const root = new URL("../", import.meta.url)

enableCompileCache(fileURLToPath(new URL("node_modules/.cache/tests", root)))

const laneChild = new URL("src/isolate/LaneChild.ts", root).href
const builtLane = new URL("test/BuiltLane.ts", root).href

// Cells of tests run in lanes as they are built.
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === "./LaneFiles.ts" && context.parentURL === laneChild ? builtLane : specifier, context)
})
