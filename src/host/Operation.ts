/**
 * One request of a client, from its arrival to its last answer.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { FrameError } from "../wire/Frame.ts"
import type { Answer, CellResponse, HostMessage, MessageId, Request } from "../wire/Message.ts"
import type { Post } from "./Post.ts"
import type * as Session from "./Session.ts"
import { TimedRequest } from "./TimedRequest.ts"

/** Why an operation did not do what it was to do. */
export class OperationError extends Schema.TaggedError<OperationError>("effect-code-mode/host/OperationError")(
  "OperationError",
  { message: Schema.String }
) {}

const cancelled = "code-mode request cancelled"

export class Operation extends TimedRequest implements Session.Request {
  readonly id: MessageId
  private readonly method: Request["method"]
  private readonly post: Post
  private state: "unanswered" | "started" | "answered" = "unanswered"
  private fiber: Fiber.Fiber<void, OperationError> | undefined

  constructor(id: MessageId, method: Request["method"], post: Post, clock: Clock.Clock) {
    super(clock)
    this.id = id
    this.method = method
    this.post = post
  }

  /** Does what was asked for. The client hears how that ended, unless it was answered on the way. */
  run<R>(
    runFork: <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.Fiber<A, E>,
    work: Effect.Effect<void, OperationError, R>,
    onEnd: () => void
  ): void {
    this.fiber = runFork(work)
    this.fiber.addObserver((exit) => {
      onEnd()
      if (Exit.isSuccess(exit)) {
        return
      }
      const error = Cause.findErrorOption(exit.cause)
      if (Option.isSome(error)) {
        return this.fail(error.value.message)
      }
      if (Cause.hasInterruptsOnly(exit.cause)) {
        return this.fail(cancelled)
      }
      runFork(Effect.logError("a request of a client failed for no reason of its own", exit.cause))
      this.fail("code-mode request task failed")
    })
  }

  /** Stops it, whatever it does. */
  interrupt(): void {
    this.fiber?.interruptUnsafe()
  }

  /** Takes it back, as far as that can be done. */
  cancel(): void {
    if (this.method === "session/wait") {
      this.interrupt()
    } else if (this.method === "session/execute" && this.state !== "started") {
      // Its cell may be there the next moment. It is stopped then.
      this.fail(cancelled)
    }
  }

  private toResponse({ bufferedNanos, cellId, error, items, state }: Session.Outcome): CellResponse {
    const code_mode_host_duration_ns = this.nanos()
    if (state === "Completed" || state === "Missing") {
      return {
        Result: {
          cell_id: cellId,
          content_items: items,
          error_text: error,
          result_buffered_for_ns: bufferedNanos,
          code_mode_host_duration_ns
        }
      }
    }
    const stillThere = { cell_id: cellId, content_items: items, code_mode_host_duration_ns }
    return state === "Yielded" ? { Yielded: stillThere } : { Terminated: stillThere }
  }

  // ---------------------------------------------------------------------------
  // Answers
  // ---------------------------------------------------------------------------

  /** Whether nothing is left to say. */
  isAnswered(): boolean {
    return this.state === "answered"
  }

  answer(value: Answer): void {
    this.send("host response", { type: "operation/response", id: this.id, result: { status: "ok", value } })
  }

  /** The first of the two answers to `session/execute`. */
  start(cellId: string): void {
    this.answer({ type: "execution/started", cellId })
    this.state = "started"
  }

  /** The only answer to the others that are about a cell, and the second one to `session/execute`. */
  tell(outcome: Session.Outcome): void {
    const value = this.toResponse(outcome)
    if (this.state === "started") {
      this.send("initial response", { type: "execute/initialResponse", id: this.id, result: { status: "ok", value } })
    } else {
      this.answer({
        type: "wait/completed",
        outcome: outcome.state === "Missing" ? { MissingCell: value } : { LiveCell: value }
      })
    }
  }

  private send(what: string, message: HostMessage): void {
    const letter = this.post(message)
    if (letter instanceof FrameError) {
      return this.fail(`code-mode ${what} exceeds the IPC frame limit: ${letter.message}`)
    }
    this.state = "answered"
  }

  /** Answers with an error, unless everything is answered. */
  fail(message: string): void {
    if (this.state !== "answered") {
      this.post({
        type: this.state === "started" ? "execute/initialResponse" : "operation/response",
        id: this.id,
        result: { status: "error", message }
      })
      this.state = "answered"
    }
  }
}
