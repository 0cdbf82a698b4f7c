/**
 * The name under which a cell sees a tool.
 *
 * @internal
 */

/** What cannot stand in an identifier becomes `_`. */
export const fromName = (name: string): string => name.replace(/^[^A-Za-z_$]|[^A-Za-z0-9_$]/gu, "_") || "_"

/** The name, or where it is taken, the first of `NAME_2`, `NAME_3`, … that is not. */
export const free = (name: string, taken: ReadonlySet<string>): string => {
  let candidate = name
  for (let n = 2; taken.has(candidate); n++) {
    candidate = `${name}_${n}`
  }
  return candidate
}

/**
 * Tells names apart once they are identifiers. One that is an identifier already keeps its name, wherever it stands;
 * another one whose name is taken gets the first free of `_2`, `_3`, …
 */
export const distinct = (
  names: ReadonlyArray<string>,
  toIdentifier: (name: string) => string = fromName
): ReadonlyArray<string> => {
  const taken = new Set<string>()
  const take = (name: string) => {
    const identifier = free(toIdentifier(name), taken)
    taken.add(identifier)
    return identifier
  }
  const exact = names.map((name) => toIdentifier(name) === name && !taken.has(name) ? take(name) : undefined)
  return names.map((name, index) => exact[index] ?? take(name))
}
