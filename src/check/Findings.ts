/**
 * What the compiler has to say of a cell: which of it counts, and in which words.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as Suggestion from "../declarations/Suggestion.ts"
import type { Location } from "../Protocol.ts"
import * as Cut from "../text/Cut.ts"
import * as Places from "../text/Places.ts"
import * as Ambient from "./Ambient.ts"
import * as Unawaited from "./Unawaited.ts"

/** A mistake in a source. */
export interface Finding {
  readonly text: string
  readonly location: Location
}

// =============================================================================
// What the compiler says
// =============================================================================

interface Diagnostic {
  readonly code: number
  readonly pos: number
  readonly end: number
  readonly text: string
  readonly messageChain?: ReadonlyArray<Diagnostic>
}

const Diagnostic = Schema.Struct({
  code: Schema.Int,
  pos: Schema.Int,
  end: Schema.Int,
  text: Schema.String,
  messageChain: Schema.optionalKey(
    Schema.Array(Schema.suspend((): Schema.Codec<Diagnostic> => Diagnostic))
  )
})

/** An answer of the compiler. */
export const Diagnostics = Schema.NullOr(Schema.Array(Diagnostic))
export type Diagnostics = typeof Diagnostics.Type

/** A name that is declared nowhere. The compiler has several errors for it: some guess what would have to be installed. */
const unknownNames = new Set([2304, 2503, 2552, 2580, 2581, 2582, 2583, 2584, 2591, 2592, 2593, 2868, 18004])

/** That `new Promise((resolve) => … resolve())` should say what it is a promise of. */
const promiseHints = new Set([2794, 2810])

/**
 * Whether something is a mistake of types. Errors of syntax (1xxx) are the engine's, who knows what it runs; that something
 * is implicitly `any` (7xxx) is none, and neither is a member that was put into an empty object.
 */
const counts = ({ code, text }: Diagnostic) =>
  (code >= 2000 && code < 7000 || code >= 18_000 && code < 19_000) && !promiseHints.has(code) &&
  !text.endsWith(" on type '{}'.")

/** The name that is declared nowhere, if that is the mistake. */
const unknownName = ({ code, text }: Diagnostic): string | undefined =>
  unknownNames.has(code) ? /'([^']+)'/.exec(text)?.[1] : undefined

/** Names that a source itself looks for, or puts there. */
const namesLookedFor = (source: string): ReadonlySet<string> =>
  new Set(Array.from(source.matchAll(/\b(?:typeof\s*\(?\s*|globalThis\.)([\w$]{1,100})/g), ([, name]) => name!))

/** What counts at a level. `open` is what is found where nothing is known of the tools. */
const select = (
  source: string,
  level: Ambient.Level,
  found: ReadonlyArray<Diagnostic>,
  open: ReadonlyArray<Diagnostic>
) => {
  const keyOf = ({ code, pos }: Diagnostic) => `${code} ${pos}`
  const own = new Set(open.map(keyOf))
  const known = namesLookedFor(source)
  return found.filter((each) => {
    const name = unknownName(each)
    return counts(each) &&
      (name !== undefined ? !known.has(name) : level === "strict" || !own.has(keyOf(each)))
  })
}

// =============================================================================
// In which words
// =============================================================================

const maxText = 600

const lines = ({ messageChain = [], text }: Diagnostic): ReadonlyArray<string> => [
  text,
  ...messageChain.flatMap(lines).map((line) => `  ${line}`)
]

/** So many tools are named where one is not there. */
const maxNames = 12

const awaitIt = "this is a promise, or a list of promises: await it first, several with Promise.all"

const noTool = new RegExp(
  `^Property '(.*)' does not exist on type '${Ambient.toolsType}'\\.(?: Did you mean '(.*)'\\?)?$`
)

const wordsOf = (diagnostic: Diagnostic, tools: ReadonlyArray<string>): string => {
  const all = lines(diagnostic)
  if (all.some((line) => line.includes(Ambient.promiseType))) {
    return awaitIt
  }
  const [, tool, meant] = noTool.exec(diagnostic.text) ?? []
  if (tool !== undefined) {
    const name = meant ?? tools.find((name) => name.endsWith(`__${tool}`)) ?? Suggestion.nearest(tool, tools)
    return `there is no tool ${tool}${
      name !== undefined
        ? `: did you mean tools.${name}?`
        : tools.length > 0 && tools.length <= maxNames
        ? `; there are ${tools.join(", ")}`
        : ""
    }`
  }
  const text = all.join("\n").replace(/\. (?:Do you need to|Try ).*/, ".").replace(
    /( on type 'Promise<.*>')\.$/,
    "$1: await it first."
  )
  return Cut.marked(text, maxText)
}

const notAwaited = "nothing waits for this call: put await before it"

// =============================================================================
// Findings
// =============================================================================

/** So many mistakes are told. */
const maxFindings = 20

/** The first mistakes of a source, from its beginning on. */
export const make = (options: {
  readonly source: string
  readonly level: Ambient.Level
  readonly found: ReadonlyArray<Diagnostic>
  readonly open: ReadonlyArray<Diagnostic>
  /** What a cell calls its tools. */
  readonly tools: ReadonlyArray<string>
}): ReadonlyArray<Finding> => {
  const { found, level, open, source, tools } = options
  const starts = Places.starts(source)
  const mistakes = [
    ...select(source, level, found, open).map((each) => ({ at: each.pos, words: () => wordsOf(each, tools) })),
    ...Unawaited.find(source).map((at) => ({ at, words: () => notAwaited }))
  ]
  return mistakes.toSorted((a, b) => a.at - b.at).slice(0, maxFindings).map(({ at, words }) => ({
    text: words(),
    location: Places.at(starts, at)
  }))
}
