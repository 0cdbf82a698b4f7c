/**
 * Colours in text of others. They go by, except for those of a cell's output, and there what could conceal text goes.
 *
 * @internal
 */
import * as Visible from "../../text/Visible.ts"

// oxlint-disable-next-line no-control-regex -- it is what this is about
const sequence = /\x1b\[([\d;:]*)m/g

/** The text without colours. */
export const without = (text: string): string => text.replace(sequence, "")

/**
 * Bold, dim, italic, underlined, crossed out, and their ends; the six hues, and their end. The text is seen with all of
 * them. It may not be with black, white, greys and the larger palettes, which may be the colour of the terminal, and on
 * a background.
 */
const isAllowed = (code: number) =>
  [0, 1, 2, 3, 4, 9, 22, 23, 24, 29, 39].includes(code) || (code >= 31 && code <= 36) || (code >= 91 && code <= 96)

/** The codes of a sequence that are allowed. A colour of a larger palette is several numbers. */
const allowedOf = (codes: string): ReadonlyArray<number> => {
  const numbers = codes.split(";").map((each) => each.includes(":") ? Number.NaN : Number(each))
  const allowed: Array<number> = []
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at]!
    if (code === 38 || code === 48 || code === 58) {
      at += numbers[at + 1] === 5 ? 2 : 4
    } else if (isAllowed(code)) {
      allowed.push(code)
    }
  }
  return allowed
}

const reset = "\x1b[0m"

/** The lines of a cell as a terminal may have them: nothing but allowed colours, and every line ends its own. */
export const tame = (text: string): string => {
  let isColoured = false
  const endLines = (part: string) =>
    Visible.lines(part.replaceAll("\r\n", "\n")).replaceAll("\n", () => {
      const end = isColoured ? `${reset}\n` : "\n"
      isColoured = false
      return end
    })
  const tamed = text.split(sequence).map((part, index) => {
    if (index % 2 === 0) {
      return endLines(part)
    }
    const codes = allowedOf(part)
    if (codes.length === 0) {
      return ""
    }
    isColoured = codes.at(-1) !== 0
    return `\x1b[${codes.join(";")}m`
  })
  return tamed.join("") + (isColoured ? reset : "")
}
