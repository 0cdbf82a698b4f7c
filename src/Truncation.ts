/**
 * Fits a cell's output into a budget of tokens, for a model.
 *
 * **Details**
 *
 * A token counts as four bytes of UTF-8. Output of text alone that is too long becomes one text: a warning, the first
 * half of what may stay, a mark that says how much is missing, and the last half. Where there are images or audio
 * among it, the budget is spent item by item: images are free, audio costs by its length, and what does not fit any
 * more is counted at the end.
 *
 * @internal
 */
import type { OutputItem } from "./Protocol.ts"
import * as Utf8 from "./text/Utf8.ts"

/** The budget where no other is asked for. */
export const defaultBudget = 10_000

const bytesPerToken = 4
const audioTokensPerSecond = 10

const toTokens = (bytes: number): number => Math.ceil(bytes / bytesPerToken)

/** Takes the middle out of a text, at the boundaries of characters. */
const cutMiddle = (bytes: Buffer, budget: number): string => {
  const kept = budget * bytesPerToken
  const half = Math.floor(kept / 2)
  const head = Utf8.boundary(bytes, half)
  const tail = Utf8.boundary(bytes, bytes.length - (kept - half), 1)
  const missing = toTokens(bytes.length - kept)
  return `${bytes.toString("utf8", 0, head)}…${missing} tokens truncated…${bytes.toString("utf8", tail)}`
}

const countLines = (text: string): number => {
  const lines = text.split("\n")
  return lines.at(-1) === "" ? lines.length - 1 : lines.length
}

const ofTexts = (items: ReadonlyArray<OutputItem>, texts: ReadonlyArray<string>, budget: number) => {
  // Empty texts at the start leave no trace, so that there are no empty lines.
  const joined = texts.reduce((before, text) => before === "" ? text : `${before}\n${text}`, "")
  const bytes = Buffer.from(joined)
  if (bytes.length <= budget * bytesPerToken) {
    return items
  }
  const warning = `Warning: truncated output (original token count: ${toTokens(bytes.length)})`
  const text = `${warning}\nTotal output lines: ${countLines(joined)}\n\n${cutMiddle(bytes, budget)}`
  return [{ type: "input_text", text } as const]
}

const audioHeaderCharacters = 64 * 1024

/** How long a WAV file in a data URL plays, as far as its header tells. */
const wavSeconds = (url: string): number | undefined => {
  const data = /^data:[^,]*;base64,/i.exec(url)?.[0].length
  if (data === undefined) {
    return undefined
  }
  const header = Buffer.from(url.slice(data, data + audioHeaderCharacters), "base64")
  if (header.toString("latin1", 0, 4) !== "RIFF" || header.toString("latin1", 8, 12) !== "WAVE") {
    return undefined
  }
  let bytesPerSecond = 0
  for (let chunk = 12; chunk + 8 <= header.length;) {
    const name = header.toString("latin1", chunk, chunk + 4)
    const length = header.readUInt32LE(chunk + 4)
    if (name === "data") {
      const there = Math.floor((url.length - data) * 3 / 4) - chunk - 8
      return bytesPerSecond === 0 ? undefined : Math.min(length, there) / bytesPerSecond
    }
    if (name === "fmt " && chunk + 20 <= header.length) {
      bytesPerSecond = header.readUInt32LE(chunk + 16)
    }
    chunk += 8 + length + length % 2
  }
  return undefined
}

const audioTokens = (url: string): number => {
  const seconds = wavSeconds(url)
  return seconds === undefined ? toTokens(Buffer.byteLength(url)) : Math.ceil(seconds * audioTokensPerSecond)
}

const ofItems = (items: ReadonlyArray<OutputItem>, budget: number): ReadonlyArray<OutputItem> => {
  const kept: Array<OutputItem> = []
  let left = budget
  let omittedTexts = 0
  let omittedAudio = 0
  for (const item of items) {
    switch (item.type) {
      case "input_image": {
        kept.push(item)
        break
      }
      case "input_audio": {
        const tokens = audioTokens(item.audio_url)
        if (tokens <= left) {
          kept.push(item)
          left -= tokens
        } else {
          omittedAudio++
        }
        break
      }
      case "input_text": {
        const bytes = Buffer.from(item.text)
        const tokens = toTokens(bytes.length)
        if (tokens === 0) {
          break
        }
        if (tokens <= left) {
          kept.push(item)
          left -= tokens
        } else if (left > 0) {
          kept.push({ type: "input_text", text: cutMiddle(bytes, left) })
          left = 0
        } else {
          omittedTexts++
        }
        break
      }
    }
  }
  if (omittedTexts > 0) {
    kept.push({ type: "input_text", text: `[omitted ${omittedTexts} text items ...]` })
  }
  if (omittedAudio > 0) {
    kept.push({ type: "input_text", text: `[omitted ${omittedAudio} audio items ...]` })
  }
  return kept
}

/** The items that a model gets for a budget in tokens. */
export const truncate = (items: ReadonlyArray<OutputItem>, budget: number): ReadonlyArray<OutputItem> => {
  const texts: Array<string> = []
  for (const item of items) {
    if (item.type !== "input_text") {
      return ofItems(items, budget)
    }
    texts.push(item.text)
  }
  return ofTexts(items, texts, budget)
}
