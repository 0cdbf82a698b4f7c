/**
 * Tool calls that wait until the person at the page decides.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { type ApprovalRequest, approved, type Decision, denied, type Remember } from "../Approver.ts"
import * as Cut from "../text/Cut.ts"
import * as Identifier from "../text/Identifier.ts"
import { LookedAt } from "./LookingOn.ts"
import type * as Model from "./Model.ts"

/** Characters of an argument that a page shows at once. It can ask for the rest. */
const maxShown = 16 * 1024
const maxDescription = 2000

export interface PageApprovals {
  /** Waits until it is decided at a page. */
  readonly ask: (request: ApprovalRequest) => Effect.Effect<Decision>
  /** Gives whether there was such a question. */
  readonly decide: (
    question: number,
    decision: {
      readonly approve: boolean
      readonly remember: Remember
      readonly reason?: string | undefined
      readonly input?: Schema.Json | undefined
    }
  ) => boolean
}

export const make = (model: Model.Model): PageApprovals => {
  const answers = new Map<number, Deferred.Deferred<Decision>>()
  return {
    ask: ({ call, definition }) =>
      Effect.withFiber((fiber) => {
        const looked = fiber.getRef(LookedAt)
        const json = call.input === undefined ? "" : JSON.stringify(call.input, null, 2)
        const input = Cut.within(json, maxShown)
        const { destructive, readOnly } = definition?.annotations ?? {}
        const answer = Deferred.makeUnsafe<Decision>()
        const key = model.asked({
          cell: looked?.cell.key ?? 0,
          call: looked?.call.number ?? 0,
          tool: Identifier.fromName(call.tool),
          description: Cut.within(definition?.description ?? "", maxDescription),
          effects: readOnly === true ? "read-only" : destructive === true ? "destructive" : "unknown",
          input,
          omitted: json.length - input.length
        })
        answers.set(key, answer)
        return Effect.ensuring(
          Deferred.await(answer),
          Effect.sync(() => {
            answers.delete(key)
            model.answered(key)
          })
        )
      }),
    decide: (question, { approve, input, reason, remember }) => {
      const answer = answers.get(question)
      return answer !== undefined &&
        Deferred.doneUnsafe(answer, Effect.succeed(approve ? approved(remember, input) : denied(reason, remember)))
    }
  }
}
