/**
 * What a cell may ask of its host: to run a tool, and to deliver a notification.
 *
 * **Details**
 *
 * A session calls its delegate once for each tool call and notification, each time in a fiber of its own, with the
 * context of the fiber that made the cell and a scope of its own. To cancel a call is to interrupt that fiber. A call
 * that ignores its interruption is abandoned after `cancellationGrace`, and has no effect on the session any more.
 *
 * A `ToolError` becomes the string that the script's promise rejects with. A defect is logged, and the promise rejects
 * with a fixed text.
 *
 * A delegate is a layer like others. A layer over another delegate can log calls, refuse them, or hold them until a
 * person agrees.
 *
 * **Example** (Tools as plain functions)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const layer = Delegate.layerTools({
 *   add: Delegate.tool({
 *     description: "Adds two numbers",
 *     parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
 *     handler: ({ a, b }) => Effect.succeed(a + b)
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 */
import type * as AiTool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Approver } from "./Approver.ts"
import { defined } from "./data/Defined.ts"
import * as AiTools from "./delegate/AiTools.ts"
import * as Approval from "./delegate/Approval.ts"
import * as Cache from "./delegate/Cache.ts"
import * as Middleware from "./delegate/Middleware.ts"
import * as PlainTools from "./delegate/PlainTools.ts"
import * as Redaction from "./delegate/Redaction.ts"
import * as Shape from "./delegate/Shape.ts"
import * as Timeout from "./delegate/Timeout.ts"
import * as ToolFailure from "./delegate/ToolFailure.ts"
import * as ToolSchema from "./delegate/ToolSchema.ts"
import type {
  NestedToolCall,
  Notification,
  NotifyError,
  ToolAnnotations,
  ToolDefinition,
  ToolError
} from "./Protocol.ts"

/**
 * The host's side of a session.
 *
 * **Details**
 *
 * - `tools`: what a cell may call if its request brings no tools of its own.
 * - `instructions`: what those who write cells should know of the tools of a namespace, by namespace.
 * - `invokeTool`: runs a tool. The result has to be JSON.
 * - `notify`: delivers a message of a cell. It has `notificationDelivery` to do so.
 *
 * @category services
 * @since 0.1.0
 */
export class Delegate extends Context.Service<Delegate, Shape.Shape>()("effect-code-mode/Delegate") {}

/**
 * The call that a tool's handler works on. A handler of `layerTools` may ask for it.
 *
 * **Example** (A tool that is not performed twice)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const pay = Delegate.tool({
 *   description: "Pays an amount in cents",
 *   parameters: Schema.Struct({ cents: Schema.Int }),
 *   handler: Effect.fnUntraced(function*({ cents }) {
 *     const { idempotencyKey } = yield* Delegate.CurrentCall
 *     return { cents, reference: idempotencyKey }
 *   })
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class CurrentCall extends Context.Service<CurrentCall, NestedToolCall>()("effect-code-mode/CurrentCall") {}

/**
 * Hears when the tool call of this fiber begins to wait for a person, and when that wait ends, with or without an answer.
 * `before` says that the tool has not begun to work, `within` that it may have. A call may wait for several. A session gives
 * one to each call.
 *
 * @category references
 * @since 0.1.0
 */
export const ApprovalWait = Approval.ApprovalWait

/**
 * Says that a tool call waits for a person while `self` runs, for a handler that asks in a way of its own. Its cell says so
 * in `cells` and in `Yielded`, and the wait does not count for `maxWallTime`. A call that is stopped meanwhile may have done
 * part of its work.
 *
 * @category combinators
 * @since 0.1.0
 */
export const awaitingApproval = Approval.awaitingApproval

// =============================================================================
// Tools as plain functions
// =============================================================================

