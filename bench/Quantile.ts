/** What that share of the figures does not exceed; one of the figures. There has to be one. */
export const quantile = (figures: ReadonlyArray<number>, share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.min(figures.length - 1, Math.floor(figures.length * share))]!

export const median = (figures: ReadonlyArray<number>): number => quantile(figures, 0.5)
