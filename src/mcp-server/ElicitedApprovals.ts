/**
 * Approvals that are asked for as MCP servers ask: by a message and a form.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Approver from "../Approver.ts"
import { unlessOther } from "../delegate/Approval.ts"
import type { Elicitation, ElicitationAnswer } from "../Mcp.ts"
import type { ToolAnnotations } from "../Protocol.ts"
import * as Cut from "../text/Cut.ts"
import * as Identifier from "../text/Identifier.ts"
import * as Visible from "../text/Visible.ts"
import * as Bounds from "./Bounds.ts"

/** The answer stands for more than the call, if the person says so. */
const form: Schema.JsonObject = {
  type: "object",
  properties: {
    session: {
      type: "boolean",
      title: "For the whole session",
      description: "Allow every further call of this tool until the session ends, too",
      default: false
    }
  }
}

const shown = (input: Schema.Json | undefined): string => {
  const text = input === undefined ? "nothing" : Visible.lines(JSON.stringify(input, null, 2))
  return text.length <= Bounds.maxShownInput
    ? text
    : `${Cut.marked(text, Bounds.maxShownInput)}\n(${text.length - Bounds.maxShownInput} more characters)`
}

const effects = ({ destructive, readOnly }: ToolAnnotations = {}): string =>
  readOnly === true ? " (read-only)" : destructive === true ? " (destructive)" : ""

/** What a person is asked. */
export const message = ({ call, definition }: Approver.ApprovalRequest): string =>
  `A cell wants to call ${Visible.line(Identifier.fromName(call.tool))}${effects(definition?.annotations)} with:\n${
    shown(call.input)
  }`

/** What the cell is told of a person who does not agree, and gives no reason. */
export const declined = Approver.denied("the user declined it")
export const unanswered = Approver.denied("the user did not answer")

const decision = (answer: ElicitationAnswer): Approver.Decision =>
  answer.action === "accept"
    ? Approver.approved(answer.content.session === true ? "session" : "once")
    : answer.action === "decline"
    ? declined
    : unanswered

/** Asks by a function that may have no way to ask. */
export const make = (
  ask: (question: Pick<Elicitation, "message" | "schema">) => Effect.Effect<
    ElicitationAnswer,
    { readonly why: string }
  >
): Approver.Approver["Service"] =>
  Approver.Approver.of({
    ask: (request) =>
      ask({ message: message(request), schema: form }).pipe(
        Effect.map(decision),
        // Where another can decide, a client that has no way to ask has no say.
        Effect.catch(({ why }) => unlessOther(Approver.denied(why)))
      )
  })
