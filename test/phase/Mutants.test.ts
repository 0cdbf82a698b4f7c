/**
 * Shows that the laws bite: each of these one-line changes to the machine breaks one of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterAll } from "vitest"
import { continuing, explore, type Machine, pausable } from "./Laws.ts"

const source = new URL("../../src/session/CellPhase.ts", import.meta.url)
const original = readFileSync(source, "utf8")
const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-mutants-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** Name, the text that stands in the machine exactly once, and what takes its place. */
const mutants: ReadonlyArray<readonly [name: string, from: string, to: string]> = [
  [
    "commits after the outcome is known",
    `[{ _tag: "Commit" }, { _tag: "Settle", ending }]`,
    `[{ _tag: "Settle", ending }, { _tag: "Commit" }]`
  ],
  [
    "never commits",
    `settle(state, ending, [{ _tag: "Commit" }, { _tag: "Settle", ending }])`,
    `settle(state, ending, [{ _tag: "Settle", ending }])`
  ],
  [
    "commits a terminated cell",
    `settle(state, { _tag: "Terminated" }, [{`,
    `settle(state, { _tag: "Terminated" }, [{ _tag: "Commit" }, {`
  ],
  [
    "completes a cell that is terminating",
    `return state.phase === "Running" && state.ending !== undefined`,
    `return state.phase !== "Gone" && state.ending !== undefined`
  ],
  [
    "keeps the ending of a cell that is terminated while it drains",
    `phase: "Terminating", ending: undefined, terminator: true`,
    `phase: "Running", terminator: true`
  ],
  [
    "settles a running cell as terminated",
    `return state.phase === "Terminating"\n        ? settle`,
    `return state.phase !== "Gone"\n        ? settle`
  ],
  [
    "accepts a second terminate",
    `        case "Terminating":\n        case "Claimed":\n          return [state, refuse("AlreadyTerminating")]`,
    `        case "Terminating":\n          return [{ ...state, terminator: true }, none]\n        case "Claimed":\n          return [state, refuse("AlreadyTerminating")]`
  ],
  [
    "lets a terminate win over a buffered completion",
    `return claim(state, state.ending!, "terminator")`,
    `return claim(state, { _tag: "Terminated" }, "terminator")`
  ],
  ["lets a second observer in", `if (state.observer !== "none") {`, `if (state.observer === "frontier") {`],
  [
    "forgets that the observer has been told",
    `{ ...state, observer: "none", items: Outbox.empty },`,
    `{ ...state, items: Outbox.empty },`
  ],
  [
    "gives yielded output again",
    `{ ...state, observer: "none", items: Outbox.empty },`,
    `{ ...state, observer: "none" },`
  ],
  [
    "drops output at an early yield",
    `? [{ ...state, boundary: { items: state.items }, items: Outbox.empty }, none]`,
    `? [{ ...state, boundary: { items: Outbox.empty }, items: Outbox.empty }, none]`
  ],
  ["gives the early output twice", `{ ...observed, boundary: undefined },`, `observed,`],
  [
    "drops the early output at the end",
    `Outbox.concat(Outbox.concat(state.boundary?.items, paused), state.items)`,
    `Outbox.concat(paused, state.items)`
  ],
  [
    "swaps the order of output",
    `Outbox.concat(Outbox.concat(state.boundary?.items, paused), state.items)`,
    `Outbox.concat(state.items, Outbox.concat(state.boundary?.items, paused))`
  ],
  [
    "loses an outcome that nobody heard",
    `return state.phase === "Claimed" ? keep(state, none) : [state, none]`,
    `return state.phase === "Claimed" ? [{ ...state, phase: "Gone" }, none] : [state, none]`
  ],
  [
    "loses a yield that nobody heard",
    `return [{ ...state, items: Outbox.concat(what.items, state.items) }, none]`,
    `return [state, none]`
  ],
  [
    "puts a yield that nobody heard behind newer output",
    `Outbox.concat(what.items, state.items)`,
    `Outbox.concat(state.items, what.items)`
  ],
  [
    "never closes a cell whose outcome was heard",
    `terminator: false }, [{ _tag: "Close" }]]\n        : [state, none]`,
    `terminator: false }, none]\n        : [state, none]`
  ],
  [
    "tells an outcome again",
    `return state.phase === "Claimed" || state.phase === "Buffered"\n        ? [{ ...state, phase: "Gone"`,
    `return state.phase === "Claimed" || state.phase === "Buffered"\n        ? [{ ...state, phase: "Buffered"`
  ],
  [
    "closes at shutdown what has no outcome",
    `return [{ ...state, phase: "Terminating", ending: undefined, sessionOver: true }, [{ _tag: "Cancel" }]]`,
    `return [{ ...state, phase: "Gone" }, [{ _tag: "Close" }]]`
  ],
  [
    "takes output after the end",
    `return state.phase === "Running" && state.ending === undefined\n        ? [{ ...state, items`,
    `return state.phase !== "Gone"\n        ? [{ ...state, items`
  ],
  [
    "gives a read frontier's output again",
    `state.pause === undefined || state.pause.heard ? Outbox.empty : state.pause.items`,
    `state.pause === undefined ? Outbox.empty : state.pause.items`
  ],
  [
    "drops an unread frontier's output at resume",
    `state.pause.heard ? state.items : Outbox.concat(state.pause.items, state.items)`,
    `state.items`
  ],
  [
    "resumes twice",
    `return [{ ...state, items, pause: undefined }, [{ _tag: "Continue" }]]`,
    `return [{ ...state, items }, [{ _tag: "Continue" }]]`
  ],
  ["takes back a frontier that was read before", `return what.first && state.pause`, `return state.pause`],
  [
    "counts generations from the same number",
    `lastGeneration: pause.generation`,
    `lastGeneration: state.lastGeneration`
  ]
]

const build = async (index: number, text: string): Promise<Machine> => {
  const outbox = fileURLToPath(new URL("./Outbox.ts", source))
  const file = join(folder, `mutant-${index}.mjs`)
  writeFileSync(file, stripTypeScriptTypes(text.replace("./Outbox.ts", pathToFileURL(outbox).href)))
  return import(/* @vite-ignore */ pathToFileURL(file).href)
}

const holdsLaws = (machine: Machine) => {
  explore(machine, continuing, 7)
  explore(machine, pausable, 7)
}

describe("a changed machine breaks a law", () => {
  it("and the machine as it is does not", async () => {
    holdsLaws(await build(-1, original))
  })

  it.each(mutants.map(([name, from, to], index) => ({ name, from, to, index })))(
    "$name",
    async ({ from, index, to }) => {
      assert.lengthOf(original.split(from), 2, "the mutated text stands in the machine exactly once")
      const mutant = await build(index, original.replace(from, () => to))
      assert.throws(() => holdsLaws(mutant))
    }
  )
})
