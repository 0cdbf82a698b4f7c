// Whether what the pages of a site refer to is there: pages, places within them, pictures; and whether it is all theirs.
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const attributes = (html, name) =>
  Array.from(html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g")), ([, value]) => value)

/** Throws where one is dead. Gives how many pages there are. */
export const check = (folder) => {
  const paths = globSync("**/*.html", { cwd: folder })
  const pages = new Map(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]))
  const ids = new Map(Array.from(pages, ([path, html]) => [path, new Set(attributes(html, "id"))]))
  const dead = []
  for (const [path, html] of pages) {
    for (const link of [...attributes(html, "href"), ...attributes(html, "src")]) {
      const [target, anchor] = link.replaceAll("&amp;", "&").split("#")
      if (/^(https?:|data:)/.test(target)) {
        continue
      }
      const place = target === "" ? path : target.startsWith("/") ? target.slice(1) : join(dirname(path), target)
      const file = place === "" || place.endsWith("/") ? join(place, "index.html") : place
      const isDead = !existsSync(join(folder, file)) ||
        (anchor !== undefined && anchor !== "" && !ids.get(file)?.has(decodeURIComponent(anchor)))
      if (isDead && path !== "404.html") {
        dead.push(`${path}: ${link}`)
      }
    }
    for (const asked of html.matchAll(/<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)"/g)) {
      dead.push(`${path} asks another server: ${asked[1]}`)
    }
  }
  if (dead.length > 0) {
    throw new Error(`dead links:\n${Array.from(new Set(dead)).join("\n")}`)
  }
  return pages.size
}
