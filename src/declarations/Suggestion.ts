/**
 * Which tool was meant by a call of one that is not there.
 *
 * @internal
 */
import { closestMatch } from "leven"

/** The name without that of its server. */
const ownPart = (name: string): string => name.split("__").at(-1) || name

const closest = (wanted: string, names: ReadonlyMap<string, string>): string | undefined =>
  names.get(
    closestMatch(wanted.toLowerCase(), Array.from(names.keys()), {
      maxDistance: Math.max(1, Math.floor(wanted.length / 4))
    }) ?? ""
  )

/** The name that looks most like the wanted one, if one does: as a whole, or without that of a server. */
export const nearest = (wanted: string, names: ReadonlyArray<string>): string | undefined => {
  const whole = new Map(names.map((name) => [name.toLowerCase(), name]))
  const parts = new Map(names.map((name) => [ownPart(name).toLowerCase(), name]))
  return closest(wanted, whole) ?? closest(ownPart(wanted), parts)
}

const missing = /^TypeError: tools\.(?<name>[^\s.()[\]]{1,200}) is not a function\b.*/

/** The text of a cell's error; where it called a tool that is not there, with the one that it may have meant. */
export const explain = (text: string, names: ReadonlyArray<string>): string =>
  text.replace(missing, (message: string, name: string) => {
    const meant = names.includes(name) ? undefined : nearest(name, names)
    return meant === undefined ? message : `${message}\ndid you mean tools.${meant}?`
  })
