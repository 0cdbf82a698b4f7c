import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    include: ["{test,examples}/**/*.test.ts"],
    exclude: ["test/leak/**"],
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
