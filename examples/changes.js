// What a session stores, its later cells load: here, what changed in a folder since the last run.
//
//   effect-code-mode run examples/changes.js --mcp 'fs=mcp-server-filesystem .' --session changes.json

const content = async (result) => (await result).structuredContent.content

const found = await content(
  tools.mcp__fs__search_files({ path: ".", pattern: "**/*.md", excludePatterns: ["node_modules"] })
)
const paths = found.split("\n").filter((path) => path.endsWith(".md"))
const now = Object.fromEntries(
  await Promise.all(paths.map(async (path) => [path, (await content(tools.mcp__fs__read_text_file({ path }))).length]))
)

const before = load("sizes")
store("sizes", now)

if (before === undefined) {
  text(`${paths.length} documents; run me again when you have changed some`)
  exit()
}
const changed = [...new Set([...Object.keys(before), ...paths])].filter((path) => before[path] !== now[path])
if (changed.length === 0) {
  text("nothing has changed")
}
for (const path of changed) {
  text(`${path.split("/").at(-1)}: ${before[path] ?? "none"} → ${now[path] ?? "none"}`)
}
