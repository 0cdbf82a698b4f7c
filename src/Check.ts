/**
 * Cells are checked against the declarations of their tools before they run.
 *
 * **Details**
 *
 * The compiler of `typescript` 7 looks at a source as at a module with the session's tools and a cell's helpers. What it
 * finds is told with its place, and nothing has been called by then. Two levels say how much counts:
 *
 * - `names`: tools and helpers that are not there, arguments that are missing, misspelt or of the wrong type, and promises
 *   that nothing waits for. What a source does with results, and with its own values, is its own affair.
 * - `strict`: the types of results and of the source's own values besides, as TypeScript's `strict` has them.
 *
 * The package `typescript` is an optional peer: install version 7 to check. The compiler is a process of its own, which is
 * started by the first check and kept. One that gives no answer in time, takes too much memory or dies fails that one
 * check; the next one starts another. It is given the source and the declarations, and no other file of the machine.
 *
 * A check is help, and no guard: whatever a source says, its cell is confined in the same way.
 *
 * **Example** (Code mode that checks what a model writes)
 *
 * ```ts
 * import * as Check from "effect-code-mode/Check"
 * import * as CodeMode from "effect-code-mode/CodeMode"
 * import * as Layer from "effect/Layer"
 *
 * const layer = CodeMode.layer({ check: "names" }).pipe(Layer.provide(Check.layer()))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as Ambient from "./check/Ambient.ts"
import * as Compiler from "./check/Compiler.ts"
import * as Findings from "./check/Findings.ts"
import * as Confinement from "./isolate/Confinement.ts"
import type { ToolDefinition } from "./Protocol.ts"
import * as Identifier from "./text/Identifier.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * How strictly to look.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Level = Schema.Literals(["names", "strict"])

/**
 * @category schemas
 * @since 0.1.0
 */
export type Level = typeof Level.Type

/**
 * A mistake in a source: what is wrong, and where. Lines and columns begin at 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding extends Findings.Finding {}

/**
 * A source, and what its cell finds.
 *
 * **Details**
 *
 * `console` and `variadicText` say what a host puts in front of the source: a `console`, and a `text` that takes several
 * values. A cell has neither by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request extends Partial<Ambient.Globals> {
  readonly source: string
  readonly language?: "javascript" | "typescript" | undefined
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly level: Level
}

/**
 * The compiler of `typescript` 7 is not there.
 *
 * @category errors
 * @since 0.1.0
 */
export class CompilerMissing extends Schema.TaggedError<CompilerMissing>("effect-code-mode/CompilerMissing")(
  "CompilerMissing",
  { message: Schema.String }
) {}

/**
 * A source could not be checked: the compiler gave no answer. That says nothing of the source; it may run unchecked.
 *
 * @category errors
 * @since 0.1.0
 */
export class CheckFailure extends Schema.TaggedError<CheckFailure>("effect-code-mode/CheckFailure")("CheckFailure", {
  message: Schema.String
}) {}

/**
 * Checks sources: gives their mistakes, the first 20 of them, in the order in which they stand. One that cannot be read as JavaScript or
 * TypeScript has none here; the engine says what is wrong with it.
 *
 * @category services
 * @since 0.1.0
 */
export class Check extends Context.Service<Check, {
  readonly check: (request: Request) => Effect.Effect<ReadonlyArray<Finding>, CheckFailure>
}>()("effect-code-mode/Check") {}

// =============================================================================
// Constructors
// =============================================================================

/**
 * @category constructors
 * @since 0.1.0
 */
export interface Options {
  /** How long the compiler may look at a source: 2 seconds, unless given. A number is milliseconds. */
  readonly timeout?: Duration.Input | undefined
  /** How much memory it may take: 768 MiB, unless given. It is looked at on Linux. */
  readonly maxMemoryBytes?: number | undefined
  /** The compiler's executable. Unless given, it is that of the package `typescript` that is installed beside this one. */
  readonly executable?: string | undefined
}

