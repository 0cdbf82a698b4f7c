/**
 * Text of others that can neither steer a terminal nor hide anything on it: what is not seen there is shown as JSON and
 * JavaScript would write it, `\u001b`.
 *
 * **Details**
 *
 * Shown are control characters (C0, DEL, C1), separators of lines and paragraphs, halves of surrogate pairs, and what
 * takes no room: marks that turn the direction of text, zero-width spaces, tags, fillers. So shown, text inside quotes
 * is the same value for every reader of JSON or JavaScript.
 *
 * Some that take no room are how text is written, and stay where they do that: joiners within an emoji and after the
 * letters of scripts that join, variation selectors after what has two looks. There can be one at a time, so they hide
 * nothing. A flag that is made of tags (Wales) is shown as escapes: any other text could be hidden like that.
 *
 * @internal
 */

const unseen = "[\\p{Cc}\\p{Zl}\\p{Zp}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\ufff9-\\ufffb]"

const picture = "\\p{Extended_Pictographic}[\\ufe0e\\ufe0f\\p{Emoji_Modifier}]?"

const joining = [
  "Arabic",
  "Bengali",
  "Devanagari",
  "Gujarati",
  "Gurmukhi",
  "Kannada",
  "Khmer",
  "Malayalam",
  "Mongolian",
  "Myanmar",
  "Oriya",
  "Sinhala",
  "Syriac",
  "Tamil",
  "Telugu"
].map((script) => `\\p{Script=${script}}`).join("")

const emoji = `${picture}(?:\\u200d${picture})*|[\\d#*]\\ufe0f\\u20e3`

const joiner = `(?<=[${joining}])[\\u200c\\u200d]`

let made: RegExp | undefined

/** What may stand as it is comes first. It takes some time to make, and most text does not need it. */
const pattern = (): RegExp => made ??= new RegExp(`${emoji}|${joiner}|(${unseen})`, "gu")

const plain = /^[\x20-\x7e]*$/

const plainLines = /^[\n\t\x20-\x7e]*$/

/** A character as one or two escapes of JSON and JavaScript. */
const escape = (character: string): string => {
  let escaped = ""
  for (let at = 0; at < character.length; at++) {
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`
  }
  return escaped
}

const show = (isKept: (character: string) => boolean) => (text: string): string =>
  plain.test(text) ? text : text.replace(
    pattern(),
    (found: string, character?: string) => character === undefined || isKept(character) ? found : escape(character)
  )

const showAll = show(() => false)

const showWithin = show((character) => character === "\n" || character === "\t")

const showTyped = show((character) => character < " " || character === "\x7f")

/** The text on one line. */
export const line = (text: string): string => showAll(text)

/** The text on as many lines as it has, with its tabs. */
export const lines = (text: string): string => plainLines.test(text) ? text : showWithin(text)

/** What comes from a keyboard: control characters are its keys. */
export const typed = (text: string): string => showTyped(text)
