/**
 * Asks the person at the terminal whether a call may be made.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Approver from "../../Approver.ts"
import { attempt } from "../../data/Attempt.ts"
import * as ElicitedApprovals from "../../mcp-server/ElicitedApprovals.ts"
import { empty, foreign, text } from "./Printable.ts"
import * as Printer from "./Printer.ts"
import type * as Prompt from "./Prompt.ts"
import type { Converse } from "./Questions.ts"

const choices = text`y allows it; c and s allow this tool in the cell, in the session
  n denies it, n REASON says why; other arguments, in JSON, allow it with these`

/** What a line decides, if it does. */
export const decision = (line: string): Approver.Decision | undefined => {
  const [, word = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(line.trim()) ?? []
  const approved = (remember: Approver.Remember) => rest === "" ? Approver.approved(remember) : undefined
  switch (word.toLowerCase()) {
    case "n":
    case "no":
      return rest === "" ? ElicitedApprovals.declined : Approver.denied(rest)
    case "y":
    case "yes":
      return approved("once")
    case "c":
    case "cell":
      return approved("cell")
    case "s":
    case "session":
      return approved("session")
    default: {
      const input = /^[[{]/.test(word) ? attempt((): Schema.Json => JSON.parse(line)) : undefined
      return input === undefined ? undefined : Approver.approved("once", input)
    }
  }
}

const askAt = (request: Approver.ApprovalRequest) => (prompt: Prompt.Prompt) =>
  Effect.gen(function*() {
    yield* Printer.tell(
      text`${foreign("call that waits for an approval", ElicitedApprovals.message(request), "quote")}\n  ${choices}`
    )
    while (true) {
      const typed = yield* prompt.next(text`  Allow it? `)
      if (typed._tag === "Interrupt") {
        yield* Printer.tell(empty)
        return ElicitedApprovals.unanswered
      }
      const decided = decision(typed.line)
      if (decided !== undefined) {
        return decided
      }
      yield* Printer.tell(text`  It should be y, c, s, n, or arguments in JSON.`)
    }
  })

/** The end of the input denies a call. */
export const approver = (converse: Converse): Approver.Approver["Service"] =>
  Approver.Approver.of({
    ask: (request) => converse(askAt(request), ElicitedApprovals.unanswered)
  })
