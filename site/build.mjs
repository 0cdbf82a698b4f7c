// Builds the site: `npm run site`. Its pages are the README, `docs`, the changelog, and the reference made from the JSDoc.
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { build } from "vitepress"
import { check } from "./links.mjs"
import * as Reference from "./reference.mjs"

const root = join(import.meta.dirname, "..")
const pages = join(import.meta.dirname, "pages")
const output = join(import.meta.dirname, "dist")

/** Where a document of the package is on the site. */
const places = new Map([
  ["README.md", "index.md"],
  ["CHANGELOG.md", "changelog.md"],
  ...globSync("docs/*.md", { cwd: root }).map((path) => [path, basename(path)])
])

/** Links lead to the pages of the site. What leads to a file that is on none is left as its text. */
const relinked = (path, text) =>
  text.replace(/(!?)\[([^\]]*)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)/g, (all, image, label, target, anchor = "") => {
    const file = relative(root, join(root, dirname(path), target))
    return image === "!"
      ? `![${label}](./${relative("docs", file)})`
      : places.has(file)
      ? `[${label}](./${places.get(file)}${anchor})`
      : label
  })

rmSync(pages, { recursive: true, force: true })
mkdirSync(join(pages, "reference"), { recursive: true })
for (const [path, place] of places) {
  writeFileSync(join(pages, place), relinked(path, readFileSync(join(root, path), "utf8")))
}
cpSync(join(root, "docs/images"), join(pages, "images"), { recursive: true })
Reference.write(join(pages, "reference"))

await build(import.meta.dirname)
const count = check(output)
console.log(`site/dist has ${count} pages, and no dead link`)
