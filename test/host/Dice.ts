/** Chance that comes again: everything is made of a seed. */

/** Numbers from 0 to 1, the same for the same seed. */
const makeRandom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

export const makeDice = (seed: number) => {
  const random = makeRandom(seed)
  const below = (bound: number) => Math.floor(random() * bound)
  const pick = <A>(values: ReadonlyArray<A>): A => values[below(values.length)]!
  return { below, pick, chance: (probability: number) => random() < probability }
}
export type Dice = ReturnType<typeof makeDice>

/** Any bytes. */
export const randomBytes = ({ below }: Dice, length: number) => Buffer.from(Array.from({ length }, () => below(256)))

/** Any JSON value, made of words that mean something to the protocol. */
export const anyValue = (dice: Dice, depth: number): unknown => {
  const { below, chance, pick } = dice
  const inner = (length: number) => Array.from({ length }, () => anyValue(dice, depth + 1))
  switch (below(depth > 3 ? 5 : 7)) {
    case 0:
      return null
    case 1:
      return pick([0, -1, 1.5, 1e300, 2 ** 53])
    case 2:
      return pick(["", "s", "operation/request", "\ud800", "\0"])
    case 3:
      return chance(0.5)
    case 4:
      return pick([[], {}])
    case 5:
      return inner(below(4))
    default: {
      const names = ["type", "id", "request", "method", "__proto__", "result", "sessionId"]
      return Object.fromEntries(inner(below(4)).map((value) => [pick(names), value]))
    }
  }
}

/** Bytes with a few changed, taken out or put in. */
export const damage = (dice: Dice, bytes: Buffer): Buffer => {
  const { below } = dice
  const at = below(bytes.length)
  switch (below(3)) {
    case 0: {
      const changed = Buffer.from(bytes)
      changed[at] = below(256)
      return changed
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(4))])
    default:
      return Buffer.concat([bytes.subarray(0, at), randomBytes(dice, 1 + below(4)), bytes.subarray(at)])
  }
}
