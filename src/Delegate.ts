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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type NestedToolCall, type Notification, type NotifyError, type ToolDefinition, ToolError } from "./Protocol.ts"
import * as Identifier from "./text/Identifier.ts"

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
export class Delegate extends Context.Service<Delegate, {
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly instructions?: ReadonlyMap<string, string>
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify: (notification: Notification) => Effect.Effect<void, NotifyError>
}>()("effect-code-mode/Delegate") {}

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
 * Hears when the tool call of this fiber begins to wait for a person, and when it goes on. A session gives one to each
 * call.
 *
 * @category references
 * @since 0.1.0
 */
export const ApprovalWait = Context.Reference<{ readonly began: () => void; readonly ended: () => void }>(
  "effect-code-mode/ApprovalWait",
  { defaultValue: () => ({ began: () => {}, ended: () => {} }) }
)

/**
 * Says that a tool call waits for a person while `self` runs. Its cell says so in `cells` and in `Yielded`, and the wait
 * does not count for `maxWallTime`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const awaitingApproval = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const wait = fiber.getRef(ApprovalWait)
    wait.began()
    return Effect.ensuring(self, Effect.sync(wait.ended))
  })

// =============================================================================
// Tools as plain functions
// =============================================================================

/**
 * A tool whose handler is a plain Effect function. Make one with `tool`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tool<out R = never> {
  readonly description: string
  readonly inputSchema: Schema.Json
  readonly invoke: (input: Schema.Json) => Effect.Effect<Schema.Json, ToolError, R>
}

const ownFields = (error: object) => {
  const { _tag, ...fields } = error as { readonly _tag?: unknown }
  return Object.keys(fields).length === 0 ? "" : ` ${Formatter.format(fields)}`
}

/** A failure in words: its message, or what kind of failure it is and what it carries. */
const describe = (error: unknown): string => {
  if (typeof error === "string") {
    return error
  }
  if (Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== "") {
    return error.message
  }
  if (Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)) {
    return `${error._tag}${ownFields(error)}`
  }
  return Predicate.isError(error) ? `${error.name}${ownFields(error)}` : Formatter.format(error)
}

const toolError = (error: unknown) => new ToolError({ text: describe(error) })

const jsonSchema = (schema: Schema.Top): Schema.Json => {
  const document = Schema.toJsonSchemaDocument(schema)
  return (Object.keys(document.definitions).length === 0
    ? document.schema
    : { ...document.schema, $defs: document.definitions }) as unknown as Schema.Json
}

/**
 * Makes a tool from a handler and the schema of its one argument.
 *
 * **Details**
 *
 * - `parameters` decodes the argument before the handler runs. One that does not fit is a `ToolError` that says where.
 *   A call without an argument counts as one with `{}`.
 * - `success` encodes the handler's value. Without it, the value has to be JSON already, or nothing, which is `null`.
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
export const tool: {
  <P extends Schema.Top, E, R>(options: {
    readonly description?: string | undefined
    readonly parameters: P
    readonly handler: (parameters: P["Type"]) => Effect.Effect<Schema.Json | void, E, R>
  }): Tool<R | P["DecodingServices"]>
  <P extends Schema.Top, S extends Schema.Top, E, R>(options: {
    readonly description?: string | undefined
    readonly parameters: P
    readonly success: S
    readonly handler: (parameters: P["Type"]) => Effect.Effect<S["Type"], E, R>
  }): Tool<R | P["DecodingServices"] | S["EncodingServices"]>
} = <P extends Schema.Top, S extends Schema.Top, E, R>(options: {
  readonly description?: string | undefined
  readonly parameters: P
  readonly success?: S | undefined
  readonly handler: (parameters: P["Type"]) => Effect.Effect<any, E, R>
}): Tool<R | P["DecodingServices"] | S["EncodingServices"]> => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(options.parameters))
  const encode = options.success === undefined
    ? (value: unknown) => Effect.succeed((value ?? null) as Schema.Json)
    : Schema.encodeUnknownEffect(Schema.toCodecJson(options.success))
  return {
    description: options.description ?? "",
    inputSchema: jsonSchema(options.parameters),
    invoke: Effect.fnUntraced(function*(input) {
      const parameters = yield* decode(input).pipe(
        Effect.mapError((error) => new ToolError({ text: `invalid argument: ${error.message}`, performed: false }))
      )
      const value = yield* options.handler(parameters).pipe(Effect.mapError(toolError))
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
export const definition = (name: string, self: Pick<Tool, "description" | "inputSchema">): ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description: self.description,
  kind: "function",
  inputSchema: self.inputSchema
})

// =============================================================================
// Layers
// =============================================================================

/**
 * The raw form: every tool call goes to one function, with its ids. Without `notify`, notifications are dropped.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly tools?: ReadonlyArray<ToolDefinition> | undefined
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly notify?: ((notification: Notification) => Effect.Effect<void, NotifyError>) | undefined
}): Layer.Layer<Delegate> =>
  Layer.succeed(
    Delegate,
    Delegate.of({
      tools: options.tools ?? [],
      invokeTool: options.invokeTool,
      notify: options.notify ?? (() => Effect.void)
    })
  )

/**
 * A host without tools: calls fail, notifications are dropped.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNoop: Layer.Layer<Delegate> = layer({
  invokeTool: () => Effect.fail(new ToolError({ text: "code mode nested tools are unavailable", performed: false }))
})

type Services<Tools extends Readonly<Record<string, Tool<any>>>> = Tools[keyof Tools] extends Tool<infer R>
  ? Exclude<R, CurrentCall>
  : never

/** Tools whose keys come out alike as identifiers are told apart: an exact one stays, another one is `KEY_2`, and says so. */
const definitions = (tools: Readonly<Record<string, Tool<any>>>): ReadonlyArray<ToolDefinition> => {
  const entries = Object.entries(tools)
  const names = Identifier.distinct(entries.map(([key]) => key))
  return entries.map(([key, self], index) => {
    const name = names[index]!
    const plain = definition(key, self)
    return name === Identifier.fromName(key)
      ? plain
      : { ...plain, name, description: `${plain.description}\n(This is ${JSON.stringify(key)}.)`.trimStart() }
  })
}

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
        tools: definitions(tools),
        invokeTool: (call) => {
          const { name } = call.toolName
          const self: Tool<Services<Tools> | CurrentCall> | undefined = Object.hasOwn(tools, name)
            ? tools[name]
            : undefined
          return self === undefined
            ? Effect.fail(new ToolError({ text: `unknown tool ${name}`, performed: false }))
            : Effect.provideContext(self.invoke(call.input ?? {}), Context.add(context, CurrentCall, call))
        },
        notify: options?.notify ?? (() => Effect.void)
      }))
    )
  )
