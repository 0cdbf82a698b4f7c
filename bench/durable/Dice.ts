/** Numbers that are the same for the same seed. */
export interface Dice {
  /** Between 0 and 1. */
  readonly next: () => number
  /** A whole number, from `min` up to `max`. */
  readonly between: (min: number, max: number) => number
  readonly pick: <A>(from: ReadonlyArray<A>) => A
}

export const make = (seed: number): Dice => {
  let state = seed | 0
  const next = () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return { next, between, pick: (from) => from[between(0, from.length - 1)]! }
}
