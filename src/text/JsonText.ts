/**
 * JSON as text, looked at without being read: whether it is JSON, how deep, and what its value would take.
 *
 * **Details**
 *
 * A text of many small values takes twenty times its length once it is read. So a text that was made elsewhere is
 * weighed first, in time that grows with its length and without any memory.
 *
 * @internal
 */
import * as Ascii from "./Ascii.ts"

/** Hosts that read values with a bounded parser lose their connection over one that is nested deeper. */
export const maxDepth = 127

/** What V8 holds for a value beside its characters, in bytes and roughly. */
const weightOfContainer = 64
const weightOfKey = 48
/** Of an object's keys, those that come after so many are held in a table, and take long to read besides. */
const manyKeys = 1024
const weightOfFurtherKey = 256
const weightOfString = 32
const weightOfOther = 16

const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

const isDigit = (code: number) => code >= Ascii.zero && code <= Ascii.nine

/** The same letter, if it is one, in lower case. */
const toLower = (code: number) => code | 0x20

const isHex = (code: number) => isDigit(code) || (toLower(code) >= 0x61 && toLower(code) <= Ascii.letterF)

/** Whether a character may stand behind a backslash, but for the one that needs four more. */
const isEscaped = (code: number) => {
  switch (code) {
    case Ascii.quote:
    case Ascii.backslash:
    case 0x2f: // /
    case 0x62: // b
    case Ascii.letterF:
    case 0x6e: // n
    case 0x72: // r
    case Ascii.letterT:
      return true
    default:
      return false
  }
}

/** V8 reads a text more slowly from then on, once it was read past its end. */
const codeAt = (text: string, at: number) => at < text.length ? text.charCodeAt(at) : -1

// Every step gives where what it read ends, or -1.

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (isSpace(codeAt(text, at))) {
    at++
  }
  return at
}

const skipEscape = (text: string, from: number): number => {
  const code = codeAt(text, from + 1)
  if (isEscaped(code)) {
    return from + 2
  }
  for (let at = from + 2; at < from + 6; at++) {
    if (code !== Ascii.letterU || !isHex(codeAt(text, at))) {
      return -1
    }
  }
  return from + 6
}

/** From behind the first quotation mark to behind the last. */
const skipString = (text: string, from: number): number => {
  const end = text.length
  let at = from
  while (at !== -1 && at < end) {
    const code = text.charCodeAt(at)
    if (code === Ascii.quote) {
      return at + 1
    }
    if (code === Ascii.backslash) {
      at = skipEscape(text, at)
    } else if (code >= 0x20) {
      at++
    } else {
      return -1
    }
  }
  return -1
}

const skipDigits = (text: string, from: number): number => {
  let at = from
  while (isDigit(codeAt(text, at))) {
    at++
  }
  return at === from ? -1 : at
}

const skipNumber = (text: string, from: number): number => {
  let at = codeAt(text, from) === Ascii.minus ? from + 1 : from
  at = codeAt(text, at) === Ascii.zero ? at + 1 : skipDigits(text, at)
  if (at !== -1 && codeAt(text, at) === Ascii.point) {
    at = skipDigits(text, at + 1)
  }
  if (at !== -1 && toLower(codeAt(text, at)) === Ascii.letterE) {
    const sign = codeAt(text, at + 1)
    at = skipDigits(text, sign === Ascii.plus || sign === Ascii.minus ? at + 2 : at + 1)
  }
  return at
}

const skipWord = (text: string, from: number, word: string): number =>
  text.startsWith(word, from) ? from + word.length : -1

const skipOther = (text: string, from: number): number => {
  switch (codeAt(text, from)) {
    case Ascii.letterT:
      return skipWord(text, from, "true")
    case Ascii.letterF:
      return skipWord(text, from, "false")
    case 0x6e: // n
      return skipWord(text, from, "null")
    default:
      return skipNumber(text, from)
  }
}