/**
 * A tool whose handler is a plain Effect function. Make one with `tool`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tool<out R = never> extends PlainTools.Described {
  readonly invoke: (input: Schema.Json) => Effect.Effect<Schema.Json, ToolError, R>
}

/**
 * Makes a tool from a handler and the schema of its one argument.
 *
 * **Details**
 *
 * - `parameters` decodes the argument before the handler runs. One that does not fit is a `ToolError` that says where.
 *   A call without an argument counts as one with `{}`.
 * - `success` encodes the handler's value, and is what a model is told of it. Without it, the value has to be JSON
 *   already, or nothing, which is `null`.
 * - `annotations` say what is known of its effects.
 * - A failure of the handler rejects the script's promise with the message of the failure. Where it has none, with its
 *   tag and its fields.
 *
 * A handler that needs to know more of the call than its argument asks for `CurrentCall`.
 *
 * **Example** (A tool that may fail)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const divide = Delegate.tool({
 *   description: "Divides two numbers",
 *   parameters: Schema.Struct({ by: Schema.Number, value: Schema.Number }),
 *   success: Schema.Finite,
 *   handler: ({ by, value }) => by === 0 ? Effect.fail("division by zero") : Effect.succeed(value / by)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tool = <P extends Schema.Top, E, R, S extends Schema.Top = never>(options: {
  readonly description?: string | undefined
  readonly annotations?: ToolAnnotations | undefined
  readonly parameters: P
  readonly success?: S | undefined
  readonly handler: (parameters: P["Type"]) => Effect.Effect<[S] extends [never] ? Schema.Json | void : S["Type"], E, R>
}): Tool<R | P["DecodingServices"] | S["EncodingServices"]> => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(options.parameters))
  const encode = options.success === undefined
    ? (value: unknown) => Effect.succeed((value ?? null) as Schema.Json)
    : Schema.encodeUnknownEffect(Schema.toCodecJson(options.success))
  return {
    description: options.description ?? "",
    inputSchema: ToolSchema.make(options.parameters),
    ...defined({ outputSchema: options.success && ToolSchema.make(options.success), annotations: options.annotations }),
    invoke: Effect.fnUntraced(function*(input) {
      const parameters = yield* decode(input).pipe(
        Effect.mapError((error) => ToolFailure.ofArgument(error.message))
      )
      const value = yield* options.handler(parameters).pipe(Effect.mapError(ToolFailure.make))
      return yield* encode(value).pipe(Effect.orDie)
    })
  }
}

/**
 * The definition of a tool, for `layer` and for requests that bring their own tools.
 *
 * @category constructors
 * @since 0.1.0
 */
export const definition = PlainTools.definition

// =============================================================================
// Layers
// =============================================================================

/** Takes a notification that is wanted nowhere. */
const drop = () => Effect.void