/** How long a compiler may take to be there, and to read declarations. */
const startTimeout = Duration.seconds(10)

const defaultMemoryBytes = 768 * 1024 * 1024

const install = "install it with `npm install typescript@7`"

const missing = (why: string) => new CompilerMissing({ message: `cells cannot be checked: ${why}` })

/** The executable of the installed package. */
const findExecutable = Effect.gen(function*() {
  const { arch, platform } = process
  const here = createRequire(import.meta.url)
  const manifest = yield* Effect.try({
    try: () => here.resolve("typescript/package.json"),
    catch: () => missing(`there is no package typescript; ${install}`)
  })
  const { version } = here(manifest) as { readonly version: string }
  if (!version.startsWith("7.")) {
    return yield* missing(`the package typescript is version ${version}, and not 7; ${install}`)
  }
  const native = `@typescript/typescript-${platform}-${arch}`
  const there = yield* Effect.try({
    try: () => createRequire(manifest).resolve(`${native}/package.json`),
    catch: () => missing(`typescript ${version} has no ${native} beside it; ${install}, with its optional dependencies`)
  })
  return join(dirname(there), "lib", platform === "win32" ? "tsc.exe" : "tsc")
})

const Snapshot = Schema.Struct({ snapshot: Schema.Int })

const decodeSnapshot = Schema.decodeUnknownEffect(Snapshot)
const decodeDiagnostics = Schema.decodeUnknownEffect(Findings.Diagnostics)

const cellFiles = { javascript: `${Compiler.folder}/cell.js`, typescript: `${Compiler.folder}/cell.ts` } as const

type Project = Level | "open"

const configOf = (project: Project) => `${Compiler.folder}/${project}.json`
const declarationsOf = (project: Project) => `${Compiler.folder}/${project}.d.ts`

/** A compiler with the projects that it has opened so far. */
interface Running {
  readonly compiler: Compiler.Compiler
  readonly scope: Scope.Closeable
  readonly files: Map<string, string>
  readonly opened: Set<Project>
  snapshot: number | undefined
}

/** `/**` begins a comment that says types, which are those of no JavaScript. */
const withoutTypeComments = (source: string) => source.replace(/\/\*\*(?!\/)/g, "/* ")

