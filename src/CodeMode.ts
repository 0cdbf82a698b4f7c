/**
 * `exec` and `wait`: a session as a model uses it.
 *
 * **Details**
 *
 * `exec` runs a source as a cell and gives its output. A cell that takes longer goes on, and `wait` gives the rest. Replies
 * are made for a model: they begin with a status, are cut to a budget of tokens, and say in a line what to do about
 * mistakes that models make. A cell that did not end well lists the calls whose effects are there already.
 *
 * Sources are repaired where it is clear what was meant: one in a Markdown fence, a bare function, `export default`, a
 * `return` at the top level, a call of an own function that nothing waits for, types, `console.log`. A tool that fails
 * rejects with an `Error`, whose `message` and whose text are those of the failure. With the option `check`, a source that
 * does not fit its tools is not run; the model is told what is wrong, and where.
 *
 * **Example** (A model with a session)
 *
 * ```ts
 * import * as CodeMode from "effect-code-mode/CodeMode"
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as V8 from "effect-code-mode/V8"
 * import * as LanguageModel from "effect/ai/LanguageModel"
 * import * as Layer from "effect/Layer"
 *
 * const layer = CodeMode.layer().pipe(
 *   Layer.provide(Runtime.layer()),
 *   Layer.provide([Delegate.layerNoop, V8.layer()])
 * )
 *
 * const program = LanguageModel.generateText({ prompt: "What is 6 * 7?", toolkit: CodeMode.toolkit })
 * ```
 *
 * @since 0.1.0
 */
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import { memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Check from "./Check.ts"
import { Callers } from "./Delegate.ts"
import type * as Checked from "./model/Checked.ts"
import * as Instructions from "./model/Instructions.ts"
import * as Parts from "./model/Parts.ts"
import * as Reply from "./model/Reply.ts"
import * as Turn from "./model/Turn.ts"
import { CellId, OutputItem, type ToolDefinition } from "./Protocol.ts"
import * as Runtime from "./Runtime.ts"
import * as Truncation from "./Truncation.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * What a model gets.
 *
 * **Details**
 *
 * - `status`: what the cell does, or how it ended. A cell that could never go on has `Failed`, as has one that is not
 *   there. `Refused`: there is no cell, and `items` say why.
 * - `success`: whether nothing went wrong. A cell that goes on or was stopped is no failure.
 * - `cellId`: the cell to wait for, where it is `Running`.
 * - `items`: what the model gets. The first is the status in words, then comes the output, and last what to do.
 * - `error`, `ledger`, `awaitingApproval`: for the program around the model, why the cell failed, what became of its tool
 *   calls, and which of them wait until a person agrees.
 *
 * @category models
 * @since 0.1.0
 */
export interface Output extends Reply.Reply {}

/**
 * @category models
 * @since 0.1.0
 */
export interface ExecRequest extends Turn.ExecRequest {}

/**
 * @category models
 * @since 0.1.0
 */
export interface WaitRequest extends Turn.WaitRequest {}

/**
 * A session as a model uses it.
 *
 * **Details**
 *
 * - `exec`: runs a cell. One whose caller is interrupted before it has the cell's id is terminated, as no `wait` could
 *   name it.
 * - `wait`: gives what a cell has put out since then. Interrupting it takes nothing away.
 * - `descriptions`: what a model is told of both, for the tools and bounds that there are now.
 *
 * @category services
 * @since 0.1.0
 */
export class CodeMode extends Context.Service<CodeMode, {
  readonly exec: (request: ExecRequest) => Effect.Effect<Output>
  readonly wait: (request: WaitRequest) => Effect.Effect<Output>
  readonly descriptions: Effect.Effect<{ readonly exec: string; readonly wait: string }>
}>()("effect-code-mode/CodeMode") {}

// =============================================================================
// Constructors
// =============================================================================

/**
 * How a model's session differs from a default one.
 *
 * @category constructors
 * @since 0.1.0
 */
export interface Options {
  /** How long `exec` waits for a cell: 10 seconds, unless given. A number is milliseconds. */
  readonly yieldTime?: Duration.Input | undefined
  /** The longest that an `exec` or a `wait` takes: 10 minutes, unless given. A number is milliseconds. */
  readonly maxWait?: Duration.Input | undefined
  /** The budget of a reply, in tokens of four bytes: 10,000, unless given. */
  readonly maxOutputTokens?: number | undefined
  /**
   * How many characters of declarations there may be: 40,000, unless given. Where there are more, tools are listed by
   * name. What servers tell of their tools is left out where it does not fit besides.
   */
  readonly maxDeclarations?: number | undefined
  /** Tools that are not told of. Cells can call them, and have to look for them first. */
  readonly deferred?: ((tool: ToolDefinition) => boolean) | undefined
  /** `text`, unless given: `console.log` and the like put out text. `none`: there is no `console`. */
  readonly console?: "text" | "none" | undefined
  /**
   * The language of sources: JavaScript, unless given. A source that is no JavaScript and looks like TypeScript is run as
   * TypeScript all the same.
   */
  readonly language?: "javascript" | "typescript" | undefined
}

/**
 * Options with which sources are checked against the declarations of their tools before they run.
 *
 * @category constructors
 * @since 0.1.0
 */
export interface CheckedOptions extends Options {
  /**
   * How strictly: see `Check`. `true` is `names`. A source with mistakes is not run, and fails as one with an error would.
   * Where the check itself fails, the cell runs, and the model is told that it was not checked.
   */
  readonly check: boolean | "off" | Check.Level | undefined
}

/**
 * What checks the sources of a session, and how strictly.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checker extends Checked.Checker {}

const defaultDeclarations = 40_000

/**
 * `exec` and `wait` over a session; with `check`, sources are checked before they run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  session: Runtime.SessionRuntime["Service"],
  options: Options = {},
  check?: Checker
): CodeMode["Service"] => {
  const yieldTime = Duration.fromInputUnsafe(options.yieldTime ?? "10 seconds")
  const maxWait = Duration.fromInputUnsafe(options.maxWait ?? "10 minutes")
  const maxOutputTokens = options.maxOutputTokens ?? Truncation.defaultBudget
  const maxDeclarations = options.maxDeclarations ?? defaultDeclarations
  const language = options.language ?? "javascript"
  const console = options.console !== "none"

  const catalogueOf = memoize((tools: ReadonlyArray<ToolDefinition>) => {
    const isDeferred = options.deferred ?? (() => false)
    return { tools, shown: tools.filter((tool) => !isDeferred(tool)) }
  })
  /** What a cell may call. Where nothing says how to call a tool that is not declared, the list of tools does. */
  const toolsOf = memoize((all: ReadonlyArray<ToolDefinition>) => {
    const { shown, tools } = catalogueOf(all)
    const isComplete = shown.length === tools.length &&
      Instructions.declarations({ shown, maxDeclarations }) !== undefined
    return isComplete || Instructions.findersIn(tools) !== undefined
      ? tools
      : tools.map((tool) => ({ ...tool, description: Instructions.withSignature(tool) }))
  })

  const turn = Turn.make(session, {
    yieldTime,
    maxWait,
    maxOutputTokens,
    language,
    console,
    tools: Effect.map(session.tools, toolsOf),
    check
  })

  const descriptions = Effect.gen(function*() {
    const facts: Instructions.Facts = {
      ...catalogueOf(yield* session.tools),
      instructions: yield* session.instructions,
      limits: session.limits,
      yieldTime,
      maxWait,
      maxOutputTokens,
      maxDeclarations,
      language,
      console,
      isChecked: check !== undefined
    }
    return { exec: Instructions.ofExec(facts), wait: Instructions.ofWait(facts) }
  })

  return CodeMode.of({ ...turn, descriptions })
}