/**
 * The raw form: every tool call goes to one function, with its ids. Without `notify`, notifications are dropped.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ instructions, invokeTool, notify = drop, tools = [] }: {
  readonly tools?: ReadonlyArray<ToolDefinition> | undefined
  readonly instructions?: ReadonlyMap<string, string> | undefined
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify?: ((notification: Notification) => Effect.Effect<void, NotifyError>) | undefined
}): Layer.Layer<Delegate> => Layer.succeed(Delegate, Delegate.of({ tools, instructions, invokeTool, notify }))

/**
 * A host without tools: calls fail, notifications are dropped.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNoop: Layer.Layer<Delegate> = layer({
  invokeTool: () => Shape.refuse("code mode nested tools are unavailable")
})

type Services<Tools extends Readonly<Record<string, Tool<any>>>> = Tools[keyof Tools] extends Tool<infer R>
  ? Exclude<R, CurrentCall>
  : never

/**
 * A host whose tools are the given functions, each under its key. See `tool`. Without `notify`, notifications are
 * dropped.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTools = <const Tools extends Readonly<Record<string, Tool<any>>>>(
  tools: Tools,
  options?: { readonly notify?: ((notification: Notification) => Effect.Effect<void, NotifyError>) | undefined }
): Layer.Layer<Delegate, never, Services<Tools>> =>
  Layer.effect(
    Delegate,
    Effect.contextWith((context: Context.Context<Services<Tools>>) =>
      Effect.succeed(Delegate.of({
        tools: PlainTools.distinct(tools),
        invokeTool: (call) => {
          const { name } = call.toolName
          const self: Tool<Services<Tools> | CurrentCall> | undefined = Object.hasOwn(tools, name)
            ? tools[name]
            : undefined
          return self === undefined
            ? Shape.refuse(`unknown tool ${name}`)
            : Effect.provideContext(self.invoke(call.input ?? {}), Context.add(context, CurrentCall, call))
        },
        notify: options?.notify ?? drop
      }))
    )
  )

/**
 * Who may call a tool of an `effect/ai` toolkit: the `model` itself, `cells`, or `both`, which is so unless it is annotated.
 *
 * **Example** (A tool that no cell may call)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Tool from "effect/ai/Tool"
 *
 * const Finish = Tool.make("finish").annotate(Delegate.Callers, "model")
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Callers = AiTools.Callers

/**
 * A host whose tools are those of an `effect/ai` toolkit.
 *
 * **Details**
 *
 * Parameters come as JSON and results go as JSON, dates and the like included; `success` schemas are what a model is told
 * of results. A failure rejects the script's promise with its message. Handlers may ask for `CurrentCall`.
 *
 * A tool with `needsApproval` is called once an `Approver` has agreed. Where there is none, such calls are refused.
 *
 * **Example** (A toolkit)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Tool from "effect/ai/Tool"
 * import * as Toolkit from "effect/ai/Toolkit"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("double", { parameters: Schema.Struct({ value: Schema.Number }), success: Schema.Number })
 * )
 *
 * const layer = Delegate.layerToolkit(Tools).pipe(
 *   Layer.provide(Tools.toLayer({ double: ({ value }) => Effect.succeed(2 * value) }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerToolkit = <Tools extends Record<string, AiTool.Any>>(
  toolkit: Toolkit.Toolkit<Tools>,
  options?: { readonly notify?: ((notification: Notification) => Effect.Effect<void, NotifyError>) | undefined }
): Layer.Layer<
  Delegate,
  never,
  AiTool.HandlersFor<Tools> | Exclude<AiTool.HandlerServices<Tools[keyof Tools]>, CurrentCall>
> =>
  Layer.effect(
    Delegate,
    Effect.gen(function*() {
      type Needed = Exclude<AiTool.HandlerServices<Tools[keyof Tools]>, CurrentCall>
      const { handle, tools } = yield* toolkit
      const context = yield* Effect.context<Needed>()
      const gate = yield* Approval.gate

      const definitions = PlainTools.distinct(
        Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, AiTools.describe(tool)]))
      )
      const byName = new Map(definitions.map((definition) => {
        const { name } = definition.toolName
        const tool = tools[name]!
        const decode = AiTools.decoding(tool)
        const encode = AiTools.encoding(tool)
        const invoke = (call: NestedToolCall): Effect.Effect<Schema.Json, ToolError> =>
          decode(call.input ?? {}).pipe(
            Effect.flatMap((input) => handle(name, input as never, call.toolCallId)),
            Effect.flatMap((results) => Stream.runLast(Stream.filter(results, ({ preliminary }) => !preliminary))),
            Effect.mapError(AiTools.failure),
            Effect.flatMap((last) =>
              last._tag === "None"
                ? Effect.succeed(null)
                : last.value.isFailure
                ? Effect.fail(AiTools.failure(last.value.result))
                : encode(last.value.encodedResult)
            ),
            Effect.provideContext(Context.add(context, CurrentCall, call))
            // What its tools need is what `context` has; TypeScript does not see it through the names of the tools.
          ) as Effect.Effect<Schema.Json, ToolError>
        return [name, { definition, invoke, needsApproval: AiTools.approvals(tool) }]
      }))
      return Delegate.of({
        tools: definitions,
        invokeTool: (call) => {
          const { name } = call.toolName
          const tool = byName.get(name)
          return tool === undefined
            ? Shape.refuse(`unknown tool ${name}`)
            : Effect.flatMap(
              tool.needsApproval(call),
              (isNeeded) => isNeeded ? gate(call, tool.definition, tool.invoke) : tool.invoke(call)
            )
        },
        notify: options?.notify ?? drop
      })
    })
  )

// =============================================================================
// Combinators
// =============================================================================

/**
 * The delegate of a layer, changed by one of the functions below, which may need something to do so.
 *
 * **Example** (Fewer tools, and not for ever)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.mapLayer((self) => Delegate.filter(self, ({ annotations }) => annotations?.readOnly === true)),
 *   Delegate.mapLayer((self) => Delegate.withTimeout(self, "30 seconds"))
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const mapLayer = <E2 = never, R2 = never>(
  f: (self: Delegate["Service"]) => Delegate["Service"] | Effect.Effect<Delegate["Service"], E2, R2>
) =>
<E, R>(self: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate, E | E2, R | R2> =>
  Layer.effect(
    Delegate,
    Effect.flatMap(Delegate, (delegate) => {
      const changed = f(delegate)
      return Effect.isEffect(changed) ? changed : Effect.succeed(changed)
    })
  ).pipe(Layer.provide(self)) as Layer.Layer<Delegate, E | E2, R | R2>

/**
 * The tools for which `keep` says so. Calls of others are refused.
 *
 * @category combinators
 * @since 0.1.0
 */
export const filter = Middleware.filter

