/**
 * A source with other words at some places, and where its characters stood before.
 *
 * @internal
 */
import type { Location } from "../Protocol.ts"
import * as Places from "../text/Places.ts"

/** `text` instead of what stands from `start` to `end`. A line break in it may stand at the end of the source only. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
  /** Whether what happens in `text` counts as at `start`. */
  readonly isPlace?: boolean
}

/** A source after its edits. */
export interface Edited {
  readonly program: string
  /** Where a place of the program is in the source. What was added is nowhere, unless its edit says so. */
  readonly locate: (place: Location) => Location | undefined
}

export const insert = (at: number, text: string): Edit => ({ start: at, end: at, text })

/** Makes edits that do not overlap, in the order in which they stand. */
export const apply = (source: string, edits: ReadonlyArray<Edit>): Edited => {
  const sorted = edits.toSorted((a, b) => a.start - b.start || a.end - b.end)
  let program = ""
  let from = 0
  for (const { end, start, text } of sorted) {
    program += source.slice(from, start) + text
    from = end
  }
  program += source.slice(from)
  const toSource = (offset: number): number | undefined => {
    let moved = 0
    for (const { end, isPlace, start, text } of sorted) {
      if (offset < start + moved) {
        break
      }
      if (offset < start + moved + text.length) {
        return isPlace === true ? start : undefined
      }
      moved += text.length - (end - start)
    }
    return offset - moved
  }
  return {
    program,
    locate: ({ column, line }) => {
      const start = Places.starts(program)[line - 1]
      const offset = start === undefined ? undefined : toSource(start + column - 1)
      return offset === undefined ? undefined : Places.at(Places.starts(source), offset)
    }
  }
}
