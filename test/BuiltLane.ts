/**
 * What `LaneFiles` is in tests: the bundled lane, which starts in a sixth of the time, unless a source of it has changed
 * since. `worker.ts` puts it in the other's place. Programs that tests start have `LaneFiles` itself.
 */
import * as LaneFiles from "effect-code-mode/isolate/LaneFiles"
import { globSync, statSync } from "node:fs"
import { join } from "node:path"

const bundle = join(import.meta.dirname, "../dist/bundle/lane/main.cjs")
const changedAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const sources = globSync(LaneFiles.reads.flatMap((path) => [path, join(path, "*.ts")]))
const isFresh = sources.every((source) => changedAt(source) < changedAt(bundle))

export const main = isFresh ? bundle : LaneFiles.main
export const reads = isFresh ? [bundle] : LaneFiles.reads
