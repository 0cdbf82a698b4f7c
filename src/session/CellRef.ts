/**
 * What names a cell to its session, and says of which kind it is.
 *
 * @internal
 */
import type { CellId, CellKind } from "../Protocol.ts"

const TypeId = "~effect-code-mode/Runtime/Cell"

export interface Cell {
  readonly [TypeId]: "continuing"
  readonly id: CellId
}

export interface PausableCell {
  readonly [TypeId]: "pausable"
  readonly id: CellId
}

export const continuing = (id: CellId): Cell => ({ [TypeId]: "continuing", id })
export const pausable = (id: CellId): PausableCell => ({ [TypeId]: "pausable", id })

export const of = (id: CellId, kind: CellKind): Cell | PausableCell =>
  kind === "continuing" ? continuing(id) : pausable(id)

export const kindOf = (cell: Cell | PausableCell): Cell[typeof TypeId] | PausableCell[typeof TypeId] => cell[TypeId]

export const isPausable = (cell: Cell | PausableCell): cell is PausableCell => kindOf(cell) === "pausable"