/** From a key to behind its colon, or past a closing brace. */
const skipKey = (text: string, from: number): number => {
  const at = skipSpace(text, from)
  const end = codeAt(text, at) === Ascii.quote ? skipString(text, at + 1) : -1
  const behind = end === -1 ? -1 : skipSpace(text, end)
  return behind !== -1 && codeAt(text, behind) === Ascii.colon ? behind + 1 : -1
}

const noJson = "is not JSON"
const tooDeep = `is nested more than ${maxDepth} levels deep`

/** The containers around a place, from the outside in: how many keys one has so far, and nothing for an array. */
const keys = new Uint32Array(maxDepth)

const weightOfNextKey = (depth: number) => keys[depth - 1]!++ > manyKeys ? weightOfFurtherKey : weightOfKey

/** What the value of a text takes beside its characters, in bytes and roughly; or what is wrong with the text. */
export const weigh = (text: string): number | typeof noJson | typeof tooDeep => {
  let weight = 0
  let depth = 0
  let at = 0
  while (true) {
    // A value begins here.
    at = skipSpace(text, at)
    const code = codeAt(text, at)
    if (code === Ascii.openBrace || code === Ascii.openBracket) {
      if (depth === maxDepth) {
        return tooDeep
      }
      weight += weightOfContainer
      const isObject = code === Ascii.openBrace
      const first = skipSpace(text, at + 1)
      if (codeAt(text, first) !== (isObject ? Ascii.closeBrace : Ascii.closeBracket)) {
        keys[depth++] = isObject ? 1 : 0
        weight += isObject ? weightOfKey : 0
        at = isObject ? skipKey(text, first) : first
        if (at === -1) {
          return noJson
        }
        continue
      }
      at = first + 1
    } else if (code === Ascii.quote) {
      weight += weightOfString
      at = skipString(text, at + 1)
    } else {
      weight += weightOfOther
      at = skipOther(text, at)
    }
    // A value has ended here, and with it perhaps what it was the last one of.
    while (true) {
      if (at === -1) {
        return noJson
      }
      at = skipSpace(text, at)
      if (depth === 0) {
        return at === text.length ? weight : noJson
      }
      const isObject = keys[depth - 1] !== 0
      const next = codeAt(text, at)
      if (next === Ascii.comma) {
        weight += isObject ? weightOfNextKey(depth) : 0
        at = isObject ? skipKey(text, at + 1) : at + 1
        if (at === -1) {
          return noJson
        }
        break
      }
      if (next !== (isObject ? Ascii.closeBrace : Ascii.closeBracket)) {
        return noJson
      }
      depth--
      at++
    }
  }
}

/** The same of a text of any depth. */
export const weightOf = (json: string): number => {
  const weight = weigh(json)
  return typeof weight === "number" ? weight : weightOfContainer * json.length
}

const weightPerByte = 4
const freeWeight = 2 ** 20

/** What values may weigh of which there may be so many bytes. */
export const maxWeight = (maxBytes: number): number => weightPerByte * maxBytes + freeWeight

/** No key that is asked for is written longer. */
const maxKey = 64

/**
 * The number that JSON.parse takes for a member of the outermost object, as it is written. The text is JSON, and the
 * member a number.
 */
export const numberOf = (text: string, name: string): string => {
  let depth = 0
  let at = 0
  let start = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === Ascii.quote) {
      const end = skipString(text, at + 1)
      const behind = skipSpace(text, end)
      if (
        depth === 1 && codeAt(text, behind) === Ascii.colon && end - at <= maxKey &&
        JSON.parse(text.slice(at, end)) === name
      ) {
        start = skipSpace(text, behind + 1)
      }
      at = end
    } else {
      depth += code === Ascii.openBrace || code === Ascii.openBracket
        ? 1
        : code === Ascii.closeBrace || code === Ascii.closeBracket
        ? -1
        : 0
      at++
    }
  }
  return text.slice(start, skipNumber(text, start))
}
