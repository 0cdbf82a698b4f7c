/** The hostile scripts: data files, each with what must hold in its first two lines. */
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"

/**
 * What must hold of a cell that runs the script, besides what must hold of every one.
 *
 * - `ends`: how it may end. `ok` is a completion without an error; a cell that does not end by itself is terminated.
 * - `text`: what its last output or its error matches, unless it was terminated.
 * - `seconds`: how long it may run before it is terminated.
 * - `deafSeconds`: how long the host does not listen meanwhile.
 * - `residentMebibytes`: what its lane may hold at any time.
 * - `neighbour`: whether the lane may have to die, and a neighbour in the same session with it.
 */
const Expectation = Schema.fromJsonString(Schema.Struct({
  ends: Schema.Array(Schema.Literals(["ok", "ScriptError", "LimitExceeded", "IsolateLost", "Diverged", "Terminated"])),
  text: Schema.optionalKey(Schema.String),
  seconds: Schema.optionalKey(Schema.Number),
  deafSeconds: Schema.optionalKey(Schema.Number),
  residentMebibytes: Schema.optionalKey(Schema.Number),
  neighbour: Schema.optionalKey(Schema.Literal("may be lost"))
}))

export interface Script {
  readonly family: string
  readonly name: string
  readonly about: string
  readonly source: string
  readonly expectation: (typeof Expectation)["Type"]
}

const decode = Schema.decodeUnknownSync(Expectation, { onExcessProperty: "error" })

const scripts = new URL("scripts/", import.meta.url)
const kit = readFileSync(new URL("kit.js", import.meta.url), "utf8")
const withKit = new Set(["escape", "poison", "seal", "stack"])

const uncomment = (line: string | undefined) => (line ?? "").replace(/^\/\/ /, "")

const read = (family: string, file: string): Script => {
  const text = readFileSync(new URL(`${family}/${file}`, scripts), "utf8")
  const [about, expectation] = text.split("\n")
  return {
    family,
    name: `${family}/${file.slice(0, -".js".length)}`,
    about: uncomment(about),
    source: withKit.has(family) ? `${kit}\n${text}` : text,
    expectation: decode(uncomment(expectation))
  }
}

export const all: ReadonlyArray<Script> = readdirSync(scripts, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort()
  .flatMap((family) =>
    readdirSync(new URL(`${family}/`, scripts)).filter((file) => file.endsWith(".js")).sort().map((file) =>
      read(family, file)
    )
  )
