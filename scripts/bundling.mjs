// Makes one file of a program with all that it loads, and chunks of what it loads later.
import { parse } from "acorn"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { rolldown } from "rolldown"

const root = join(import.meta.dirname, "..")
const dist = join(root, "dist")

/** A module finds its files from where it lay before. */
const keepPlace = (target) => ({
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
})

const slow = ["node:crypto", "node:readline"]

/** These modules of node's take milliseconds to load, and a command may need none of their functions. */
const loadLater = {
  name: "load-later",
  resolveId: {
    filter: { id: new RegExp(`^(${slow.join("|")})$`) },
    handler: (id) => ({ id: `\0later:${id}`, moduleSideEffects: false })
  },
  load: {
    filter: { id: /^\0later:/ },
    handler: async (id) => {
      const name = id.slice("\0later:".length)
      const functions = Object.entries(await import(name)).filter(([key, value]) =>
        typeof value === "function" && /^[a-z]/.test(key)
      )
      return functions.map(([key]) =>
        `export const ${key} = (...args) => process.getBuiltinModule(${JSON.stringify(name)}).${key}(...args)`
      ).join("\n")
    }
  }
}

const segmenter = /const graphemeSegmenter = (?:\/\*#__PURE__\*\/)?new Intl\.Segmenter\(([^)]*)\);/

/** Effect makes this when it is loaded, which takes milliseconds, and uses it for help only. */
const makeLater = {
  name: "make-later",
  transform: {
    filter: { id: /\/effect\/dist\/cli\/CliOutput\.js$/ },
    handler: (code) => {
      if (!segmenter.test(code)) {
        throw new Error("Effect makes its segmenter in another way")
      }
      return {
        code: code.replace(
          segmenter,
          "let segmenter; const graphemeSegmenter = { segment: (text) => (segmenter ??= new Intl.Segmenter($1)).segment(text) };"
        )
      }
    }
  }
}

/**
 * Functions that a program does not call, and sends elsewhere as their source text: as a text V8 need not parse them first.
 */
const keepTexts = (code, names) => {
  const functions = parse(code, { ecmaVersion: "latest" }).body.filter(({ id, type }) =>
    type === "FunctionDeclaration" && names.includes(id.name)
  )
  if (functions.length !== names.length) {
    throw new Error(`not all of these are functions of the program: ${names.join(", ")}`)
  }
  return functions.reduceRight(
    (text, { end, id, start }) =>
      `${text.slice(0, start)}const ${id.name} = { toString: () => ${JSON.stringify(text.slice(start, end))} };${
        text.slice(end)
      }`,
    code
  )
}

/**
 * Writes `name` and its chunks into the folder `target`, and gives which modules are in them. They are CommonJS: it loads
 * sooner, as node then reads no list of what its own modules export. `texts` are functions that are only sent elsewhere.
 */
export const bundle = async ({ target, name, entry, minify, texts = [] }) => {
  const build = await rolldown({
    input: { [name]: entry },
    platform: "node",
    // Its CommonJS loads its parts in a way that no bundler sees.
    resolve: { alias: { "jsonc-parser": join(root, "node_modules/jsonc-parser/lib/esm/main.js") } },
    plugins: [keepPlace(target), loadLater, makeLater]
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
  // By its first line a program says which build it is.
  const digest = createHash("sha256")
  output.forEach(({ code }) => digest.update(code))
  const file = join(target, `${name}.cjs`)
  writeFileSync(file, `// ${digest.digest("hex")}\n${keepTexts(readFileSync(file, "utf8"), texts)}`)
  return output.flatMap(({ moduleIds }) => moduleIds)
}
