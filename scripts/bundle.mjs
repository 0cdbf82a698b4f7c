// Makes one file of each process, and chunks of what it loads later: loading some hundred modules takes longer than
// everything else a command does before it is there. `tsc` has run before.
import { rmSync, writeFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { rolldown } from "rolldown"
import { licencesOf } from "./licencesOf.mjs"

const root = join(import.meta.dirname, "..")
const dist = join(root, "dist")
const target = join(dist, "bundle")

/** A module finds its files from where it lay before. */
const keepPlace = {
  name: "keep-place",
  transform: {
    filter: { id: /\/dist\//, code: "import.meta.url" },
    handler: (code, id) =>
      id.startsWith(dist + sep)
        ? {
          code: code.replaceAll(
            "import.meta.url",
            `new URL(${JSON.stringify(relative(target, id).replaceAll(sep, "/"))}, import.meta.url).href`
          )
        }
        : undefined
  }
}

// CommonJS: it loads sooner, as node then reads no list of what its own modules export.
const bundle = async (name, entry, minify) => {
  const build = await rolldown({
    input: { [name]: join(dist, entry) },
    platform: "node",
    // Its CommonJS loads its parts in a way that no bundler sees.
    resolve: { alias: { "jsonc-parser": join(root, "node_modules/jsonc-parser/lib/esm/main.js") } },
    plugins: [keepPlace]
  })
  const { output } = await build.write({
    dir: target,
    format: "cjs",
    entryFileNames: "[name].cjs",
    chunkFileNames: `${name}-[name].cjs`,
    comments: false,
    minify
  })
  await build.close()
  return output.flatMap(({ moduleIds }) => moduleIds)
}

rmSync(target, { recursive: true, force: true })
// Names stay, so that a stack says something.
const smaller = { compress: true, mangle: false, codegen: { removeWhitespace: false } }
const modules = [
  ...await bundle("code-mode-host", "bin/code-mode-host.js", smaller),
  ...await bundle("effect-code-mode", "bin/effect-code-mode.js", smaller),
  // It sends functions of its own to the isolates as they are written.
  ...await bundle("lane/main", "isolate/lane/main.js", false)
]
writeFileSync(join(target, "LICENSES.txt"), licencesOf(modules))
