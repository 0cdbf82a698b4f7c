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
 * `return` at the top level, `console.log`.
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
import * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Hints from "./model/Hints.ts"
import * as Instructions from "./model/Instructions.ts"
import * as Pragma from "./model/Pragma.ts"
import * as Repair from "./model/Repair.ts"
import * as Reply from "./model/Reply.ts"
import { type CellEvent, CellId, type Ledger, OutputItem, type ToolDefinition } from "./Protocol.ts"
import * as Runtime from "./Runtime.ts"
import { Remembered } from "./session/Remembered.ts"
import * as Truncation from "./Truncation.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * What a model gets.
 *
 * **Details**
 *
 * - `status`: what the cell does, or how it ended. `Refused`: there is no cell, and `items` say why.
 * - `cellId`: the cell to wait for, where it is `Running`.
 * - `items`: the output. The first is the status in words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Output extends Reply.Reply {}

/**
 * @category models
 * @since 0.1.0
 */
export interface ExecRequest {
  /** JavaScript, which may begin with a line `// @exec: {"yield_time_ms": 10000, "max_output_tokens": 1000}`. */
  readonly source: string
  /** The model's call. It comes back with every notification and every tool call of the cell. */
  readonly callId?: string | undefined
  readonly language?: "javascript" | "typescript" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WaitRequest {
  readonly cellId: string
  /** Without it, the wait goes on until the cell ends, yields by itself, or can never go on. A number is milliseconds. */
  readonly yieldTime?: Duration.Input | undefined
  /** A budget in tokens of four bytes. */
  readonly maxTokens?: number | undefined
  /** Ends the cell, instead of waiting for it. */
  readonly terminate?: boolean | undefined
}

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
  /** The budget of a reply, in tokens of four bytes: 10,000, unless given. */
  readonly maxOutputTokens?: number | undefined
  /**
   * How many characters of declarations there may be: 40,000, unless given. Where there are more, tools are listed by
   * name.
   */
  readonly maxDeclarations?: number | undefined
}

const forCells = (tools: ReadonlyArray<ToolDefinition>) =>
  tools.every(({ annotations }) => annotations?.callers !== "model")
    ? tools
    : tools.filter(({ annotations }) => annotations?.callers !== "model")

/**
 * `exec` and `wait` over a session.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  session: Runtime.SessionRuntime["Service"],
  options: Options = {}
): CodeMode["Service"] => {
  const yieldTime = Duration.fromInputUnsafe(options.yieldTime ?? "10 seconds")
  const maxOutputTokens = options.maxOutputTokens ?? Truncation.defaultBudget
  const maxDeclarations = options.maxDeclarations ?? 40_000
  /** What the sources of live cells catch and ask for a message. */
  const caught = new Remembered<CellId, string | undefined>(session.limits.maxLiveCells)

  const tools = Effect.map(session.tools, forCells)

  const ledgerOf = (cellId: CellId): Effect.Effect<Ledger> =>
    Effect.orElseSucceed(session.ledger(cellId), () => ({ calls: [], omitted: 0 }))

  const reply = Effect.fnUntraced(function*(event: CellEvent, since: number, maxTokens: number) {
    const { cellId, items } = event
    const millis = (yield* Clock.currentTimeMillis) - since
    const made = { cellId, millis, items, maxTokens }
    if (event._tag === "Yielded") {
      const waiting = event.awaitingApproval?.length ?? 0
      return Reply.make({
        ...made,
        status: "Running",
        error: undefined,
        hints: [
          event.stalled === true ? Hints.stalled : undefined,
          waiting === 0 ? undefined : `${waiting} of its calls wait until a person approves them.`
        ]
      })
    }
    const caughtName = caught.get(cellId)
    caught.delete(cellId)
    const ledger = yield* ledgerOf(cellId)
    const known = yield* tools
    if (event._tag === "Terminated") {
      return Reply.make({
        ...made,
        status: "Terminated",
        error: undefined,
        hints: [Hints.ofEffects(ledger, known)]
      })
    }
    const { error } = event
    return Reply.make({
      ...made,
      status: error === undefined ? "Completed" : "Failed",
      error: error === undefined ? undefined : Hints.explain(error.text, known),
      hints: [
        Hints.ofMessage(caughtName, ledger),
        ...error === undefined
          ? [Hints.ofUnawaited(ledger), items.length === 0 ? Hints.nothingPutOut : undefined]
          : [Hints.ofEffects(ledger, known)]
      ]
    })
  })

  const missing = (cellId: string, millis: number) =>
    Reply.make({
      status: "Failed",
      cellId: cellId as CellId,
      millis,
      items: [],
      error: `exec cell ${cellId} not found`,
      maxTokens: maxOutputTokens,
      hints: []
    })

  const exec = Effect.fn("CodeMode.exec")(function*({ callId = "exec", language, source: input }: ExecRequest) {
    const since = yield* Clock.currentTimeMillis
    const parsed = Pragma.parse(input)
    if (Result.isFailure(parsed)) {
      return Reply.refused(parsed.failure)
    }
    const { maxOutputTokens: maxTokens = maxOutputTokens, source, yieldTimeMillis } = parsed.success
    const request = {
      callId,
      source: Repair.repair(source),
      tools: yield* tools,
      ...(language === undefined ? {} : { language })
    }
    return yield* Effect.gen(function*() {
      const { cell, initial } = yield* session.execute(request, { yieldAfter: yieldTimeMillis ?? yieldTime })
      caught.set(cell.id, Hints.caughtMessage(source))
      const event = yield* Effect.onInterrupt(initial, () => {
        caught.delete(cell.id)
        return Effect.ignore(session.terminate(cell))
      })
      return yield* reply(event, since, maxTokens)
    }).pipe(Effect.catch((error) => Effect.succeed(Reply.refused(error.message))))
  })

  const wait = Effect.fn("CodeMode.wait")(function*(request: WaitRequest) {
    const { cellId, maxTokens = maxOutputTokens, terminate = false, yieldTime } = request
    const since = yield* Clock.currentTimeMillis
    return yield* Schema.decodeEffect(CellId)(cellId).pipe(
      Effect.flatMap(session.cell),
      Effect.flatMap((cell): Effect.Effect<CellEvent, { readonly _tag: string; readonly message: string }> =>
        terminate ? session.terminate(cell) : session.observe(cell, { yieldAfter: yieldTime })
      ),
      Effect.flatMap((event) => reply(event, since, maxTokens)),
      Effect.catch((error) =>
        error._tag === "MissingCell" || error._tag === "SchemaError" || error._tag === "WrongCellKind"
          ? Effect.map(Clock.currentTimeMillis, (now) => missing(cellId, now - since))
          : Effect.succeed(Reply.refused(error.message))
      )
    )
  })

  const descriptions = Effect.gen(function*() {
    const facts: Instructions.Facts = {
      tools: yield* tools,
      instructions: yield* session.instructions,
      limits: session.limits,
      yieldTime,
      maxOutputTokens,
      maxDeclarations
    }
    return { exec: Instructions.ofExec(facts), wait: Instructions.ofWait(facts) }
  })

  return CodeMode.of({ exec, wait, descriptions })
}

