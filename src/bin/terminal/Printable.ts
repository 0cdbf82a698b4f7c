/**
 * What may be printed, and the one place that decides it.
 *
 * **Details**
 *
 * Nothing but a `Printable` can be handed to the `Printer`, and no other module makes one. It is made of what stands in our
 * own source (`text`) and of what others have written (`foreign`), which is made visible: see `Visible`. The pieces are
 * kept until it is known where they go, because what a cell puts out is data where it goes to a file.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { CellId } from "../../Protocol.ts"
import * as Cut from "../../text/Cut.ts"
import * as Visible from "../../text/Visible.ts"
import * as Colours from "./Colours.ts"

/** What it is printed on. */
export interface Surface {
  /** Whether it is a terminal. */
  readonly isTerminal: boolean
  /** Whether it is one that has colours. */
  readonly hasColours: boolean
}

/** Text for any surface, or what a cell has put out. */
type Piece = string | { readonly output: string }

let make: (pieces: ReadonlyArray<Piece>) => Printable
let piecesOf: (self: Printable) => ReadonlyArray<Piece>

/** Text that may be printed. */
export class Printable {
  readonly #pieces: ReadonlyArray<Piece>

  private constructor(pieces: ReadonlyArray<Piece>) {
    this.#pieces = pieces
  }

  /** As on a surface without colours. */
  toString() {
    return render(this, { isTerminal: true, hasColours: false })
  }

  static {
    make = (pieces) => new Printable(pieces)
    piecesOf = (self) => self.#pieces
  }
}

export const isPrintable = (value: unknown): value is Printable => value instanceof Printable

/** The text for a surface. */
export const render = (self: Printable, { hasColours, isTerminal }: Surface): string =>
  piecesOf(self).map((piece) =>
    typeof piece === "string"
      ? piece
      : !isTerminal
      ? piece.output
      : Colours.tame(hasColours ? piece.output : Colours.without(piece.output))
  ).join("")

// =============================================================================
// Ours
// =============================================================================

/** A string that stands in our source. Any other string is one that others may have written. */
type Literal<Text extends string> = {} extends Record<Text, 1> ? never : Text

type Value<Part> = Part extends CellId | Duration.Duration | number | Printable ? Part
  : Part extends string ? Literal<Part>
  : never

/** What we say ourselves: a template that has numbers, ids of cells, our own words and printable text in it. */
export const text = <const Parts extends ReadonlyArray<string | number | Duration.Duration | Printable>>(
  literals: TemplateStringsArray,
  ...parts: { readonly [Index in keyof Parts]: Value<Parts[Index]> }
): Printable =>
  make(literals.flatMap((literal, index) => {
    const part = parts[index]
    return part === undefined
      ? [literal]
      : isPrintable(part)
      ? [literal, ...piecesOf(part)]
      : [literal, Visible.line(Duration.isDuration(part) ? Duration.format(part) : String(part))]
  }))

export const empty: Printable = make([])

export const isEmpty = (self: Printable): boolean => piecesOf(self).every((piece) => piece === "")

export const join = (parts: ReadonlyArray<Printable>, separator: Printable = empty): Printable =>
  make(parts.flatMap((part, index) => [...(index === 0 ? [] : piecesOf(separator)), ...piecesOf(part)]))

// =============================================================================
// Others'
// =============================================================================

/**
 * How to show what others have written.
 *
 * - `word`: every character, on one line
 * - `prose`: what it says, on one line of 200 characters at most, without colours
 * - `lines`: on as many lines as it has, without colours
 * - `quote`: the same, with all lines but the first one indented, so that none looks like one of ours
 * - `code`: JSON or TypeScript, with another spelling of the same strings
 * - `output`: what a cell puts out. A file gets it as it is, a terminal without what would steer it
 * - `typing`: what `node:readline` draws, with its moves of the cursor
 */
export type As = "word" | "prose" | "lines" | "quote" | "code" | "output" | "typing"

const maxProse = 200
const maxQuote = 20_000

const withinLines = (text: string) => Visible.lines(Colours.without(text).replaceAll("\r\n", "\n"))

// oxlint-disable-next-line no-control-regex -- it is what this is about
const move = /(\x1b\[[\d;]*[A-HJK]|\r)/

const show: { readonly [Way in As]: (text: string) => Piece } = {
  word: Visible.line,
  prose: (text) => Visible.line(Cut.marked(Colours.without(text).replace(/\s+/g, " ").trim(), maxProse)),
  lines: withinLines,
  quote: (text) => withinLines(Cut.marked(text, maxQuote)).replaceAll("\n", "\n  "),
  code: Visible.lines,
  output: (output) => ({ output }),
  typing: (text) => text.split(move).map((part, index) => index % 2 === 0 ? Visible.lines(part) : part).join("")
}

/**
 * What others have written. `path` names the way on which it gets here, in a word or two that no other place has: the
 * tests look for all of them, and try each with text that would steer a terminal.
 */
export const foreign = <const Path extends string>(path: Literal<Path>, text: string, as: As): Printable => {
  void path
  return make([show[as](text)])
}

// =============================================================================
// Room
// =============================================================================

const widthOfText = (text: string) => Array.from(text).reduce((sum, character) => sum + (character < "\x7f" ? 1 : 2), 0)

/** How many columns a line takes at most: what is not ASCII may take two. */
export const width = (self: Printable): number => widthOfText(self.toString())

/** The line, with spaces up to so many columns. */
export const padEnd = (self: Printable, columns: number): Printable =>
  join([self, make([" ".repeat(Math.max(0, columns - width(self)))])])

/** As much room as the line takes. */
export const blank = (self: Printable): Printable => make([self.toString().replace(/[^\t]/g, " ")])

/** The line, or as much of it as has room in so many columns. */
export const fit = (self: Printable, columns: number, ellipsis: "…" | "" = "…"): Printable => {
  if (width(self) <= columns) {
    return self
  }
  let fitting = ""
  let room = columns - widthOfText(ellipsis)
  for (const character of self.toString()) {
    room -= widthOfText(character)
    if (room < 0) {
      break
    }
    fitting += character
  }
  return make([fitting + ellipsis])
}
