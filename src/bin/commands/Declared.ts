/**
 * What earlier inputs at the prompt declared, which later ones do not find.
 *
 * @internal
 */
import { Remembered } from "../../data/Remembered.ts"

const maxNames = 1000

const name = /[\p{ID_Start}$_][\p{ID_Continue}$]*/gu

/** The names that are declared at the start of a line, where what stands at the top level does. */
export const namesIn = (source: string): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(
      /^(?:(?:async\s+)?function\b\s*\*?|class\b)\s*(?<declared>[^\s(){}]+)|^(?:const|let|var)\s+(?<assigned>[^=;]+)(?<rest>.*)/gm
    ),
    ({ groups }) => {
      const { assigned = "", declared = "", rest = "" } = groups ?? {}
      // In `let a = 1, b = 2` the others stand behind commas.
      const others = Array.from(rest.matchAll(/,\s*(?<name>[\w$]+)\s*=(?![=>])/g), (match) => match.groups?.name ?? "")
      return [declared, assigned, ...others].flatMap((text) => text.match(name) ?? [])
    }
  ).flat()

/** What the engine says of a name that is nowhere, and what a check says. */
const missing = /^(?:ReferenceError: |Cannot find name ')(?<name>[^\s']{1,200})(?: is not defined$|'\.)/m

export interface Declared {
  readonly add: (source: string) => void
  /** The text of an error; where it names what an earlier input declared, with a line that says so. */
  readonly explain: (text: string) => string
}

export const make = (): Declared => {
  const names = new Remembered<string>(maxNames)
  return {
    add: (source) => {
      for (const each of namesIn(source)) {
        names.set(each, true)
      }
    },
    explain: (text) =>
      text.replace(missing, (message: string, name: string) =>
        names.has(name)
          ? `${message}\n${name} was declared in an earlier cell; cells do not share variables, store() and load() do`
          : message)
  }
}
