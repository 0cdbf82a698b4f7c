/**
 * An end to waiting for a tool, which holds for one that ignores its interruption, too.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { type ToolDefinition, ToolError } from "../Protocol.ts"
import { ApprovalWait } from "./Approval.ts"
import { Deadline } from "./Deadline.ts"
import { nameOf, type Shape, withInvoke } from "./Shape.ts"

/** How long an interrupted call may take to end before it is given up. */
const grace = "100 millis"

/** Interrupts a call whose time is over. It may go on, and what it gives is dropped. */
const giveUp = (name: string, call: Fiber.Fiber<unknown, unknown>) =>
  Effect.flatMap(
    Effect.timeoutOption(Fiber.interrupt(call), grace),
    (ended) =>
      Option.isSome(ended)
        ? Effect.void
        : Effect.logWarning(`the tool ${name} ignored its interruption after its time was over, and was abandoned`)
  )

export const withTimeout = (
  self: Shape,
  duration: Duration.Input | ((tool: ToolDefinition | undefined) => Duration.Input)
): Shape =>
  withInvoke(self, (call, definition) => {
    const limit = Duration.fromInputUnsafe(typeof duration === "function" ? duration(definition) : duration)
    return !Duration.isFinite(limit) ? self.invokeTool(call) : Effect.withFiber((caller) => {
      const runFork = Effect.runForkWith(caller.context)
      const wait = caller.getRef(ApprovalWait)
      const late = Deferred.makeUnsafe<never, ToolError>()
      const text = `${nameOf(call)} gave no answer within ${Duration.format(limit)}`
      const deadline = new Deadline({
        limit,
        clock: caller.getRef(Clock.Clock),
        runFork,
        onOver: () => Deferred.doneUnsafe(late, Effect.fail(new ToolError({ text })))
      })
      const answer: Fiber.Fiber<Schema.Json, ToolError> = runFork(
        Effect.scoped(Effect.provideService(self.invokeTool(call), ApprovalWait, {
          began: (when) => {
            deadline.pause()
            wait.began(when)
          },
          ended: (isAnswered) => {
            deadline.resume()
            wait.ended(isAnswered)
          }
        }))
      )
      return Effect.onExit(Effect.raceFirst(Fiber.join(answer), Deferred.await(late)), (exit) => {
        deadline.stop()
        return answer.pollUnsafe() !== undefined
          ? Effect.void
          : Exit.hasFails(exit)
          ? giveUp(nameOf(call), answer)
          : Fiber.interrupt(answer)
      })
    })
  })
