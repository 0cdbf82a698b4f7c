/**
 * The beginning of a text. It does not end in half a character, which JSON has as an escape and UTF-8 not at all.
 *
 * @internal
 */

export const within = (text: string, length: number): string =>
  text.length <= length ? text : text.slice(0, length).replace(/[\ud800-\udbff]$/, "")

/** With a mark where something is missing. */
export const marked = (text: string, length: number): string =>
  text.length <= length ? text : `${within(text, length)}…`
