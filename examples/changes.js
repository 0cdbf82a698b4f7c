// What a session stores, its later cells load: here, what changed in a folder since the last run.
//
//   effect-code-mode run examples/changes.js --mcp 'fs=mcp-server-filesystem .' --session changes.json

const content = async (result) => (await result).structuredContent.content

const found = await content(tools.mcp__fs__search_files({ path: ".", pattern: "*.md" }))
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
for (const path of new Set([...Object.keys(before), ...paths])) {
  if (before[path] !== now[path]) {
    text(`${path.split("/").at(-1)}: ${before[path] ?? "none"} → ${now[path] ?? "none"}`)
  }
}
