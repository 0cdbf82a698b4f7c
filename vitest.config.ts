import { join } from "node:path"
import type { Plugin } from "vite"
import { defineConfig } from "vitest/config"

const path = (file: string) => join(import.meta.dirname, file)

/** Cells of tests run in lanes as they are built. */
const builtLanes: Plugin = {
  name: "built-lanes",
  enforce: "pre",
  resolveId: (id, importer) =>
    id === "./LaneFiles.ts" && importer === path("src/isolate/LaneChild.ts") ? path("test/BuiltLane.ts") : undefined
}

// They look at all of their process (its lanes, its objects, its environment), or change it (its clock, its memory).
const alone = [
  "test/hostile/Hostile.test.ts",
  "test/isolate/LaneProcess.test.ts",
  "test/isolate/Lanes.test.ts",
  "test/isolate/Pool.test.ts",
  "test/isolate/Timers.test.ts",
  "test/session/Leak.test.ts"
]

export default defineConfig({
  plugins: [builtLanes],
  resolve: { tsconfigPaths: true },
  test: {
    // Most of a test file waits for processes, so that two of them fit on two processors.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: "alone", include: alone } },
      // One process runs one file after the other: to load what they share takes longer than most of their tests.
      {
        extends: true,
        test: {
          name: "shared",
          include: ["{test,examples}/**/*.test.ts"],
          exclude: [...alone, "test/leak/**"],
          isolate: false
        }
      }
    ]
  }
})
