/**
 * Splits a command into words as a shell would, without being one: quotes and backslashes mean what they mean there,
 * and every other character stands for itself.
 *
 * @internal
 */
import * as Result from "effect/Result"

/** One piece of a line. A quote or a backslash that lacks its other half is `lost`. */
const piece =
  /'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[^])*)"|\\(?<escaped>[^])|(?<plain>[^\s'"\\]+)|(?<space>\s+)|(?<lost>[^])/g

/** In double quotes a backslash escapes only what would mean something there. */
const unescapeDouble = (text: string) => text.replace(/\\([$`"\\])/g, "$1")

/** The words of a command line, or what is wrong with it. */
export const split = (line: string): Result.Result<ReadonlyArray<string>, string> => {
  const words: Array<string> = []
  let word: string | undefined
  const endWord = () => {
    if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  for (const match of line.matchAll(piece)) {
    const { double, escaped, lost, plain, single, space } = match.groups!
    if (lost !== undefined) {
      return Result.fail(
        lost === "\\" ? "the backslash at its end escapes nothing" : `the quote ${lost} is never closed`
      )
    }
    if (space !== undefined) {
      endWord()
    } else {
      word = (word ?? "") + (single ?? escaped ?? plain ?? unescapeDouble(double!))
    }
  }
  endWord()
  return Result.succeed(words)
}
