/**
 * The names under which a cell sees the tools of MCP servers: `mcp__SERVER__TOOL`.
 *
 * @internal
 */

/** What is left of a name where only the characters of an identifier may stand. */
export const identifier = (name: string): string => name.replace(/[^A-Za-z0-9_$]/gu, "_")

/** The namespace of a server's tools. A tool's full name is this, followed by its own. */
export const namespace = (server: string): string => `mcp__${identifier(server)}__`

/**
 * Tells names apart once only the characters of an identifier are left of them. One that is an identifier already keeps
 * its name, wherever it stands; another one whose name is taken gets the first free of `_2`, `_3`, …
 */
export const distinct = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set<string>()
  const take = (name: string) => {
    const base = identifier(name)
    let candidate = base
    for (let n = 2; taken.has(candidate); n++) {
      candidate = `${base}_${n}`
    }
    taken.add(candidate)
    return candidate
  }
  const result = names.map((name) => identifier(name) === name && !taken.has(name) ? take(name) : undefined)
  return names.map((name, index) => result[index] ?? take(name))
}
