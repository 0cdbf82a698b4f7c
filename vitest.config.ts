import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    include: ["{test,examples}/**/*.test.ts"],
    exclude: ["test/leak/**"],
    // Most of a test file waits for processes, so that two of them fit on two processors.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
