/**
 * Cell ids that do not collide between sessions, processes or restarts.
 *
 * @internal
 */
import { CellId } from "../Protocol.ts"

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/** Ten bytes as sixteen characters, five bits each. */
const spell = (bytes: Uint8Array): string => {
  let text = ""
  for (let start = 0; start < 10; start += 5) {
    let group = 0n
    for (let index = 0; index < 5; index++) {
      group = group << 8n | BigInt(bytes[start + index]!)
    }
    for (let shift = 35n; shift >= 0n; shift -= 5n) {
      text += alphabet[Number(group >> shift & 31n)]
    }
  }
  return text
}

/**
 * Ids of 16 characters: a digest of a random session id and the cell's number.
 *
 * Not every host wants them, and node's cryptography takes it milliseconds to load.
 */
export const unique = (): (sequence: number) => CellId => {
  const { createHash, randomUUID } = process.getBuiltinModule("node:crypto")
  const session = Buffer.from(randomUUID().replaceAll("-", ""), "hex")
  return (sequence) => {
    const number = Buffer.alloc(8)
    number.writeBigUInt64BE(BigInt(sequence))
    return CellId.make(spell(createHash("sha256").update(session).update(number).digest()))
  }
}

/** Ids `1`, `2`, `3`, … */
export const sequential = (sequence: number): CellId => CellId.make(String(sequence))
