/** What a soak counts, and what it finds wrong. */
export const counts: Record<string, number> = {}

export const count = (what: string) => {
  counts[what] = (counts[what] ?? 0) + 1
}

export const violations: Array<string> = []

export const violate = (what: string) => {
  violations.push(what)
  console.error(`VIOLATION ${what}`)
}

export const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(Math.random() * from.length)]!
