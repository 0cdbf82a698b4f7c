/**
 * Asks before a call has an effect, and remembers what was decided.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Approver, Decision, Remember } from "../Approver.ts"
import { type NestedToolCall, type ToolDefinition, ToolError } from "../Protocol.ts"

/** Decisions that are remembered. Past that, the oldest are asked for again. */
const maxRemembered = 4096

const keyOf = (remember: Exclude<Remember, "once">, { cellId, sessionId, tool }: NestedToolCall): string =>
  JSON.stringify(
    remember === "always" ? [tool] : remember === "session" ? [tool, sessionId] : [tool, sessionId, cellId]
  )

export interface Gate {
  /** Runs a call with the input that was agreed on, once it was. */
  readonly pass: (
    call: NestedToolCall,
    definition: ToolDefinition | undefined,
    invoke: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  ) => Effect.Effect<Schema.Json, ToolError>
}

export const make = (
  approver: Approver["Service"],
  /** Says of its cell that it waits for a person meanwhile. */
  whileWaiting: <A>(effect: Effect.Effect<A>) => Effect.Effect<A>
): Gate => {
  const decisions = new Map<string, Decision>()

  const remembered = (call: NestedToolCall): Decision | undefined =>
    (["cell", "session", "always"] as const).map((remember) => decisions.get(keyOf(remember, call))).find((decision) =>
      decision !== undefined
    )

  const keep = (call: NestedToolCall, decision: Decision) => {
    if (decision.remember === "once") {
      return
    }
    const key = keyOf(decision.remember, call)
    // What was edited was edited for that one call.
    const { _tag, remember } = decision
    decisions.delete(key)
    decisions.set(key, _tag === "Approved" ? { _tag, remember } : decision)
    if (decisions.size > maxRemembered) {
      decisions.delete(decisions.keys().next().value!)
    }
  }

  const decide = (call: NestedToolCall, definition: ToolDefinition | undefined): Effect.Effect<Decision> =>
    Effect.suspend(() => {
      const before = remembered(call)
      return before !== undefined
        ? Effect.succeed(before)
        : Effect.tap(
          whileWaiting(approver.ask({ call, definition })),
          (decision) => Effect.sync(() => keep(call, decision))
        )
    })

  return {
    pass: (call, definition, invoke) =>
      Effect.flatMap(decide(call, definition), (decision) =>
        decision._tag === "Approved"
          ? invoke(decision.input === undefined ? call : { ...call, input: decision.input })
          : Effect.fail(
            new ToolError({
              text: `${call.tool} was not called: it was denied${
                decision.reason === undefined ? "" : `, because ${decision.reason}`
              }. Do not try it again in the same way.`,
              performed: false
            })
          ))
  }
}
