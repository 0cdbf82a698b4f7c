import { globSync, readFileSync } from "node:fs"
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

const files = globSync("{test,examples}/**/*.test.ts", { cwd: import.meta.dirname, exclude: ["test/{leak,strain}/**"] })

// They take much memory, and to start a process takes one that holds half a gigabyte ten times as long.
const hungry = new Set([
  "test/host/Connection.test.ts",
  "test/host/Message.test.ts",
  "test/mcp/Http.test.ts",
  "test/mcp/Odd.test.ts",
  "test/remote/Hosts.test.ts"
])

// The others here look at all of their process, its lanes and its objects, or change its clock or its memory.
const alone = files.filter((file) =>
  hungry.has(file) || /process\.pid|queryObjects|\bvi\./.test(readFileSync(path(file), "utf8"))
)

export default defineConfig({
  plugins: [builtLanes],
  resolve: { tsconfigPaths: true },
  test: {
    // Files wait for processes a third of their time, so that three of them keep two processors busy.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "alone", include: alone } },
      // One process runs one file after the other: to load what they share takes longer than most of their tests.
      {
        extends: true,
        test: {
          name: "shared",
          include: files.filter((file) => !alone.includes(file)),
          isolate: false
        }
      }
    ]
  }
})
