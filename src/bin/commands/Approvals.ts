/**
 * `--approve`: which calls are asked about before they have an effect.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { matchesGlob } from "node:path"
import { Approver, denied, layerCallback } from "../../Approver.ts"
import { type Delegate, mapLayer, withApproval } from "../../Delegate.ts"
import { unlessOther } from "../../delegate/Approval.ts"
import type { NestedToolCall, ToolDefinition } from "../../Protocol.ts"
import * as Identifier from "../../text/Identifier.ts"
import * as ApprovalQuestion from "../terminal/ApprovalQuestion.ts"
import * as Questions from "../terminal/Questions.ts"

/** Tools that are not marked read-only. A server that says nothing of a tool may mean anything. */
const writes = "writes"
const all = "all"

export const flag = Flag.String("approve").pipe(
  Flag.withMetavar("WHICH"),
  Flag.withOptionalValue(writes),
  Flag.withDescription(
    "Ask before a cell calls a tool that its server does not mark read-only (=writes, the default), any tool (=all), or " +
      "a tool whose name matches (=GLOB)"
  ),
  Flag.optional
)

export type Which = Option.Option<string>

/** Whether a call is asked about. */
export const isNeeded =
  (which: string) => ({ tool }: NestedToolCall, definition: ToolDefinition | undefined): boolean =>
    which === writes
      ? definition?.annotations?.readOnly !== true
      : which === all || matchesGlob(Identifier.fromName(tool), which)

/** An inspector's page may decide, where there is one. */
const unattended = layerCallback(() => unlessOther(denied("there is nothing here that could approve it")))

/** Asks at the terminal, where there is one. */
const approver = Layer.unwrap(Effect.map(
  Questions.Conversation,
  (converse) => converse === undefined ? unattended : Layer.succeed(Approver, ApprovalQuestion.approver(converse))
))

/** The delegate of `layer`, whose calls are asked about. */
export const layer = <E, R>(which: Which, layer: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate, E, R> =>
  Option.match(which, {
    onNone: () => layer,
    onSome: (which) =>
      mapLayer((delegate) => withApproval(delegate, isNeeded(which)))(layer).pipe(Layer.provide(approver))
  })