/**
 * The same of the delegate of a layer.
 *
 * **Example** (What changes nothing)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.layerFilter(({ annotations }) => annotations?.readOnly === true)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFilter = (
  keep: (tool: ToolDefinition) => boolean
): <E, R>(self: Layer.Layer<Delegate, E, R>) => Layer.Layer<Delegate, E, R> => mapLayer((self) => filter(self, keep))

/**
 * Tools have the same names, as cells see names: what cannot stand in an identifier is `_` there.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolNameClash extends Schema.TaggedError<ToolNameClash>("effect-code-mode/ToolNameClash")(
  "ToolNameClash",
  { names: Schema.Array(Schema.String) }
) {
  override get message() {
    return `more than one tool is named ${this.names.join(", ")}`
  }
}

const withoutClash = (
  tools: ReadonlyArray<ToolDefinition>,
  self: () => Delegate["Service"]
): Effect.Effect<Delegate["Service"], ToolNameClash> =>
  Effect.suspend(() => {
    const names = Middleware.clashes(tools)
    return names.length === 0 ? Effect.succeed(self()) : Effect.fail(new ToolNameClash({ names }))
  })

/**
 * The tools of all delegates. Each notification goes to all.
 *
 * **Details**
 *
 * Where two tools have one name, `rename` or `filter` one of their delegates before. Two that come to have one name later,
 * because the list of a delegate has changed, are no error: then the earlier delegate's is there.
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge = (
  ...delegates: ReadonlyArray<Delegate["Service"]>
): Effect.Effect<Delegate["Service"], ToolNameClash> =>
  withoutClash(delegates.flatMap(({ tools }) => tools), () => Middleware.merge(delegates))

/**
 * The same of the delegates of layers, which are built beside each other.
 *
 * **Example** (Own tools, and those of a server)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Mcp from "effect-code-mode/Mcp"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const own = Delegate.layerTools({
 *   now: Delegate.tool({ parameters: Schema.Struct({}), handler: () => Effect.succeed("late") })
 * })
 *
 * const layer = Delegate.layerMerge(own, Mcp.layer([{ name: "memory", command: "mcp-server-memory" }]))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMerge = <const Layers extends ReadonlyArray<Layer.Layer<Delegate, any, any>>>(
  ...layers: Layers
): Layer.Layer<Delegate, Layer.Error<Layers[number]> | ToolNameClash, Layer.Services<Layers[number]>> =>
  Layer.effect(
    Delegate,
    Effect.forEach(
      layers as ReadonlyArray<Layer.Layer<Delegate, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>>,
      (layer) => Effect.map(Layer.build(layer), (context) => Context.get(context, Delegate)),
      { concurrency: "unbounded" }
    ).pipe(Effect.flatMap((delegates) => merge(...delegates)))
  )

/**
 * The same tools under other names.
 *
 * @category combinators
 * @since 0.1.0
 */
export const rename = (
  self: Delegate["Service"],
  toName: (tool: ToolDefinition) => string
): Effect.Effect<Delegate["Service"], ToolNameClash> =>
  withoutClash(self.tools.map((tool) => ({ ...tool, name: toName(tool) })), () => Middleware.rename(self, toName))

/**
 * The same of the delegate of a layer.
 *
 * **Example** (Names of one's own)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 *
 * const layer = Delegate.layerNoop.pipe(Delegate.layerRename(({ name }) => `home_${name}`))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRename = (
  toName: (tool: ToolDefinition) => string
): <E, R>(self: Layer.Layer<Delegate, E, R>) => Layer.Layer<Delegate, E | ToolNameClash, R> =>
  mapLayer((self) => rename(self, toName))

/**
 * Says more of tools, or something else: what their servers do not say of their effects, whether they need an approval,
 * and who may call them.
 *
 * **Example** (Tools of a server that says nothing of them)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.mapLayer((self) =>
 *     Delegate.annotate(self, ({ annotations, name }) => ({ ...annotations, readOnly: name.startsWith("get_") }))
 *   )
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const annotate = Middleware.annotate

/**
 * Interrupts a call that takes longer, and rejects its promise with a text that says so. A number is milliseconds. The
 * time in which a person is asked does not count. One that ignores its interruption is abandoned after 100 ms.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTimeout = Timeout.withTimeout

/**
 * Runs so many calls at a time, of all tools together or of each `tool`. Others wait in the order they came; a session
 * bounds how many can.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withConcurrency = Middleware.withConcurrency

/**
 * Tries calls again that failed, of tools that are annotated `readOnly` or `idempotent`. `attempt` of the call counts up.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withRetry = Middleware.withRetry

/**
 * What `withCache` keeps.
 *
 * **Details**
 *
 * - `timeToLive`: how long a result is given again. 5 minutes, unless given. A number is milliseconds.
 * - `maxEntries`, `maxBytes`: how many results are kept, and how much they and their arguments are together, as JSON text.
 *   1,000 and 16 MiB, unless given. The oldest go first.
 * - `of`: who shares results. `session`, unless given: the cells of one session, with which they are forgotten. `all`: all
 *   sessions of the delegate.
 * - `isKept`: of which tools results are kept. Those that are annotated `readOnly` or `idempotent`, and need no approval,
 *   unless given.
 *
 * @category models
 * @since 0.1.0
 */
