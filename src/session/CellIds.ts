/**
 * Cell ids that do not collide between sessions, processes or restarts.
 *
 * @internal
 */
import { CellId } from "../Protocol.ts"

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/** Ten bytes as sixteen characters, five bits each. */
const spell = (bytes: Uint8Array): string => {
  let number = bytes.reduce((number, byte) => number << 8n | BigInt(byte), 0n)
  let text = ""
  for (let index = 0; index < 16; index++) {
    text = alphabet[Number(number & 31n)] + text
    number >>= 5n
  }
  return text
}

const unspell = (text: string): Buffer | undefined => {
  if (text.length !== 16) {
    return undefined
  }
  let number = 0n
  for (const character of text) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) {
      return undefined
    }
    number = number << 5n | BigInt(digit)
  }
  return Buffer.from(number.toString(16).padStart(20, "0"), "hex")
}

const digestLength = 5

/**
 * How a session names its cells: the id of its cell with a number, and the number of the cell with an id, if it is one
 * of the session's.
 */
export interface CellIds {
  readonly make: (sequence: number) => CellId
  readonly find: (id: string) => number | undefined
}

/**
 * Ids of 16 characters: a digest of a random session id and the cell's number, and the number under a digest of that.
 * They look random, and their session can tell them from others without remembering any. `key` is such a session id, of 32
 * hexadecimal digits, where it was kept.
 *
 * Not every host wants them, and node's cryptography takes it milliseconds to load.
 */
export const unique = (key?: string): CellIds => {
  const { createHash, randomUUID } = process.getBuiltinModule("node:crypto")
  const session = Buffer.from(key ?? randomUUID().replaceAll("-", ""), "hex")
  const digest = (bytes: Uint8Array) =>
    createHash("sha256").update(session).update(bytes).digest().subarray(0, digestLength)
  const cover = (bytes: Uint8Array, by: Uint8Array) => bytes.map((byte, index) => byte ^ digest(by)[index]!)

  const make = (sequence: number) => {
    const number = Buffer.alloc(digestLength)
    number.writeUIntBE(sequence, 0, digestLength)
    const tag = digest(number)
    return CellId.make(spell(Buffer.concat([tag, cover(number, tag)])))
  }
  return {
    make,
    find: (id) => {
      const bytes = unspell(id)
      if (bytes === undefined) {
        return undefined
      }
      const tag = bytes.subarray(0, digestLength)
      const sequence = Buffer.from(cover(bytes.subarray(digestLength), tag)).readUIntBE(0, digestLength)
      return make(sequence) === id ? sequence : undefined
    }
  }
}

/** Ids `1`, `2`, `3`, … */
export const sequential: CellIds = {
  make: (sequence) => CellId.make(String(sequence)),
  find: (id) => /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined
}