// =============================================================================
// Tools of a model
// =============================================================================

/**
 * What a tool of `toolkit` gives to the program around the model.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ToolResult = Schema.Struct({
  status: Reply.Status,
  success: Schema.Boolean,
  cellId: Schema.UndefinedOr(CellId),
  items: Schema.Array(OutputItem)
})

/**
 * @category schemas
 * @since 0.1.0
 */
export type ToolResult = typeof ToolResult.Type

const toModelOutput = ({ items }: ToolResult) => Parts.fromItems(items)

const execTool = (description: string) =>
  Tool.make("exec", {
    description,
    parameters: Schema.Struct({
      source: Schema.String.annotate({ description: "The source of the cell, as it is" })
    }),
    success: ToolResult,
    // The model is told of arguments that do not fit.
    failureMode: "return",
    toModelOutput
  })

const count = (description: string) =>
  Schema.optionalKey(Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))).annotate({ description }))

const waitTool = (description: string) =>
  Tool.make("wait", {
    description,
    parameters: Schema.Struct({
      cell_id: Schema.String.annotate({ description: "The cell that runs" }),
      yield_time_ms: count("How long to wait, in milliseconds"),
      max_tokens: count("How much output to see, in tokens"),
      terminate: Schema.optionalKey(Schema.NullOr(Schema.Boolean).annotate({ description: "Ends the cell" }))
    }),
    success: ToolResult,
    failureMode: "return",
    toModelOutput
  })

/**
 * The tool `exec`.
 *
 * @category models
 * @since 0.1.0
 */
export const Exec = execTool(Instructions.briefExec)

/**
 * The tool `wait`.
 *
 * @category models
 * @since 0.1.0
 */
export const Wait = waitTool(Instructions.briefWait)

