import { assert, describe, it } from "@effect/vitest"
import * as CellPhase from "effect-code-mode/session/CellPhase"
import { execFile, spawnSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { promisify } from "node:util"
import * as Phases from "../scripts/pictures/phases.ts"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

const blocks = (page: string, language: string) =>
  Array.from(read(page).matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm")), ([, block]) => block)

describe.each([
  ["docs/pausable-cells.md", "examples/pausable.ts"],
  ["docs/pausable-cells.md", "examples/retries.ts"],
  ["docs/typed-cells.md", "examples/checked.ts"],
  ["docs/delegates.md", "examples/delegates.ts"],
  ["docs/guide-effect.md", "examples/conversations.ts"]
])("%s", (page, example) => {
  it(`shows ${example} and what it prints`, async () => {
    const at = blocks(page, "ts").indexOf(read(example))
    assert.isAtLeast(at, 0)
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, example)])
    assert.strictEqual(stdout, blocks(page, "text")[at])
  })
})

describe("docs/models.md", () => {
  it("shows examples, and what they print", async () => {
    assert.deepStrictEqual(
      blocks("docs/models.md", "ts"),
      ["toolkit.ts", "agent/agent.ts", "loop.ts"].map((name) => read(`examples/${name}`))
    )
    const printed = ["toolkit.ts", "agent/main.ts", "loop.ts"].map((name) =>
      promisify(execFile)(process.execPath, [join(root, "examples", name)])
    )
    assert.deepStrictEqual(
      blocks("docs/models.md", "text"),
      (await Promise.all(printed)).map(({ stdout }) => stdout)
    )
  })
})

describe("docs/guide-models.md", () => {
  it("shows a part of examples/toolkit.ts", () => {
    const [block, ...others] = blocks("docs/guide-models.md", "ts")
    assert.deepStrictEqual(others, [])
    assert.include(read("examples/toolkit.ts"), block ?? "nothing is shown")
  })
})

describe("docs/cluster.md", () => {
  it("shows examples", () => {
    assert.deepStrictEqual(
      blocks("docs/cluster.md", "ts"),
      ["host.ts", "client.ts"].map((name) => read(`examples/cluster/${name}`))
    )
  })
})

const hasPython = spawnSync("python3", ["--version"]).status === 0

describe("docs/guide-languages.md", () => {
  it("shows examples/client.py", () => {
    assert.deepStrictEqual(blocks("docs/guide-languages.md", "python"), [read("examples/client.py")])
  })

  it.skipIf(!hasPython)("shows what that prints", async () => {
    const { stdout } = await promisify(execFile)("python3", [
      join(root, "examples/client.py"),
      process.execPath,
      join(root, "bin/code-mode-host.js")
    ])
    assert.strictEqual(blocks("docs/guide-languages.md", "console")[0]?.split("\n").slice(2).join("\n"), stdout)
  })
})

describe("docs/semantics.md", () => {
  const rows = Array.from(
    read("docs/semantics.md").matchAll(/^\| (\w+) +\| ([^|]*?) +\| (\w+) +\|$/gm),
    ([, from = "", input = "", to = ""]): Phases.Transition => ({ from, input, to })
  )

  it("has all that leads from one phase to another, and nothing else", () => {
    assert.isAbove(rows.length, 20)
    assert.deepStrictEqual(
      rows.filter(({ from }) => from !== "from" && from !== "phase"),
      Phases.transitions(CellPhase)
    )
  })

  it("shows them in its picture", () => {
    assert.strictEqual(read("docs/images/phases.svg"), Phases.picture(CellPhase), "npm run pictures makes it again")
  })
})

describe("docs/mcp-server.md", () => {
  it("shows examples/mcp-server.ts", () => {
    assert.deepStrictEqual(blocks("docs/mcp-server.md", "ts"), [read("examples/mcp-server.ts")])
  })
})

describe("docs/inspector.md", () => {
  it("shows examples/inspected.ts", () => {
    assert.deepStrictEqual(blocks("docs/inspector.md", "ts"), [read("examples/inspected.ts")])
  })
})

describe("docs/testing.md", () => {
  it("shows examples/testing.test.ts", () => {
    assert.deepStrictEqual(blocks("docs/testing.md", "ts"), [read("examples/testing.test.ts")])
  })
})

/** What GitHub makes of a heading. */
const anchor = (heading: string) => heading.toLowerCase().replace(/[^\w\s-]/g, "").replace(/\s/g, "-")

const links = (page: string) =>
  Array.from(read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g), ([, path = "", place]) => ({
    page,
    path: path === "" ? page : relative(root, join(root, dirname(page), path)),
    place
  }))

describe("the pages", () => {
  const pages = globSync("{*.md,docs/*.md}", { cwd: root })

  it("have no dead link", () => {
    assert.include(pages, "README.md")
    const dead = pages.flatMap(links).filter(({ path, place }) =>
      !existsSync(join(root, path))
      || (place !== undefined
        && !Array.from(read(path).matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => anchor(heading)).includes(place))
    )
    assert.deepStrictEqual(dead, [])
  })

  it("are all in the list of README.md, which leads to nothing that is not in the package", () => {
    const paths = links("README.md").map(({ path }) => path)
    assert.includeMembers(paths, globSync("docs/*.md", { cwd: root }))
    const { files }: { readonly files: ReadonlyArray<string> } = JSON.parse(read("package.json"))
    assert.deepStrictEqual(paths.filter((path) => !files.includes(path.split("/")[0]!)), [])
  })
})
