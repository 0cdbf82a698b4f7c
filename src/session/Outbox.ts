/**
 * The unread output of one cell: a persistent list of batches, cheap to append to and to hand over.
 *
 * @internal
 */
import type { OutputItem } from "../Protocol.ts"
import * as Utf8 from "../text/Utf8.ts"

export type Outbox = undefined | {
  readonly before: Outbox
  readonly batch: ReadonlyArray<OutputItem>
  /** What all items in the box weigh. */
  readonly size: number
}

export const empty: Outbox = undefined

export const size = (self: Outbox): number => self?.size ?? 0

/** Its text, or its URL. */
export const textOf = (item: OutputItem): string => {
  switch (item.type) {
    case "input_text":
      return item.text
    case "input_image":
      return item.image_url
    case "input_audio":
      return item.audio_url
  }
}

/** Each item weighs something even when it is empty, so that an endless loop of `text("")` meets the bound too. */
const itemWeight = 64

export const bytesOf = (item: OutputItem): number => Utf8.byteLength(textOf(item))

/** Bytes of UTF-8, and what the item itself takes. */
export const weigh = (item: OutputItem): number => bytesOf(item) + itemWeight

export const append = (self: Outbox, batch: ReadonlyArray<OutputItem>): Outbox => {
  if (batch.length === 0) {
    return self
  }
  let total = size(self)
  for (const item of batch) {
    total += weigh(item)
  }
  return { before: self, batch, size: total }
}

export const toArray = (self: Outbox): ReadonlyArray<OutputItem> => {
  const batches: Array<ReadonlyArray<OutputItem>> = []
  for (let box = self; box !== undefined; box = box.before) {
    batches.push(box.batch)
  }
  return batches.length === 1 ? batches[0]! : batches.toReversed().flat()
}

/** Everything of `self`, then everything of `that`. */
export const concat = (self: Outbox, that: Outbox): Outbox =>
  self === undefined
    ? that
    : that === undefined
    ? self
    : { before: self, batch: toArray(that), size: self.size + that.size }