// =============================================================================
// Tools of a model
// =============================================================================

const success = Schema.Struct({
  status: Schema.Literals(["Running", "Completed", "Failed", "Terminated", "Refused"]),
  cellId: Schema.UndefinedOr(CellId),
  items: Schema.Array(OutputItem)
})

const dataUrl = /^data:([^;,]*)[^,]*;base64,/i

const toPart = (item: OutputItem): Prompt.ToolModelOutputPart => {
  if (item.type === "input_text") {
    return Prompt.textPart({ text: item.text })
  }
  const url = item.type === "input_image" ? item.image_url : item.audio_url
  const data = dataUrl.exec(url)
  const general = item.type === "input_image" ? "image/*" : "audio/*"
  if (data !== null) {
    return Prompt.filePart({ mediaType: data[1] || general, data: url.slice(data[0].length) })
  }
  return Option.match(Option.liftThrowable(() => new URL(url))(), {
    onNone: () => Prompt.textPart({ text: url }),
    onSome: (data) => Prompt.filePart({ mediaType: general, data })
  })
}

const toModelOutput = ({ items }: typeof success.Type) => items.map(toPart)

const execTool = (description: string) =>
  Tool.make("exec", {
    description,
    parameters: Schema.Struct({
      source: Schema.String.annotate({ description: "JavaScript, as it is" })
    }),
    success,
    toModelOutput
  })

const waitTool = (description: string) =>
  Tool.make("wait", {
    description,
    parameters: Schema.Struct({
      cell_id: Schema.String.annotate({ description: "The cell that runs" }),
      yield_time_ms: Schema.optionalKey(
        Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
          description: "How long to wait, in milliseconds"
        })
      ),
      max_tokens: Schema.optionalKey(
        Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
          description: "How much output to see, in tokens"
        })
      ),
      terminate: Schema.optionalKey(Schema.Boolean.annotate({ description: "Ends the cell" }))
    }),
    success,
    toModelOutput
  })

/**
 * `exec` and `wait`, for `LanguageModel.generateText` and the like. Its descriptions are those of the moment in which it
 * is run: of the tools that there are then.
 *
 * @category models
 * @since 0.1.0
 */
export const toolkit: Effect.Effect<
  Toolkit.WithHandler<
    { readonly exec: ReturnType<typeof execTool>; readonly wait: ReturnType<typeof waitTool> }
  >,
  never,
  CodeMode
> = Effect.gen(function*() {
  const codeMode = yield* CodeMode
  const descriptions = yield* codeMode.descriptions
  const tools = Toolkit.make(execTool(descriptions.exec), waitTool(descriptions.wait))
  const handlers = yield* tools.toHandlers({
    exec: ({ source }, { toolCallId }) => codeMode.exec({ source, callId: toolCallId }),
    wait: ({ cell_id, max_tokens, terminate, yield_time_ms }) =>
      codeMode.wait({ cellId: cell_id, maxTokens: max_tokens, terminate, yieldTime: yield_time_ms })
  })
  return yield* Effect.provideContext(tools, handlers)
})

// =============================================================================
// Layers
// =============================================================================

/**
 * `exec` and `wait` over the session that it is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<CodeMode, never, Runtime.SessionRuntime> =>
  Layer.effect(CodeMode, Effect.map(Runtime.SessionRuntime, (session) => make(session, options)))