/**
 * What the model asks for with `wait`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toWaitRequest = (
  { cell_id, max_tokens, terminate, yield_time_ms }: Tool.Parameters<typeof Wait>
): WaitRequest => ({
  cellId: cell_id,
  maxTokens: max_tokens ?? undefined,
  terminate: terminate ?? undefined,
  yieldTime: yield_time_ms ?? undefined
})

type Tools = { readonly exec: typeof Exec; readonly wait: typeof Wait }

/**
 * The same toolkit, with descriptions of `exec` and `wait` that are made when it is used: for the tools and bounds that
 * there are then. One that was merged from `toolkit` and others needs this.
 *
 * **Example** (A tool beside code mode)
 *
 * ```ts
 * import * as CodeMode from "effect-code-mode/CodeMode"
 * import * as Tool from "effect/ai/Tool"
 * import * as Toolkit from "effect/ai/Toolkit"
 * import * as Schema from "effect/Schema"
 *
 * const Ask = Tool.make("ask", { parameters: Schema.Struct({ question: Schema.String }), success: Schema.String })
 *
 * const toolkit = CodeMode.described(Toolkit.merge(CodeMode.toolkit, Toolkit.make(Ask)))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const described = <All extends Tools>(self: Toolkit.Toolkit<All>): Toolkit.Toolkit<All> => {
  const withDescriptions = ({ exec, wait }: { readonly exec: string; readonly wait: string }) => {
    const tools = { ...self.tools, exec: execTool(exec), wait: waitTool(wait) }
    return Toolkit.make(...Object.values(tools)) as unknown as Toolkit.Toolkit<All>
  }
  return Object.assign(function() {}, {
    ...self,
    ...Effectable.Prototype<Toolkit.Toolkit<All>>({
      label: "CodeMode.toolkit",
      evaluate: (fiber) =>
        Option.match(Context.getOption(fiber.context, CodeMode), {
          onNone: () => Toolkit.make(...Object.values(self.tools)) as unknown as Toolkit.Toolkit<All>,
          onSome: ({ descriptions }) => Effect.flatMap(descriptions, withDescriptions)
        })
    })
  }) as unknown as Toolkit.Toolkit<All>
}

/**
 * `exec` and `wait`, for `LanguageModel.generateText` and the like. Its descriptions are those of the moment in which it
 * is used.
 *
 * **Details**
 *
 * The model gets text, images and recordings as parts of their own (`modelOutput` of a tool's result). A provider that
 * does not know these sends the `ToolResult` as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export const toolkit: Toolkit.Toolkit<Tools> = described(Toolkit.make(Exec, Wait))

/**
 * `exec` and `wait`, and beside them the tools of a toolkit that the model may call itself: all but those that are
 * annotated `Delegate.Callers` as `cells`.
 *
 * **Example** (One toolkit, some tools of which only the model calls)
 *
 * ```ts
 * import * as CodeMode from "effect-code-mode/CodeMode"
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Tool from "effect/ai/Tool"
 * import * as Toolkit from "effect/ai/Toolkit"
 * import * as Schema from "effect/Schema"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("ask", { parameters: Schema.Struct({ question: Schema.String }), success: Schema.String })
 *     .annotate(Delegate.Callers, "model"),
 *   Tool.make("rows", { success: Schema.Array(Schema.Json) })
 *     .annotate(Delegate.Callers, "cells")
 * )
 *
 * // What the model is given, and what cells call.
 * const toolkit = CodeMode.withTools(Tools)
 * const delegate = Delegate.layerToolkit(Tools)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTools = <Own extends Record<string, Tool.Any>>(
  own: Toolkit.Toolkit<Own>
): Toolkit.Toolkit<Tools & Own> => {
  const direct = Object.values(own.tools).filter(({ annotations }) => Context.get(annotations, Callers) !== "cells")
  return described(Toolkit.make(Exec, Wait, ...direct) as unknown as Toolkit.Toolkit<Tools & Own>)
}

// =============================================================================
// Layers
// =============================================================================

const handlers = Effect.map(CodeMode, (codeMode) =>
  toolkit.of({
    exec: ({ source }, { toolCallId }) => codeMode.exec({ source, callId: toolCallId }),
    wait: (parameters) => codeMode.wait(toWaitRequest(parameters))
  }))

const levelOf = ({ check = false }: Partial<CheckedOptions>): Check.Level | undefined =>
  check === "off" || check === false ? undefined : check === true ? "names" : check

type Given = CodeMode | Tool.HandlersFor<Tools>

/**
 * `exec` and `wait` over the session that it is given, and the handlers of `toolkit`. With the option `check`, over a
 * `Check`, too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  (options: CheckedOptions): Layer.Layer<Given, never, Runtime.SessionRuntime | Check.Check>
  (options?: Options): Layer.Layer<Given, never, Runtime.SessionRuntime>
} = (options: Partial<CheckedOptions> = {}): Layer.Layer<Given, never, any> =>
  Layer.provideMerge(
    toolkit.toLayer(handlers),
    Layer.effect(
      CodeMode,
      Effect.gen(function*() {
        const level = levelOf(options)
        const check = level === undefined ? undefined : { level, check: (yield* Check.Check).check }
        return make(yield* Runtime.SessionRuntime, options, check)
      })
    )
  )
