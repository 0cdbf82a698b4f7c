import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const path = (file: string) => join(import.meta.dirname, file)

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
  test: {
    // Files wait for processes a third of their time, so that three of them keep two processors busy.
    maxWorkers: 3,
    execArgv: ["--import", path("test/sources.ts"), "--import", path("test/worker.ts")],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // Only what hangs takes so long, also on a busy machine.
    testTimeout: 180_000,
    hookTimeout: 180_000,
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
