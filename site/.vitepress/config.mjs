import { globSync } from "node:fs"
import { basename, join } from "node:path"
import { defineConfig } from "vitepress"

const pages = join(import.meta.dirname, "../pages")

const item = ([text, name]) => ({ text, link: `/${name}` })
const group = (text, ...items) => ({ text, items: items.map(item) })

const groups = [
  group(
    "Begin",
    ["What it is", ""],
    ["In an Effect program", "guide-effect"],
    ["For a model", "guide-models"],
    ["In an MCP client", "guide-mcp"],
    ["In Codex", "guide-codex"],
    ["From another language", "guide-languages"]
  ),
  group(
    "Understand",
    ["Semantics", "semantics"],
    ["Security", "security"],
    ["Reliability", "reliability"],
    ["Durable cells", "durability"],
    ["Benchmarks", "benchmarks"],
    ["Tokens", "tokens"],
    ["Comparison", "comparison"],
    ["Architecture", "architecture"]
  ),
  group(
    "Do",
    ["Command line", "cli"],
    ["Tools and what is around them", "delegates"],
    ["Pausable cells", "pausable-cells"],
    ["Typed cells", "typed-cells"],
    ["Models in a program", "models"],
    ["An MCP server", "mcp-server"],
    ["MCP servers as tools", "mcp-servers"],
    ["Remote sessions", "remote"],
    ["Cluster", "cluster"],
    ["Observability", "observability"],
    ["Inspector", "inspector"],
    ["Testing", "testing"]
  ),
  group(
    "Look up",
    ["Reference", "reference/"],
    ["Wire protocols", "wire"],
    ["Platforms", "platforms"],
    ["Dependencies", "dependencies"],
    ["Versions", "versioning"],
    ["Changelog", "changelog"]
  )
]

const there = new Set(["", "reference/", ...globSync("*.md", { cwd: pages }).map((path) => basename(path, ".md"))])
const named = new Set(groups.flatMap(({ items }) => items.map(({ link }) => link.slice(1))))

/** What has no place yet, so that no page is without a way to it. */
const rest = Array.from(there).filter((name) => !named.has(name) && name !== "index").map((name) => [name, name])

const guide = [
  ...groups.map(({ items, text }) => ({ text, items: items.filter(({ link }) => there.has(link.slice(1))) })),
  ...(rest.length === 0 ? [] : [group("More", ...rest)])
]

const modules = globSync("reference/*.md", { cwd: pages }).map((path) => basename(path, ".md")).sort()
const reference = [
  { text: "Documentation", link: "/" },
  {
    text: "Modules",
    items: [
      { text: "All modules", link: "/reference/" },
      ...modules.filter((name) => name !== "index").map((name) => ({ text: name, link: `/reference/${name}` }))
    ]
  }
]

export default defineConfig({
  title: "effect-code-mode",
  description: "A session runtime for code that models write: cells in isolates, which call your tools",
  lang: "en",
  head: [["link", { rel: "icon", href: "data:," }]],
  base: process.env.SITE_BASE ?? "/",
  srcDir: "pages",
  outDir: "dist",
  cacheDir: ".vitepress/cache",
  // The documents are Markdown and nothing else: what looks like a tag in them is text.
  markdown: {
    html: false,
    theme: { light: "github-light", dark: "github-dark" },
    languageAlias: { console: "shellsession" }
  },
  vite: { logLevel: "warn", build: { chunkSizeWarningLimit: 2_000 } },
  themeConfig: {
    search: { provider: "local" },
    outline: { level: [2, 3] },
    nav: [
      { text: "Guides", link: "/guide-effect" },
      { text: "Command line", link: "/cli" },
      { text: "Reference", link: "/reference/" }
    ],
    sidebar: { "/reference/": reference, "/": guide },
    docFooter: { prev: "Before", next: "Next" }
  }
})
