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
import { Buffer } from "node:buffer"
import * as Ascii from "./Ascii.ts"
import * as Utf8 from "./Utf8.ts"

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

const byteAt = (bytes: Uint8Array, at: number) => at < bytes.length ? bytes[at]! : -1

// Every step gives where what it read ends, or -1.

const skipSpace = (bytes: Uint8Array, from: number): number => {
  let at = from
  while (isSpace(byteAt(bytes, at))) {
    at++
  }
  return at
}

const skipEscape = (bytes: Uint8Array, from: number): number => {
  const byte = byteAt(bytes, from + 1)
  if (isEscaped(byte)) {
    return from + 2
  }
  for (let at = from + 2; at < from + 6; at++) {
    if (byte !== Ascii.letterU || !isHex(byteAt(bytes, at))) {
      return -1
    }
  }
  return from + 6
}

/** From behind the first quotation mark to behind the last. */
const skipString = (bytes: Uint8Array, from: number): number => {
  const end = bytes.length
  let at = from
  while (at !== -1 && at < end) {
    const byte = bytes[at]!
    if (byte === Ascii.quote) {
      return at + 1
    }
    if (byte === Ascii.backslash) {
      at = skipEscape(bytes, at)
    } else if (byte >= 0x20) {
      at++
    } else {
      return -1
    }
  }
  return -1
}

const skipDigits = (bytes: Uint8Array, from: number): number => {
  let at = from
  while (isDigit(byteAt(bytes, at))) {
    at++
  }
  return at === from ? -1 : at
}

const skipNumber = (bytes: Uint8Array, from: number): number => {
  let at = byteAt(bytes, from) === Ascii.minus ? from + 1 : from
  at = byteAt(bytes, at) === Ascii.zero ? at + 1 : skipDigits(bytes, at)
  if (at !== -1 && byteAt(bytes, at) === Ascii.point) {
    at = skipDigits(bytes, at + 1)
  }
  if (at !== -1 && toLower(byteAt(bytes, at)) === Ascii.letterE) {
    const sign = byteAt(bytes, at + 1)
    at = skipDigits(bytes, sign === Ascii.plus || sign === Ascii.minus ? at + 2 : at + 1)
  }
  return at
}

const skipWord = (bytes: Uint8Array, from: number, word: string): number => {
  for (let index = 0; index < word.length; index++) {
    if (byteAt(bytes, from + index) !== word.charCodeAt(index)) {
      return -1
    }
  }
  return from + word.length
}

const skipOther = (bytes: Uint8Array, from: number): number => {
  switch (byteAt(bytes, from)) {
    case Ascii.letterT:
      return skipWord(bytes, from, "true")
    case Ascii.letterF:
      return skipWord(bytes, from, "false")
    case 0x6e: // n
      return skipWord(bytes, from, "null")
    default:
      return skipNumber(bytes, from)
  }
}

/** From a key to behind its colon, or past a closing brace. */
const skipKey = (bytes: Uint8Array, from: number): number => {
  const at = skipSpace(bytes, from)
  const end = byteAt(bytes, at) === Ascii.quote ? skipString(bytes, at + 1) : -1
  const behind = end === -1 ? -1 : skipSpace(bytes, end)
  return behind !== -1 && byteAt(bytes, behind) === Ascii.colon ? behind + 1 : -1
}

const noJson = "is not JSON"
const tooDeep = `is nested more than ${maxDepth} levels deep`

/** The containers around a place, from the outside in: how many keys one has so far, and nothing for an array. */
const keys = new Uint32Array(maxDepth)

const weightOfNextKey = (depth: number) => keys[depth - 1]!++ > manyKeys ? weightOfFurtherKey : weightOfKey

/** What is wrong with a text. */
export type Problem = typeof noJson | typeof tooDeep

/** A value among others. */
export interface Weighed {
  readonly end: number
  /** What it takes beside its characters, in bytes and roughly. */
  readonly weight: number
}

/** Weighs the value that begins there, in bytes of UTF-8; or says what is wrong with it. */
export const weighAt = (bytes: Uint8Array, start: number): Weighed | Problem => {
  let weight = 0
  let depth = 0
  let at = start
  while (true) {
    // A value begins here.
    at = skipSpace(bytes, at)
    const byte = byteAt(bytes, at)
    if (byte === Ascii.openBrace || byte === Ascii.openBracket) {
      if (depth === maxDepth) {
        return tooDeep
      }
      weight += weightOfContainer
      const isObject = byte === Ascii.openBrace
      const first = skipSpace(bytes, at + 1)
      if (byteAt(bytes, first) !== (isObject ? Ascii.closeBrace : Ascii.closeBracket)) {
        keys[depth++] = isObject ? 1 : 0
        weight += isObject ? weightOfKey : 0
        at = isObject ? skipKey(bytes, first) : first
        if (at === -1) {
          return noJson
        }
        continue
      }
      at = first + 1
    } else if (byte === Ascii.quote) {
      weight += weightOfString
      at = skipString(bytes, at + 1)
    } else {
      weight += weightOfOther
      at = skipOther(bytes, at)
    }
    // A value has ended here, and with it perhaps what it was the last one of.
    while (true) {
      if (at === -1) {
        return noJson
      }
      if (depth === 0) {
        return { end: at, weight }
      }
      at = skipSpace(bytes, at)
      const isObject = keys[depth - 1] !== 0
      const next = byteAt(bytes, at)
      if (next === Ascii.comma) {
        weight += isObject ? weightOfNextKey(depth) : 0
        at = isObject ? skipKey(bytes, at + 1) : at + 1
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

/** A buffer up to this size stays for the next text. */
const keptBytes = 4 * 1024 * 1024

let kept = Buffer.alloc(0)

/** V8 reads bytes several times as fast as characters. They are valid until the next text comes. */
const bytesOf = (text: string): Buffer => {
  const length = Utf8.byteLength(text)
  if (length > keptBytes) {
    return Buffer.from(text)
  }
  if (kept.length < length) {
    kept = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)))
  }
  return kept.subarray(0, kept.write(text))
}

/** What the value of a text takes beside its characters, in bytes and roughly; or what is wrong with the text. */
export const weigh = (text: string): number | Problem => {
  const bytes = bytesOf(text)
  const weighed = weighAt(bytes, 0)
  return typeof weighed === "string"
    ? weighed
    : skipSpace(bytes, weighed.end) === bytes.length
    ? weighed.weight
    : noJson
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
  const bytes = bytesOf(text)
  let depth = 0
  let at = 0
  let start = 0
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === Ascii.quote) {
      const end = skipString(bytes, at + 1)
      const behind = skipSpace(bytes, end)
      if (
        depth === 1 && byteAt(bytes, behind) === Ascii.colon && end - at <= maxKey &&
        JSON.parse(bytes.toString("utf8", at, end)) === name
      ) {
        start = skipSpace(bytes, behind + 1)
      }
      at = end
    } else {
      depth += byte === Ascii.openBrace || byte === Ascii.openBracket
        ? 1
        : byte === Ascii.closeBrace || byte === Ascii.closeBracket
        ? -1
        : 0
      at++
    }
  }
  return bytes.toString("latin1", start, skipNumber(bytes, start))
}
