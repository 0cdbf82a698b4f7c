/**
 * JSON in one line for every reader: some take U+2028 and U+2029 for the end of one.
 *
 * @internal
 */
const separators = /[\u2028\u2029]/g

/** The same JSON, with those two characters as escapes. */
const fromJson = (json: string): string =>
  json.replace(separators, (character) => character === "\u2028" ? "\\u2028" : "\\u2029")

/** A value as a line. */
export const stringify = (value: unknown): string => fromJson(JSON.stringify(value))
