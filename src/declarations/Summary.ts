/**
 * What a tool is for, in a sentence.
 *
 * @internal
 */
import * as Cut from "../text/Cut.ts"

const maxSummary = 200

/** The first sentence of a description. */
export const fromDescription = (description: string): string => {
  const line = description.trim().split(/[\n\r\u2028\u2029]/, 1)[0]!
  const sentence = /^.*?[.!?](?=\s+\p{Lu}|\s*$)/u.exec(line)?.[0] ?? line
  return Cut.marked(sentence, maxSummary)
}
