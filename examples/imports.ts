// A cell in TypeScript: which modules are imported most. Its types are for you and your editor, they are taken out
// before it runs. `effect-code-mode run --list-tools` prints declarations like those below for any server.
//
//   effect-code-mode run examples/imports.ts --mcp 'fs=mcp-server-filesystem .'

type Result = { structuredContent?: { content: string } }

declare const tools: {
  mcp__fs__search_files(args: { path: string; pattern: string }): Promise<Result>
  mcp__fs__read_text_file(args: { path: string }): Promise<Result>
}
declare const text: (value: unknown) => void

const content = async (result: Promise<Result>): Promise<string> => (await result).structuredContent?.content ?? ""

const paths = (await content(tools.mcp__fs__search_files({ path: "src", pattern: "**/*.ts" }))).split("\n")
const sources = await Promise.all(paths.map((path) => content(tools.mcp__fs__read_text_file({ path }))))

const importers = new Map<string, number>()
for (const source of sources) {
  for (const [, specifier = ""] of source.matchAll(/^(?:import|\}) .*"(.*)"$/gm)) {
    const name = specifier.replace(/^.*\//, "")
    importers.set(name, (importers.get(name) ?? 0) + 1)
  }
}

const ranking = Array.from(importers).toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
for (const [name, count] of ranking.slice(0, 10)) {
  text(`${String(count).padStart(4)}  ${name}`)
}
