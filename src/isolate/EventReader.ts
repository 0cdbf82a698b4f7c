/**
 * JSON of a known shape, read byte by byte: nothing is kept of what does not have that shape.
 *
 * @internal
 */
import * as Ascii from "../text/Ascii.ts"
import * as JsonText from "../text/JsonText.ts"
import * as Utf8 from "../text/Utf8.ts"

/** The bytes say something that they may not say. It is thrown, and no `Error`, since from where is of no interest. */
export class Breach {
  readonly what: string

  constructor(what: string) {
    this.what = what
  }
}

export const breach = (what: string): never => {
  throw new Breach(what)
}

/** How the fields of an object are read, by name. */
export type Fields = Readonly<Record<string, (reader: EventReader) => unknown>>

/** An object's fields, as far as it has them. */
export type Read<F extends Fields> = { readonly [Name in keyof F]?: ReturnType<F[Name]> }

/** No number of a lane has more digits. */
const maxDigits = 15

/** JSON may write a byte of text with so many of its own. */
const maxEscape = 6

/** Names, tags and ids are shorter, and one that is not need not be shown. */
const maxWord = 64

/** Reads an event, which has no white space. Every part throws a `Breach` where it is not there. */
export class EventReader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  private peek(): number {
    return this.at < this.bytes.length ? this.bytes[this.at]! : -1
  }

  private skip(byte: number): boolean {
    const isThere = this.peek() === byte
    this.at += isThere ? 1 : 0
    return isThere
  }

  private expect(byte: number): void {
    if (!this.skip(byte)) {
      breach("its event does not have the form of one")
    }
  }

  /** The beginning of an object up to the value of its first field, which is its tag. */
  tag(): string {
    this.expect(Ascii.openBrace)
    if (this.word() !== "_tag") {
      breach("its event has no tag")
    }
    this.expect(Ascii.colon)
    return this.word()
  }

  /** The other fields, in any order. */
  rest<F extends Fields>(fields: F): Read<F> {
    const record: Record<string, unknown> = {}
    while (this.skip(Ascii.comma)) {
      this.field(fields, record)
    }
    this.expect(Ascii.closeBrace)
    return record as Read<F>
  }

  /** An object that has at least one field. */
  object<F extends Fields>(fields: F): Read<F> {
    const record: Record<string, unknown> = {}
    this.expect(Ascii.openBrace)
    do {
      this.field(fields, record)
    } while (this.skip(Ascii.comma))
    this.expect(Ascii.closeBrace)
    return record as Read<F>
  }

  private field(fields: Fields, record: Record<string, unknown>): void {
    const name = this.word()
    this.expect(Ascii.colon)
    if (!Object.hasOwn(fields, name) || Object.hasOwn(record, name)) {
      breach("its event has a field that is not known, or has one twice")
    }
    record[name] = fields[name]!(this)
  }

  array<A>(readElement: (reader: EventReader) => A, most = Infinity): Array<A> {
    const elements: Array<A> = []
    this.expect(Ascii.openBracket)
    if (this.skip(Ascii.closeBracket)) {
      return elements
    }
    do {
      if (elements.length >= most) {
        breach(`its event has a list of more than ${most}`)
      }
      elements.push(readElement(this))
    } while (this.skip(Ascii.comma))
    this.expect(Ascii.closeBracket)
    return elements
  }

  pair(): readonly [string, string] {
    this.expect(Ascii.openBracket)
    const first = this.string()
    this.expect(Ascii.comma)
    const second = this.string()
    this.expect(Ascii.closeBracket)
    return [first, second]
  }

  end(): void {
    if (this.at !== this.bytes.length) {
      breach("its event goes on after its end")
    }
  }

  /** A whole number from 0 on. */
  natural(): number {
    const start = this.at
    let value = 0
    for (let byte = this.peek(); byte >= Ascii.zero && byte <= Ascii.nine; byte = this.peek()) {
      value = 10 * value + byte - Ascii.zero
      this.at++
    }
    const digits = this.at - start
    if (digits === 0 || digits > maxDigits || (digits > 1 && this.bytes[start] === Ascii.zero)) {
      breach("its event has a number that is not a whole one from 0 on")
    }
    return value
  }

  /** A value as its JSON, and what it takes beside its characters. `what` it is, is told where it is none. */
  json(what: string): { readonly json: string; readonly bytes: number; readonly weight: number } {
    const start = this.at
    const weighed = JsonText.weighAt(this.bytes, start)
    if (typeof weighed === "string") {
      return breach(`${what} ${weighed}`)
    }
    this.at = weighed.end
    return {
      json: this.bytes.toString("utf8", start, weighed.end),
      bytes: weighed.end - start,
      weight: weighed.weight
    }
  }

  /** A short text. */
  word(): string {
    const start = this.at
    const isEscaped = this.skipString()
    return this.at - start <= maxWord ? this.decode(start, isEscaped) : breach("its event has too long a word")
  }

  string(): string {
    const start = this.at
    return this.decode(start, this.skipString())
  }

  /** A text that is cut, with a note, where it has more bytes. */
  stringWithin(maxBytes: number): string {
    const start = this.at
    this.skipString()
    const end = this.at - 1
    const readEnd = end - start <= maxBytes ? end : this.endOfPart(start, start + 1 + maxEscape * maxBytes)
    const text = this.parse(start, readEnd).toWellFormed()
    if (readEnd === end && Utf8.byteLength(text) <= maxBytes) {
      return text
    }
    const note = `… (cut at ${maxBytes / 1024} KiB)`
    return Utf8.cut(text, maxBytes - Utf8.byteLength(note)) + note
  }

  /** From the first quotation mark to behind the last. Whether there is anything to replace in between. */
  private skipString(): boolean {
    this.expect(Ascii.quote)
    const { bytes } = this
    const end = bytes.length
    let at = this.at
    let isEscaped = false
    while (at < end) {
      const byte = bytes[at]!
      if (byte === Ascii.quote) {
        this.at = at + 1
        return isEscaped
      }
      if (byte < 0x20) {
        break
      }
      if (byte === Ascii.backslash) {
        // What stands behind it is looked at when the text is parsed.
        isEscaped = true
        at++
      }
      at++
    }
    return breach("its event has a text that does not end, or a control character in one")
  }

  private decode(start: number, isEscaped: boolean): string {
    return isEscaped ? this.parse(start, this.at - 1) : this.bytes.toString("utf8", start + 1, this.at - 1)
  }

  /** The text from its first quotation mark to where the last one is, or could be. */
  private parse(start: number, end: number): string {
    try {
      return JSON.parse(`${this.bytes.toString("utf8", start, end)}"`)
    } catch {
      return breach("its event has a text that is not JSON")
    }
  }

  /** Where a text may end so that neither a character nor an escape sequence is cut. */
  private endOfPart(start: number, wanted: number): number {
    const last = Math.min(wanted, this.at - 1)
    let at = start + 1
    for (let next = at; next <= last;) {
      at = next
      next += this.bytes[at] !== Ascii.backslash ? 1 : this.bytes[at + 1] === Ascii.letterU ? maxEscape : 2
    }
    return Utf8.boundary(this.bytes, at)
  }
}
