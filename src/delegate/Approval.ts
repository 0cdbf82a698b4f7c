/**
 * Asks before a call has an effect, and remembers what was decided.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { type ApprovalRequest, Approver, type Decision } from "../Approver.ts"
import { Remembered } from "../data/Remembered.ts"
import { type NestedToolCall, type ToolDefinition, type ToolError } from "../Protocol.ts"
import * as Owner from "./Owner.ts"
import { nameOf, refuse } from "./Shape.ts"

// =============================================================================
// Waiting
// =============================================================================

export const ApprovalWait = Context.Reference<{
  readonly began: (when: "before" | "within") => void
  readonly ended: (isAnswered: boolean) => void
  readonly begins?: Effect.Effect<void> | undefined
}>(
  "effect-code-mode/ApprovalWait",
  { defaultValue: () => ({ began: () => {}, ended: () => {} }) }
)

const waiting = <A, E, R>(when: "before" | "within", self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const wait = fiber.getRef(ApprovalWait)
    return Effect.acquireUseRelease(
      Effect.sync(() => wait.began(when)),
      () => self,
      (_, exit) => Effect.sync(() => wait.ended(!Exit.hasInterrupts(exit)))
    )
  })

export const awaitingApproval = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  waiting("within", self)

// =============================================================================
// Asking
// =============================================================================

/** Tools of a session, or of a cell, whose decisions are remembered. Past that, the oldest are asked for again. */
const maxRemembered = 1024

/** The call of this fiber that was agreed on. What is around a delegate and what is in it ask once. */
const Approved = Context.Reference<string | undefined>("effect-code-mode/delegate/Approved", {
  defaultValue: () => undefined
})

/** Who is asked as well as the approver, if there is one: the first answer counts. */
export const AlsoAsked = Context.Reference<((request: ApprovalRequest) => Effect.Effect<Decision>) | undefined>(
  "effect-code-mode/delegate/AlsoAsked",
  { defaultValue: () => undefined }
)

/** Runs a call with the input that was agreed on, once it was. */
export type Gate = (
  call: NestedToolCall,
  definition: ToolDefinition | undefined,
  invoke: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
) => Effect.Effect<Schema.Json, ToolError>

/** A call that waits for a decision. */
interface Question {
  readonly tool: string
  readonly owner: Owner.Owner
  /** What another answer has decided. */
  readonly answer: Deferred.Deferred<Decision>
}

/** Leaves a decision to the other one who is asked, where there is one. */
export const unlessOther = (decision: Decision): Effect.Effect<Decision> =>
  Effect.flatMap(AlsoAsked, (other) => other === undefined ? Effect.succeed(decision) : Effect.never)

/** Asks both, where there are two. */
const together = (
  one: Approver["Service"]["ask"] | undefined,
  other: Approver["Service"]["ask"] | undefined
): Approver["Service"]["ask"] | undefined =>
  one === undefined || other === undefined
    ? one ?? other
    : (request) => Effect.raceFirst(one(request), other(request))

/** Without an approver, there is no approval to be had. */
const make = (approver: Approver["Service"] | undefined): Gate => {
  const resolve = Owner.resolver()
  const decisionsOf = Owner.perOwner(() => new Remembered<string, Decision>(maxRemembered))
  const everyone = {}
  const questions = new Set<Question>()

  const remembered = (tool: string, { cell, session }: Owner.Owner): Decision | undefined =>
    decisionsOf(cell).get(tool) ?? decisionsOf(session).get(tool) ?? decisionsOf(everyone).get(tool)

  const keep = (tool: string, { cell, session }: Owner.Owner, decision: Decision): void => {
    const { _tag, remember } = decision
    if (remember !== "once") {
      decisionsOf(remember === "cell" ? cell : remember === "session" ? session : everyone)
        // What was edited was edited for that one call.
        .set(tool, _tag === "Approved" ? { _tag, remember } : decision)
    }
  }

  /** Asks, until there is an answer to this question or to one that decides it, too. */
  const ask = (
    decide: (request: ApprovalRequest) => Effect.Effect<Decision>,
    call: NestedToolCall,
    definition: ToolDefinition | undefined,
    owner: Owner.Owner
  ) => {
    const { tool } = call
    const answer = Deferred.makeUnsafe<Decision>()
    const question: Question = { tool, owner, answer }
    const asked = Effect.tap(decide({ call, definition }), (decision) =>
      Effect.sync(() => {
        questions.delete(question)
        keep(tool, owner, decision)
        for (const other of questions) {
          const known = other.tool === tool ? remembered(tool, other.owner) : undefined
          if (known !== undefined) {
            Deferred.doneUnsafe(other.answer, Effect.succeed(known))
          }
        }
      }))
    questions.add(question)
    return waiting(
      "before",
      Effect.ensuring(
        Effect.raceFirst(asked, Deferred.await(answer)),
        Effect.sync(() => questions.delete(question))
      )
    )
  }

  return (call, definition, invoke) =>
    Effect.withFiber((fiber) => {
      if (fiber.getRef(Approved) === call.idempotencyKey) {
        return invoke(call)
      }
      const decide = together(approver?.ask, fiber.getRef(AlsoAsked))
      if (decide === undefined) {
        return refuse(`${nameOf(call)} was not called: it needs an approval, and nothing here can give one`)
      }
      const owner = resolve(fiber.getRef(Owner.Owner), call)
      const before = remembered(call.tool, owner)
      return Effect.flatMap(
        before === undefined ? ask(decide, call, definition, owner) : Effect.succeed(before),
        (decision) =>
          decision._tag === "Approved"
            ? Effect.andThen(
              // What was agreed on before may be done at once.
              before === undefined ? fiber.getRef(ApprovalWait).begins ?? Effect.void : Effect.void,
              Effect.provideService(
                invoke(decision.input === undefined ? call : { ...call, input: decision.input }),
                Approved,
                call.idempotencyKey
              )
            )
            : refuse(
              `${nameOf(call)} was not called: it was denied${
                decision.reason === undefined ? "" : `, because ${decision.reason}`
              }. Do not try it again in the same way.`
            )
      )
    })
}

/** Asks the approver that is there, if there is one. */
export const gate: Effect.Effect<Gate> = Effect.map(
  Effect.serviceOption(Approver),
  (approver) => make(Option.getOrUndefined(approver))
)
