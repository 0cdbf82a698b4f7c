/**
 * The helpers that put out images, recordings and content blocks.
 *
 * `media` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */
import type { Builtins } from "./builtins.ts"
import type { Realm } from "./realm.ts"

/** What the rest of the prelude gives. */
export interface Tools {
  readonly builtins: Builtins
  readonly cell: Realm
  /** Puts out an item. */
  readonly put: (item: object) => void
  /** A property of what may be a script's. */
  readonly get: (of: object, key: string | symbol) => any
  readonly isObject: (value: unknown) => value is object
  readonly stringify: (value: unknown) => string | undefined
  /** Runs what may run a script's code; whatever it throws comes out as text. */
  readonly guarded: <A>(run: () => A) => A
}

export function media(tools: Tools) {
  "use strict"
  const { builtins, cell, get, guarded, isObject, put, stringify } = tools
  const {
    String: toText,
    TypeError,
    charCodeAt,
    indexOf,
    isInteger,
    iterator,
    parse,
    slice,
    toLowerCase,
    toWellFormed
  } = builtins
  const { apply, isArray } = cell

  interface Kind {
    readonly helper: "image" | "audio"
    readonly urlKey: "image_url" | "audio_url"
    readonly expected: string
  }

  const imageKind: Kind = {
    helper: "image",
    urlKey: "image_url",
    expected:
      "image expects a non-empty image URL string, an object with image_url and optional detail, or a raw MCP image block"
  }

  const audioKind: Kind = {
    helper: "audio",
    urlKey: "audio_url",
    expected: "audio expects a non-empty audio URL string, an object with audio_url, or a raw MCP audio block"
  }

  const hasScheme = (url: string, scheme: string) => toLowerCase(slice(url, 0, scheme.length)) === scheme

  const dataUrl = (data: string, mimeType: unknown) =>
    hasScheme(data, "data:")
      ? data
      : `data:${typeof mimeType === "string" && mimeType !== "" ? mimeType : "application/octet-stream"};base64,${data}`

  const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  const leastClipSeconds = 0.025

  // Model interfaces refuse such a clip, and the request it comes in. The length stands in the header.
  const isTooShort = (url: string) => {
    const start = indexOf(url, ",") + 1
    const digit = (index: number) => {
      const found = start + index < url.length ? indexOf(base64Digits, url[start + index]!) : 0
      return found < 0 ? 0 : found
    }
    const byte = (index: number) => {
      const first = index / 3 * 4
      const at = first - first % 1
      return (digit(at) << 6 | digit(at + 1)) >> (4 - 2 * (at % 4)) & 255
    }
    const isAscii = (start: number, text: string) => {
      for (let index = 0; index < text.length; index++) {
        if (byte(start + index) !== charCodeAt(text, index)) {
          return false
        }
      }
      return true
    }
    const number = (start: number) =>
      byte(start) + byte(start + 1) * 2 ** 8 + byte(start + 2) * 2 ** 16 + byte(start + 3) * 2 ** 24
    return isAscii(0, "RIFF") && isAscii(8, "WAVE") && isAscii(36, "data") &&
      number(40) < number(28) * leastClipSeconds
  }

  const isDetail = (detail: unknown): detail is string =>
    detail === "auto" || detail === "low" || detail === "high" || detail === "original"

  const embeddedDetail = (block: object): string | undefined => {
    const meta = get(block, "_meta")
    const detail = isObject(meta) ? get(meta, "codex/imageDetail") : undefined
    return isDetail(detail) ? detail : undefined
  }

  const mimeTypeOf = (block: object): unknown => {
    const mimeType = get(block, "mimeType")
    return mimeType === undefined ? get(block, "mime_type") : mimeType
  }

  // The URL in what `image` or `audio` was given, and the detail that came with it.
  const mediaUrl = ({ expected, helper, urlKey }: Kind, value: unknown): { url: string; detail?: unknown } => {
    if (typeof value === "string" && value !== "") {
      return { url: value }
    }
    if (typeof value !== "object" || value === null || isArray(value)) {
      throw expected
    }
    const url = get(value, urlKey)
    if (typeof url === "string" && url !== "") {
      return { url, detail: get(value, "detail") }
    }
    const type = get(value, "type")
    if (url !== undefined || typeof type !== "string") {
      throw expected
    }
    if (type !== helper) {
      throw `${helper} only accepts MCP ${helper} blocks, got "${type}"`
    }
    const data = get(value, "data")
    if (typeof data !== "string" || data === "") {
      throw `${helper} expected MCP ${helper} data`
    }
    return { url: dataUrl(data, mimeTypeOf(value)), detail: embeddedDetail(value) }
  }

  function checkDetail(detail: unknown): asserts detail is string | null | undefined {
    if (detail !== undefined && detail !== null && typeof detail !== "string") {
      throw "image detail must be a string when provided"
    }
  }

  const emitMedia = (kind: Kind, value: unknown, detail?: unknown) =>
    guarded(() => {
      checkDetail(detail)
      const found = mediaUrl(kind, value)
      const url = toWellFormed(found.url)
      if (kind === audioKind) {
        if (!hasScheme(url, "data:")) {
          throw "Tool call failed: invalid audio output. Pass a base64 data URI instead"
        }
        put(
          isTooShort(url)
            ? {
              type: "input_text",
              text: "Audio output omitted because the clip is shorter than 25 ms; use a longer clip."
            }
            : { type: "input_audio", audio_url: url }
        )
        return
      }
      checkDetail(found.detail)
      const wanted = toLowerCase(detail ?? found.detail ?? "high")
      if (hasScheme(url, "http:") || hasScheme(url, "https:")) {
        throw "Tool call failed: remote image URLs are not supported in tool outputs. Pass a base64 data URI instead"
      }
      if (!hasScheme(url, "data:")) {
        throw "Tool call failed: invalid image output. Pass a base64 data URI instead"
      }
      if (!isDetail(wanted)) {
        throw "image detail must be one of: auto, low, high, original"
      }
      put({ type: "input_image", image_url: url, detail: wanted })
    })

  const emitText = (text: string) => put({ type: "input_text", text: toWellFormed(text) })

  const generatedImage = (result: unknown) => {
    if (typeof result !== "object" || result === null) {
      throw "generatedImage expects an image generation result object"
    }
    let hint: unknown
    try {
      hint = get(result, "output_hint")
    } catch {
      throw "failed to read generatedImage output_hint"
    }
    if (hint !== undefined && typeof hint !== "string") {
      throw "generatedImage output_hint must be a string when provided"
    }
    emitMedia(imageKind, result)
    if (hint !== undefined) {
      emitText(hint)
    }
  }

  const isText = (value: unknown): value is string => typeof value === "string"
  const isTextOrMissing = (value: unknown) => value === undefined || value === null || isText(value)

  // One content block of an MCP tool result. It is read from its JSON, so that nothing of the script runs meanwhile.
  const emitBlock = (value: unknown) => {
    const json = stringify(value) ?? "null"
    const block = parse(json)
    switch (block?.type) {
      case "text":
        if (isText(block.text)) {
          return emitText(block.text)
        }
        break
      case "image":
      case "audio":
        if (
          isText(block.data) && isTextOrMissing(mimeTypeOf(block)) && !("mimeType" in block && "mime_type" in block)
        ) {
          const url = dataUrl(block.data, mimeTypeOf(block))
          return block.type === "image"
            ? emitMedia(imageKind, url, embeddedDetail(block))
            : emitMedia(audioKind, url)
        }
        break
      case "resource_link":
        if (
          isText(block.uri) && isText(block.name) && isTextOrMissing(block.title) && isTextOrMissing(block.description)
          && isTextOrMissing(block.mimeType)
          && (block.size === undefined || block.size === null || isInteger(block.size))
          && (block.icons === undefined || block.icons === null || isArray(block.icons))
        ) {
          return emitText(json)
        }
        break
      case "resource":
        if (
          isText(block.resource?.uri) && isTextOrMissing(block.resource.mimeType)
          && (isText(block.resource.text) || isText(block.resource.blob))
        ) {
          return emitText(json)
        }
        break
    }
    throw "content expects one MCP ContentBlock"
  }

  const closeIterator = (blocks: object) => {
    try {
      const close = get(blocks, "return")
      if (close !== undefined && close !== null) {
        apply(close, blocks, [])
      }
    } catch {
      // The error that ended the iteration is the one to tell.
    }
  }

  const emitEach = (blocks: unknown) => {
    if (!isObject(blocks)) {
      throw new TypeError("Result of the Symbol.iterator method is not an object")
    }
    const next = get(blocks, "next")
    while (true) {
      const result = apply(next, blocks, [])
      if (!isObject(result)) {
        throw new TypeError(`Iterator result ${toText(result)} is not an object`)
      }
      if (get(result, "done")) {
        return
      }
      const block = get(result, "value")
      try {
        emitBlock(block)
      } catch (error) {
        closeIterator(blocks)
        throw error
      }
    }
  }

  const emitBlocks = (value: unknown, takesResults: boolean) => {
    if (!isObject(value)) {
      return emitBlock(value)
    }
    const iterate = get(value, iterator)
    if (typeof iterate === "function") {
      return emitEach(apply(iterate, value, []))
    }
    // A block has a type, a whole result has none.
    const blocks = takesResults && get(value, "type") === undefined ? get(value, "content") : undefined
    return isArray(blocks) ? emitEach(apply(get(blocks, iterator), blocks, [])) : emitBlock(value)
  }

  return {
    emitBlocks,
    emitText,
    generatedImage,
    image: (value: unknown, detail: unknown) => emitMedia(imageKind, value, detail),
    audio: (value: unknown) => emitMedia(audioKind, value)
  }
}
