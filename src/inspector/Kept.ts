/**
 * Texts that are kept to be looked at, as long as there is room for all of them. The oldest go first.
 *
 * @internal
 */
import * as Cut from "../text/Cut.ts"
import type * as PageMessage from "./PageMessage.ts"

export interface Text {
  value: string | null
  readonly omitted: number
}

/** What a text takes besides its characters. */
const overhead = 100

export class Room {
  private readonly max: number
  private texts: Array<Text> = []
  private first = 0
  private size = 0

  /** So many characters together, and so many less for each text. */
  constructor(max: number) {
    this.max = max
  }

  /** Keeps the beginning of a text. */
  keep(text: string, length: number): Text {
    const value = Cut.within(text, length)
    const kept: Text = { value, omitted: text.length - value.length }
    this.texts.push(kept)
    this.size += value.length + overhead
    while (this.size > this.max) {
      const oldest = this.texts[this.first++]!
      this.size -= oldest.value!.length + overhead
      oldest.value = null
    }
    if (this.first > 1000 && this.first * 2 > this.texts.length) {
      this.texts = this.texts.slice(this.first)
      this.first = 0
    }
    return kept
  }
}

export const view = ({ omitted, value }: Text): PageMessage.Kept => ({ text: value, omitted })
