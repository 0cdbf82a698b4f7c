// Makes one file of each process, and chunks of what it loads later: loading some hundred modules takes longer than
// everything else a command does before it is there. `tsc` has run before.
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { bundle } from "./bundling.mjs"
import { licencesOf } from "./licencesOf.mjs"

const dist = join(import.meta.dirname, "../dist")
const target = join(dist, "bundle")

rmSync(target, { recursive: true, force: true })
// Names stay, so that a stack says something.
const smaller = { compress: true, mangle: false, codegen: { removeWhitespace: false } }
const modules = [
  ...await bundle({ target, name: "code-mode-host", entry: join(dist, "bin/code-mode-host.js"), minify: smaller }),
  ...await bundle({ target, name: "effect-code-mode", entry: join(dist, "bin/effect-code-mode.js"), minify: smaller }),
  // It sends functions of its own to the isolates as they are written.
  ...await bundle({
    target,
    name: "lane/main",
    entry: join(dist, "isolate/lane/main.js"),
    minify: false,
    texts: ["bare", "builtins", "kinds", "media", "prelude", "realm"]
  })
]
writeFileSync(join(target, "LICENSES.txt"), licencesOf(modules))
