// Builds the inspector's page: three files without anything from elsewhere, which `src/inspector/PageFiles.ts` serves.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "vite"
import { licencesOf } from "./licencesOf.mjs"

const root = join(import.meta.dirname, "..")
const target = join(root, "dist/page")

const { output } = await build({
  configFile: false,
  root: join(root, "inspector"),
  base: "./",
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: target,
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: { entryFileNames: "page.js", assetFileNames: "page[extname]", codeSplitting: false }
    }
  }
})

writeFileSync(join(target, "LICENSES.txt"), licencesOf(output.flatMap(({ moduleIds = [] }) => moduleIds)))
