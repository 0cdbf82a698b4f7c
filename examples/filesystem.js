// A cell as a model would write it: dozens of tool calls, of which only a table comes back.
//
//   effect-code-mode run examples/filesystem.js --mcp 'fs=mcp-server-filesystem .'

const content = async (result) => (await result).structuredContent.content

const paths = (await content(tools.mcp__fs__search_files({ path: "src", pattern: "**/*.ts" }))).split("\n")

const modules = await Promise.all(paths.map(async (path) => {
  const source = await content(tools.mcp__fs__read_text_file({ path }))
  const [, folder, name] = path.match(/(src.*)\/(.*)/)
  return { folder, name, lines: source.split("\n").length }
}))

const rows = Object.entries(Object.groupBy(modules, ({ folder }) => folder)).map(([folder, modules]) => {
  const lines = modules.reduce((sum, { lines }) => sum + lines, 0)
  const longest = modules.reduce((a, b) => a.lines < b.lines ? b : a)
  return [folder, modules.length, lines, `${longest.name} (${longest.lines})`]
})

const table = [["folder", "modules", "lines", "longest"], ...rows.sort((a, b) => b[2] - a[2])]
const widths = table[0].map((_, column) => Math.max(...table.map((row) => String(row[column]).length)))
for (const row of table) {
  const cells = row.map((cell, i) => typeof cell === "number" ? `${cell}`.padStart(widths[i]) : cell.padEnd(widths[i]))
  text(cells.join("  ").trimEnd())
}
