import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { globSync, readFileSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { join, relative } from "node:path"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

interface Manifest {
  readonly bin: Record<string, string>
  readonly dependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
  readonly exports: Record<string, string | null | Record<string, string>>
}

const manifest: Manifest = JSON.parse(read("package.json"))
const packed: ReadonlyArray<string> = JSON.parse(
  execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" })
)[0].files.map((file: { readonly path: string }) => file.path)

const sources = globSync("src/**/*.ts", { cwd: root, exclude: ["**/node_modules/**"] })
const moduleName = (source: string) => source.replace(/^src\/(.*)\.ts$/, "$1")
const isInner = (source: string) => source.split("/").length > 2 || /^ \* @internal$/m.test(read(source))
const { resolve } = createRequire(join(root, "package.json"))

describe("the package", () => {
  it("carries every module with its types, its source and the map between them", () => {
    const wanted = sources.flatMap((source) => {
      const built = source.replace(/^src/, "dist").replace(/\.ts$/, "")
      return [source, `${built}.js`, `${built}.js.map`, `${built}.d.ts`, `${built}.d.ts.map`]
    })
    assert.deepStrictEqual(wanted.filter((path) => !packed.includes(path)), [])
  })

  it("carries its documents and examples, and no tests", () => {
    for (const path of ["CHANGELOG.md", "LICENSE", "README.md", "docs/architecture.md", "examples/readme.ts"]) {
      assert.include(packed, path)
    }
    assert.deepStrictEqual(packed.filter((path) => /^(test|bench|\.)|tsbuildinfo|bundle\/cache/.test(path)), [])
  })

  it("carries its commands as bundles, with the licences of what is in them", () => {
    const bundles = Object.keys(manifest.bin).map((name) => `dist/bundle/${name}.cjs`)
    assert.deepStrictEqual(bundles.filter((path) => !packed.includes(path)), [])
    assert.include(packed, "dist/bundle/LICENSES.txt")
    const licences = read("dist/bundle/LICENSES.txt")
    // isolated-vm is loaded as it is.
    for (const name of Object.keys(manifest.dependencies).filter((name) => name !== "isolated-vm")) {
      assert.match(licences, new RegExp(`^${name} ${manifest.dependencies[name]!} \\(.*(MIT|Apache-2.0)`, "m"))
    }
  })

  it("carries the inspector's page, with the licences of what is in it", () => {
    const files = ["index.html", "page.js", "page.css", "LICENSES.txt"].map((name) => `dist/page/${name}`)
    assert.includeMembers(Array.from(packed), files)
    assert.match(read("dist/page/LICENSES.txt"), /^preact .*MIT/m)
    assert.notMatch(read("dist/page/index.html"), /(?:src|href)="(?:https?:|\/)/)
  })

  it("has executables that are in it and can be run", () => {
    for (const path of Object.values(manifest.bin)) {
      assert.include(packed, path.replace("./", ""))
      assert.isTrue((statSync(join(root, path)).mode & 0o111) === 0o111, `${path} is not executable`)
    }
  })

  it("exports its public modules, and they are in it", () => {
    const modules = sources.filter((source) => !isInner(source)).map(moduleName).filter((name) => name !== "index")
    assert.include(modules, "Runtime")
    for (
      const path of [
        "effect-code-mode",
        "effect-code-mode/V8",
        ...modules.map((name) => `effect-code-mode/${name}`)
      ]
    ) {
      assert.include(packed, relative(root, resolve(path)))
    }
    for (const target of Object.values(manifest.exports)) {
      const paths = typeof target === "string" ? [target] : Object.values(target ?? {})
      const fixed = paths.filter((path) => !path.includes("*")).map((path) => path.replace("./", ""))
      assert.deepStrictEqual(fixed.filter((path) => !packed.includes(path)), [])
    }
  })

  it("exports none of its inner modules", () => {
    for (const name of sources.filter(isInner).map(moduleName)) {
      assert.throws(() => resolve(`effect-code-mode/${name}`), /is not defined by "exports"/, name)
    }
  })

  it("pins the versions of Effect", () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (name === "effect" || name.startsWith("@effect/")) assert.match(version, /^\d+\.\d+\.\d+$/, name)
    }
  })

  it("has a line for each of its dependencies in docs/dependencies.md", () => {
    const told = Array.from(
      read("docs/dependencies.md").matchAll(/^\| (`.*?`) +\|/gm),
      ([, cell = ""]) => cell.replaceAll("`", "").split(", ")
    ).flat()
    const isThere = (name: string) =>
      told.some((each) => each.endsWith("*") ? name.startsWith(each.slice(0, -1)) : each === name)
    const { dependencies, devDependencies, peerDependencies } = manifest
    const names = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })
    assert.deepStrictEqual(names.filter((name) => !isThere(name)), [])
  })

  it("locks the packages of every platform", () => {
    const lock: { readonly packages: Record<string, { readonly optionalDependencies?: Record<string, string> }> } = JSON
      .parse(read("package-lock.json"))
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) =>
        !(`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages)
      )
    )
    // npm leaves out what a registry has not got, and then refuses its own lock file in npm ci.
    assert.deepStrictEqual(missing, [])
  })

  it("refers to no place outside of the repository", () => {
    const files = globSync("{*.md,{bench,bin,docs,examples,src,test}/**/*.{js,json,md,mjs,ts}}", {
      cwd: root,
      exclude: ["**/node_modules/**"]
    })
    assert.include(files, "README.md")
    assert.deepStrictEqual(files.filter((path) => /(^|[^\w/-]|\.\.\/)shared\/|\/work\//m.test(read(path))), [])
  })
})
