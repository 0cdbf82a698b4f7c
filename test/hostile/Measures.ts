/** The protective measures that can be switched off, each in a copy of the sources, to see that the suite notices. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

interface Measure {
  readonly file: string
  /** What stands in the file exactly once, and what takes its place. */
  readonly from: string
  readonly to: string
  /** The scripts that cannot go well without it. */
  readonly scripts: RegExp
}

export const measures: Readonly<Record<string, Measure>> = {
  "loop-flag": {
    file: "isolate/lane/main.ts",
    from: `setFlagsFromString("--no-turboshaft-loop-unrolling")`,
    to: "",
    scripts: /^loops\/array-fill/
  },
  kill: {
    file: "V8.ts",
    from: "laneKillAfter ?? \"2 seconds\"",
    to: "laneKillAfter ?? \"2000 seconds\"",
    scripts: /^builtins\/(copy-within|includes|index-of|reduce)$/
  },
  watchdog: {
    file: "isolate/lane/main.ts",
    from: "  watchdog.wake()\n",
    to: "",
    scripts: /^memory\/(array-concat|intl-date)/
  },
  buffers: {
    file: "isolate/lane/prelude.ts",
    from: "    reserve(maxByteLength)\n",
    to: "",
    scripts: /^memory\/resizable/
  },
  seal: {
    file: "isolate/lane/realm.ts",
    from: `"apply", { get: checkStack })`,
    to: `"apply", { get: () => undefined })`,
    scripts: /^seal\/(every-helper|take-over)$/
  },
  proxies: {
    file: "isolate/lane/prelude.ts",
    from: "      hasProxies = true\n",
    to: "",
    scripts: /^seal\/(every-callback|hot)$/
  },
  "engine-realm": {
    file: "isolate/lane/Warm.ts",
    from: "    sealDefaultContext(part)\n",
    to: "",
    scripts: /^seal\/unhandled$/
  },
  credit: {
    file: "isolate/lane/main.ts",
    from: "const isBlocked = () => socket.writableLength > blockedAt",
    to: "const isBlocked = () => false",
    scripts: /^storms\/deaf/
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Makes the copy and gives the path of its engine. It lies within the package, for its imports. */
export const without = (name: string): string => {
  const measure = measures[name]
  if (measure === undefined) {
    throw new Error(`no such measure: ${name}; there are ${Object.keys(measures).join(", ")}`)
  }
  const copy = join(root, ".tsbuild", `without-${name}`)
  rmSync(copy, { recursive: true, force: true })
  cpSync(join(root, "src"), copy, { recursive: true })
  const file = join(copy, measure.file)
  const text = readFileSync(file, "utf8")
  if (text.split(measure.from).length !== 2) {
    throw new Error(`${measure.file} has to contain this once: ${measure.from}`)
  }
  writeFileSync(file, text.replace(measure.from, () => measure.to))
  return join(copy, "V8.ts")
}
