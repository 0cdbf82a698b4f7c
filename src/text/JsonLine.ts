/**
 * A value as JSON in one line.
 *
 * @internal
 */

/** One line for every reader: some take U+2028 and U+2029 for the end of one. */
export const stringify = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u2028\u2029]/g, (char) => char === "\u2028" ? "\\u2028" : "\\u2029")
