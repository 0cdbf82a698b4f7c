// Which of the documents are longest? Every page is read; five lines come back.
const paths = (await tools.mcp__fs__search_files({ path: "docs", pattern: "*.md" }))
  .structuredContent.content.split("\n")

const pages = await Promise.all(paths.map(async (path) => {
  const { structuredContent: { content } } = await tools.mcp__fs__read_text_file({ path })
  return { name: path.split("/").at(-1), words: content.split(/\s+/).length }
}))

const longest = pages.sort((a, b) => b.words - a.words).slice(0, 5)
for (const { name, words } of longest) text(`${words} words in ${name}`)
