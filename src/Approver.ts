/**
 * Who is asked before a tool call has an effect: a person at a terminal, another program, or a rule.
 *
 * **Example** (Asking a function)
 *
 * ```ts
 * import * as Approver from "effect-code-mode/Approver"
 * import * as Effect from "effect/Effect"
 *
 * const layer = Approver.layerCallback(({ call }) =>
 *   Effect.succeed(
 *     call.tool === "delete_file" ? Approver.denied("nothing may be deleted today") : Approver.approved("session")
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { defined } from "./data/Defined.ts"
import type { NestedToolCall, ToolDefinition } from "./Protocol.ts"

/**
 * How long a decision holds: for this call, or for calls of the same tool in this cell, in this session, or always.
 *
 * @category models
 * @since 0.1.0
 */
export const Remember = Schema.Literals(["once", "cell", "session", "always"])

/**
 * @category models
 * @since 0.1.0
 */
export type Remember = typeof Remember.Type

/**
 * What was decided. `input`, where it is given, is the argument that the tool gets instead of the script's. `reason` is
 * for the model.
 *
 * @category models
 * @since 0.1.0
 */
export const Decision = Schema.TaggedUnion({
  Approved: { remember: Remember, input: Schema.optionalKey(Schema.Json) },
  Denied: { remember: Remember, reason: Schema.optionalKey(Schema.String) }
})

/**
 * @category models
 * @since 0.1.0
 */
export type Decision = typeof Decision.Type

/**
 * A tool call that is to be decided on.
 *
 * @category models
 * @since 0.1.0
 */
export interface ApprovalRequest {
  readonly call: NestedToolCall
  /** The tool, as far as its delegate lists it. */
  readonly definition: ToolDefinition | undefined
}

/**
 * Asks, and waits for the decision. It is interrupted when the cell of the call ends.
 *
 * @category services
 * @since 0.1.0
 */
export class Approver extends Context.Service<Approver, {
  readonly ask: (request: ApprovalRequest) => Effect.Effect<Decision>
}>()("effect-code-mode/Approver") {}

/**
 * The decision that a call is made: with `input`, if given, in place of the script's argument. It holds for this call,
 * unless `remember` says for which others.
 *
 * @category constructors
 * @since 0.1.0
 */
export const approved = (remember: Remember = "once", input?: Schema.Json): Decision => ({
  _tag: "Approved",
  remember,
  ...defined({ input })
})

/**
 * The decision that a call is not made: the script's promise rejects with a text that gives `reason`. It holds for this call, unless
 * `remember` says for which others.
 *
 * @category constructors
 * @since 0.1.0
 */
export const denied = (reason?: string, remember: Remember = "once"): Decision => ({
  _tag: "Denied",
  remember,
  ...defined({ reason })
})

/**
 * Asks a function.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCallback = (
  ask: (request: ApprovalRequest) => Effect.Effect<Decision>
): Layer.Layer<Approver> => Layer.succeed(Approver, Approver.of({ ask }))

/**
 * Denies every call, with a reason that a model can read.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDenyAll: Layer.Layer<Approver> = layerCallback(() =>
  Effect.succeed(denied("there is nothing here that could approve it"))
)

/**
 * Approves every call. For tests, and where something else decides.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerApproveAll: Layer.Layer<Approver> = layerCallback(() => Effect.succeed(approved()))
