/**
 * A model's source against the declarations of its tools, before it runs: mistakes with their places in that source, and
 * what to know to put them right.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Check from "../Check.ts"
import * as TypeScript from "../declarations/TypeScript.ts"
import type { CellError, ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import * as Places from "../text/Places.ts"
import * as Hints from "./Hints.ts"
import type { Candidate } from "./Repair.ts"

/** What checks, and how strictly. */
export interface Checker {
  readonly level: Check.Level
  readonly check: Check.Check["Service"]["check"]
}

/** Why a source is not run. */
export interface Mistaken {
  readonly error: CellError
  readonly hints: ReadonlyArray<string>
}

const maxShown = 10
const maxSignatures = 3
const maxSignature = 2000

/** What is said of a call that does not fit its tool. */
const ofArguments =
  /assignable|missing in type|missing the following|Object literal may only|Expected \d|No overload|did you mean tools\./

const lastCall = /\btools\s*\.\s*([\w$]{1,200})(?![^]*\btools\s*\.)/

/** How to call the tools whose calls do not fit. */
const signatures = (source: string, findings: ReadonlyArray<Check.Finding>, tools: ReadonlyArray<ToolDefinition>) => {
  const lines = Places.lines(source)
  const names = findings.filter(({ text }) => ofArguments.test(text)).map(({ location: { column, line }, text }) => {
    const before = [...lines.slice(Math.max(0, line - 21), line - 1), lines[line - 1]!.slice(0, column + 200)].join(
      "\n"
    )
    return /did you mean tools\.([\w$]+)/.exec(text)?.[1] ?? lastCall.exec(before)?.[1]
  })
  const wanted = new Set(names)
  const called = tools.filter(({ name }) => wanted.has(Identifier.fromName(name)))
  const all = called.map(TypeScript.signature).filter(({ length }) => length <= maxSignature).slice(0, maxSignatures)
  return all.length === 0 ? [] : [`How to call ${all.length === 1 ? "it" : "them"}:\n${all.join("\n")}`]
}

/** What there is instead of names that are not there. */
const missingNames = (findings: ReadonlyArray<Check.Finding>) =>
  new Set(findings.flatMap(({ text }) => {
    const name = /^Cannot find name '([\w$:]{1,40})'/.exec(text)?.[1]
    const hint = name === undefined ? undefined : Hints.ofMissingName(name.replace(/^node:/, ""))
    return hint === undefined ? [] : [hint]
  }))

/** The mistakes of a program, if it has any. What a repair has put there is none of the model's. */
export const check = Effect.fnUntraced(function*(
  { check, level }: Checker,
  { language, locate, program, source }: Candidate,
  { console, tools }: { readonly console: boolean; readonly tools: ReadonlyArray<ToolDefinition> }
): Effect.fn.Return<Mistaken | undefined, Check.CheckFailure> {
  const found = yield* check({ source: program, language, level, tools, console, variadicText: true })
  const findings = found.flatMap((finding): ReadonlyArray<Check.Finding> => {
    const location = locate(finding.location)
    return location === undefined ? [] : [{ ...finding, location }]
  })
  const first = findings[0]
  if (first === undefined) {
    return undefined
  }
  const path = Hints.fromPath(source, tools.map(({ name }) => Identifier.fromName(name)))
  const lines = findings.slice(0, maxShown).map(({ location: { column, line }, text }) =>
    `line ${line}, column ${column}: ${text}`
  )
  const more = findings.length - lines.length
  return {
    error: {
      _tag: "ScriptError",
      text: [
        "The source was checked, and does not fit its tools. Nothing of it has run.",
        ...lines,
        ...more === 0 ? [] : [`… and ${more} more`]
      ].join("\n"),
      location: first.location
    },
    hints: [
      ...path === undefined ? [] : [path],
      ...missingNames(findings),
      ...signatures(source, findings.slice(0, maxShown), tools)
    ]
  }
})

/** What is said of a cell whose source could not be checked: it has run all the same. */
export const unchecked = ({ message }: Check.CheckFailure): string =>
  `The source of this cell was not checked before it ran: ${message}.`
