/**
 * Text as bytes of UTF-8, in which every limit that ends in `Bytes` counts.
 *
 * @internal
 */
import { Buffer } from "node:buffer"

export const byteLength = (text: string): number => Buffer.byteLength(text)

/** The same bytes, as a buffer. */
export const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80

/** Where to cut bytes so that no character is cut: the first such place, from there on backwards or forwards. */
export const boundary = (bytes: Uint8Array, at: number, step: 1 | -1 = -1): number => {
  let end = at
  while (end > 0 && isContinuation(bytes[end])) {
    end += step
  }
  return end
}

/** The start of a text, as far as it has so many bytes. It does not hold on to the rest. */
export const cut = (text: string, maxBytes: number): string => {
  if (text.length <= maxBytes && byteLength(text) <= maxBytes) {
    return text
  }
  // No character takes less than a byte.
  const bytes = Buffer.from(text.slice(0, maxBytes + 1))
  return bytes.toString("utf8", 0, boundary(bytes, Math.min(maxBytes, bytes.length)))
}
