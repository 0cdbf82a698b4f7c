/**
 * Output items as parts of a prompt, so that a model sees images and hears recordings.
 *
 * @internal
 */
import * as Prompt from "effect/ai/Prompt"
import { attempt } from "../data/Attempt.ts"
import type { OutputItem } from "../Protocol.ts"

const dataUrl = /^data:(?<type>[^;,]*)(?:;[^,]*)?,/i

/** What a data URL carries, as base64; another URL by its address. */
const filePart = (url: string, otherType: string): Prompt.FilePart | Prompt.TextPart => {
  const found = dataUrl.exec(url)
  if (found !== null) {
    const [{ length }] = found
    const isBase64 = /;base64,$/i.test(found[0])
    const data = url.slice(length)
    return Prompt.filePart({
      mediaType: found.groups!.type || otherType,
      data: isBase64 ? data : Buffer.from(attempt(() => decodeURIComponent(data)) ?? data).toString("base64")
    })
  }
  return URL.canParse(url)
    ? Prompt.filePart({ mediaType: otherType, data: new URL(url) })
    : Prompt.textPart({ text: url })
}

/** The parts of a result: texts that follow each other are one. */
export const fromItems = (items: ReadonlyArray<OutputItem>): ReadonlyArray<Prompt.ToolModelOutputPart> => {
  const parts: Array<Prompt.ToolModelOutputPart> = []
  let text = ""
  const flush = () => {
    if (text !== "") {
      parts.push(Prompt.textPart({ text }))
      text = ""
    }
  }
  for (const item of items) {
    if (item.type === "input_text") {
      text += text === "" || text.endsWith("\n") ? item.text : `\n${item.text}`
    } else {
      flush()
      parts.push(
        item.type === "input_image" ? filePart(item.image_url, "image/*") : filePart(item.audio_url, "audio/*")
      )
    }
  }
  flush()
  return parts
}
