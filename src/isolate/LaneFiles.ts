/**
 * The files of the program that a lane runs. This file runs from its source or compiled, and a lane runs the same way:
 * from its source, or bundled in one file, which starts in a fraction of the time.
 *
 * @since 0.1.0
 */
import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const isSource = import.meta.url.endsWith(".ts")

/**
 * The file that node is started with.
 *
 * @category constants
 * @since 0.1.0
 */
export const main: string = isSource
  ? join(here, "lane", "main.ts")
  : join(here, "..", "bundle", "lane", "main.cjs")

/**
 * The files and folders that a lane reads, itself included, and no others.
 *
 * @category constants
 * @since 0.1.0
 */
export const reads: ReadonlyArray<string> = isSource
  ? [join(here, "lane"), join(here, "Frames.ts"), join(here, "..", "system", "Framing.ts")]
  : [main]
