/**
 * The output of one cell that nobody has read yet: a persistent list of batches, cheap to append to and to hand over.
 *
 * @internal
 */
import type { OutputItem } from "../Protocol.ts"

export type Outbox = undefined | {
  readonly before: Outbox
  readonly batch: ReadonlyArray<OutputItem>
  /** Length of all strings in the box, in UTF-16 units. */
  readonly size: number
}

export const empty: Outbox = undefined

const sizeOf = (item: OutputItem): number => {
  switch (item.type) {
    case "input_text":
      return item.text.length
    case "input_image":
      return item.image_url.length
    case "input_audio":
      return item.audio_url.length
  }
}

export const size = (self: Outbox): number => self?.size ?? 0

/** Each item weighs something even when it is empty, so that an endless loop of `text("")` meets the bound too. */
const itemWeight = 64

export const append = (self: Outbox, batch: ReadonlyArray<OutputItem>): Outbox => {
  if (batch.length === 0) {
    return self
  }
  let total = size(self)
  for (const item of batch) {
    total += sizeOf(item) + itemWeight
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
  self === undefined ? that : that === undefined ? self : append(self, toArray(that))