export interface CacheOptions extends Cache.Options {}

/**
 * Gives a result again when a tool is called again with the same argument, and calls the tool once for calls that are under
 * way together.
 *
 * **Details**
 *
 * A failure is not kept. A call of a tool that is not annotated `readOnly` may change what others read: it has the
 * session's results forgotten, when it begins and when it ends.
 *
 * **Example** (What is read twice is asked for once)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.mapLayer((self) => Delegate.withCache(self, { timeToLive: "1 minute" }))
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withCache = Cache.withCache

/**
 * What becomes of a call: it is made, or the `Approver` is asked, or it is denied with a reason that the model reads.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = Middleware.Verdict

/**
 * Decides on each call. It needs an `Approver` where a verdict can be `"ask"`.
 *
 * **Example** (Reading is free, deleting is not)
 *
 * ```ts
 * import * as Approver from "effect-code-mode/Approver"
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.mapLayer((self) =>
 *     Delegate.withPolicy(self, (call, tool) =>
 *       tool?.annotations?.readOnly === true
 *         ? "allow"
 *         : call.tool === "drop_table"
 *         ? { deny: "tables are dropped by hand" }
 *         : "ask")
 *   ),
 *   Layer.provide(Approver.layerDenyAll)
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPolicy = <const V extends Verdict>(
  self: Delegate["Service"],
  decide: (call: NestedToolCall, tool: ToolDefinition | undefined) => V
): Effect.Effect<Delegate["Service"], never, "ask" extends V ? Approver : never> =>
  Effect.map(Approval.gate, (gate) => Middleware.withPolicy(self, gate, decide))

/**
 * Asks the `Approver` before calls for which `isNeeded` says so: those of tools that are annotated `needsApproval`, unless
 * given. A denied call rejects its promise with a text that says why, and nothing was done.
 *
 * **Details**
 *
 * What was decided for more than one call is remembered until its cell or session is gone, and it answers questions that
 * are still open. A call that is asked about by several of these is asked about once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withApproval = (
  self: Delegate["Service"],
  isNeeded: (call: NestedToolCall, tool: ToolDefinition | undefined) => boolean = (_, tool) =>
    tool?.annotations?.needsApproval === true
): Effect.Effect<Delegate["Service"], never, Approver> =>
  withPolicy(self, (call, tool) => isNeeded(call, tool) ? "ask" : "allow")

/** What is shorter would be found in text that has nothing to do with it. */
const leastSecret = 4

/**
 * A secret that is too short to be redacted. `index` is its place among those that were given.
 *
 * @category errors
 * @since 0.1.0
 */
export class SecretTooShort extends Schema.TaggedError<SecretTooShort>("effect-code-mode/SecretTooShort")(
  "SecretTooShort",
  { index: Schema.Int }
) {
  override get message() {
    return `a secret to be redacted has at least ${leastSecret} characters, and number ${this.index + 1} has fewer`
  }
}

/**
 * Keeps secrets from cells: `[redacted]` stands for each in results, errors, notifications, and in what is told of tools.
 *
 * **Details**
 *
 * A secret is found as a part of a longer text, too, in the names of members and in numbers; as it is written in JSON and
 * in addresses; and, if it has at least 8 bytes, in base64. One that a tool has cut in pieces is not found. A secret of
 * fewer than 4 characters is an error.
 *
 * **Example** (A token that no cell sees)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Config from "effect/Config"
 * import * as Effect from "effect/Effect"
 *
 * const layer = Delegate.layerNoop.pipe(
 *   Delegate.mapLayer((self) =>
 *     Effect.flatMap(Config.Redacted("API_TOKEN"), (token) => Delegate.withRedaction(self, [token]))
 *   )
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withRedaction = (
  self: Delegate["Service"],
  secrets: ReadonlyArray<Redacted.Redacted<string>>
): Effect.Effect<Delegate["Service"], SecretTooShort> => {
  const texts = secrets.map((secret) => Redacted.value(secret))
  const index = texts.findIndex(({ length }) => length < leastSecret)
  return index < 0
    ? Effect.succeed(Redaction.withRedaction(self, texts))
    : Effect.fail(new SecretTooShort({ index }))
}
