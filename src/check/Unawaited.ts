/**
 * Calls of tools that a source makes as statements of their own, and does not wait for.
 *
 * @internal
 */
import { type Token, tokenizer } from "acorn"

/** What may stand before a statement, besides the end of another one. */
const begins = new Set(["{", "}", ")", "]", ";", "else", "do", "name", "num", "string", "regexp", "`", "bigint"])

const tokensOf = (source: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  try {
    for (const token of tokenizer(source, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true })) {
      tokens.push(token)
    }
  } catch {
    // What follows is no JavaScript, or is TypeScript that has words of its own. What came before counts.
  }
  return tokens
}

/** Words that are names for the tokenizer and stand before an expression. */
const operators = new Set(["await", "of", "yield", "as", "satisfies", "async"])

/** Where such calls stand, in JavaScript or TypeScript: `tools.NAME(` where a statement begins. */
export const find = (source: string): ReadonlyArray<number> => {
  if (!/\btools\b/.test(source)) {
    return []
  }
  const tokens = tokensOf(source)
  const valueOf = (index: number): unknown => (tokens[index] as { readonly value?: unknown } | undefined)?.value
  return tokens.flatMap(({ start, type }, index) => {
    const [dot, name, open] = tokens.slice(index + 1, index + 4)
    if (
      type.label !== "name" || valueOf(index) !== "tools" || dot?.type.label !== "." || name?.type.label !== "name" ||
      open?.type.label !== "("
    ) {
      return []
    }
    const before = tokens[index - 1]
    const isStatement = before === undefined || begins.has(before.type.label) &&
        !(before.type.label === "name" && operators.has(String(valueOf(index - 1)))) &&
        (/[\n;{})]/.test(source.slice(before.end - 1, start)) || before.type.keyword !== undefined)
    return isStatement ? [start] : []
  })
}
