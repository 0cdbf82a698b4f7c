/** What may be asked of cells. */
import type { CellView } from "../../src/inspector/PageMessage.ts"

/** It runs here, and hears what is asked of it. */
export const isLive = ({ settledAt, status }: CellView): boolean => settledAt === undefined && status !== "Sleeping"
