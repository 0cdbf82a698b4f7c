/** The floors of `docs/architecture.md` are those of the sources. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

/** A front door by its name, a folder with a slash. */
const partOf = (path: string) => {
  const [first, ...rest] = path.replace(/^src\//, "").split("/")
  return rest.length === 0 ? first!.replace(/\.ts$/, "") : `${first}/`
}

const listing = /## The house[^]*?```\n([^]*?)```/.exec(read("docs/architecture.md"))![1]!
const floors = listing.trimEnd().split("\n").toReversed().map((line) => line.split(/ {2,}/)[0]!.split(" "))
const floorOf = new Map(floors.flatMap((parts, floor) => parts.map((part) => [part, floor] as const)))

const sources = globSync("src/**/*.ts", { cwd: root })
const arrows = sources.flatMap((source) =>
  Array.from(
    read(source).matchAll(/(?:from |import\()"(\.[^"]+)"/g),
    ([, specifier]) => ({ source, target: normalize(join(dirname(source), specifier!)) })
  )
)

describe("the house", () => {
  it("is the listing of src", () => {
    const parts = new Set(sources.map(partOf))
    assert.sameMembers(Array.from(parts), Array.from(floorOf.keys()))
  })

  it("has no import upwards, and none from beside", () => {
    const wrong = arrows.filter(({ source, target }) =>
      partOf(source) !== partOf(target) && floorOf.get(partOf(source))! <= floorOf.get(partOf(target))!
    )
    assert.deepStrictEqual(wrong.map(({ source, target }) => `${source} imports ${target}`), [])
    assert.isAbove(arrows.length, 300)
  })

  it("has a name for one thing in the folders of the library", () => {
    const names = sources.filter((source) => !/\/(?:bin|lane)\//.test(source)).map((source) =>
      source.replace(/^.*\//, "")
    )
    const twice = names.filter((name, index) => names.indexOf(name) !== index)
    assert.deepStrictEqual(twice, [])
  })
})
