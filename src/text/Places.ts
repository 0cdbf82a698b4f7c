/**
 * Lines and columns of a text, as JavaScript counts them: both from 1, a column in UTF-16.
 *
 * @internal
 */

const lineBreak = /\r\n|[\n\r\u2028\u2029]/g

/** The lines, without their ends. */
export const lines = (text: string): ReadonlyArray<string> => text.split(lineBreak)

/** Where each line begins. */
export const starts = (text: string): ReadonlyArray<number> => [
  0,
  ...Array.from(text.matchAll(lineBreak), ({ 0: found, index }) => index + found.length)
]

/** The place of an offset, in a text whose lines begin there. */
export const at = (
  starts: ReadonlyArray<number>,
  offset: number
): { readonly line: number; readonly column: number } => {
  const line = starts.findLastIndex((start) => start <= offset)
  return { line: line + 1, column: offset - starts[line]! + 1 }
}