/**
 * Checks with a compiler that is started when it is needed, and that ends with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Check["Service"], CompilerMissing, Scope.Scope> {
  const executable = options.executable ?? (yield* findExecutable)
  if (!existsSync(executable)) {
    return yield* missing(`there is no file ${executable}`)
  }
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "2 seconds")
  const maxMemoryBytes = options.maxMemoryBytes ?? defaultMemoryBytes
  const scope = yield* Effect.scope
  const one = Semaphore.withPermit(yield* Semaphore.make(1))
  let running: Running | undefined
  let confinement: Confinement.Confinement | undefined

  const start = Effect.gen(function*() {
    const files = new Map(Object.values(cellFiles).map((path): [string, string] => [path, ""]))
    const own = yield* Scope.fork(scope)
    confinement ??= Confinement.make(Confinement.findSetpriv([executable]), undefined)
    const compiler = yield* Compiler.start(executable, files, maxMemoryBytes, confinement).pipe(Scope.provide(own))
    running = { compiler, scope: own, files, opened: new Set(), snapshot: undefined }
    return running
  }).pipe(
    Effect.uninterruptible,
    Effect.tap(({ compiler }) => compiler.request("initialize", null))
  )

  /** What was asked of it last may still keep it busy. */
  const end = Effect.suspend(() => {
    const old = running
    running = undefined
    return old === undefined ? Effect.void : Effect.andThen(old.compiler.kill, Scope.close(old.scope, Exit.void))
  })

  const declare = memoize((tools: ReadonlyArray<ToolDefinition>) => {
    const made = new Map<string, string>()
    return (level: Level, globals: Ambient.Globals): string => {
      const key = JSON.stringify([level, globals])
      const text = made.get(key) ?? Ambient.declarations(level, tools, globals)
      made.set(key, text)
      return text
    }
  })

  /** Gives the compiler other files, and projects that it has not opened yet. */
  const update = Effect.fnUntraced(function*(
    state: Running,
    next: ReadonlyArray<readonly [path: string, text: string]>,
    projects: ReadonlyArray<Project>
  ) {
    const changed = next.flatMap(([path, text]) => {
      const isSame = state.files.get(path) === text
      state.files.set(path, text)
      return isSame ? [] : [path]
    })
    const fresh = projects.filter((project) => !state.opened.has(project))
    if (changed.length + fresh.length === 0) {
      return
    }
    const { compiler, snapshot: old } = state
    const { snapshot } = yield* Effect.flatMap(
      compiler.request("updateSnapshot", { openProjects: fresh.map(configOf), fileChanges: { changed } }),
      decodeSnapshot
    )
    state.snapshot = snapshot
    fresh.forEach((project) => state.opened.add(project))
    if (old !== undefined) {
      compiler.tell("release", { snapshot: old })
    }
  })

  const diagnosticsOf = (
    { compiler, snapshot }: Running,
    kind: "Syntactic" | "Semantic",
    project: Project,
    file: string
  ) =>
    compiler.request(`get${kind}Diagnostics`, { snapshot: snapshot!, project: configOf(project), file }).pipe(
      Effect.flatMap(decodeDiagnostics),
      Effect.map((diagnostics) => diagnostics ?? [])
    )

  const projectsOf = (level: Level): readonly [Project, ...ReadonlyArray<Project>] =>
    level === "names" ? ["names", "open"] : ["strict"]

  const within = (limit: Duration.Duration) =>
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail({ message: `it gave no answer within ${Duration.format(limit)}` })
    })

  /** A compiler that knows what the cell finds, but not its source. */
  const prepare = Effect.fnUntraced(function*({ console = false, level, tools, variadicText = false }: Request) {
    const state = running ?? (yield* start)
    const projects = projectsOf(level)
    yield* update(state, [
      ...projects.map((project) =>
        [
          configOf(project),
          Ambient.project(project === "open" ? "names" : project, declarationsOf(project), Object.values(cellFiles))
        ] as const
      ),
      [declarationsOf("open"), Ambient.open],
      [declarationsOf(level), declare(tools)(level, { console, variadicText })]
    ], projects)
    return state
  }, within(startTimeout))

  const look = Effect.fnUntraced(
    function*(state: Running, { language = "javascript", level, source, tools }: Request) {
      const file = cellFiles[language]
      const read = language === "javascript" ? withoutTypeComments(source) : source
      yield* update(state, Object.values(cellFiles).map((path) => [path, path === file ? read : ""] as const), [])
      const [syntax, [found = [], open = []]] = yield* Effect.all([
        diagnosticsOf(state, "Syntactic", projectsOf(level)[0], file),
        Effect.forEach(projectsOf(level), (project) => diagnosticsOf(state, "Semantic", project, file), {
          concurrency: "unbounded"
        })
      ], { concurrency: "unbounded" })
      return syntax.length > 0
        ? []
        : Findings.make({ source, level, found, open, tools: tools.map(({ name }) => Identifier.fromName(name)) })
    },
    (effect, state) => Effect.raceFirst(effect, state.compiler.withinMemory),
    within(timeout)
  )

  const check = Effect.fn("Check.check")(
    function*(request: Request) {
      return yield* look(yield* prepare(request), request)
    },
    Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : end),
    one,
    // Others may be looked at before.
    within(Duration.times(startTimeout, 2)),
    Effect.mapError(({ message }) => new CheckFailure({ message: `the compiler failed: ${message}` }))
  )

  return Check.of({ check })
})

// =============================================================================
// Layers
// =============================================================================

/**
 * Checks with the compiler of the package `typescript` that is installed. It fails where there is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Check, CompilerMissing> => Layer.effect(Check, make(options))
