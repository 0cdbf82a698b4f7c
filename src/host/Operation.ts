/**
 * One request of a client, from its arrival to its last answer.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Frame from "./Frame.ts"
import type { Answer, CellResponse, MessageId } from "./Message.ts"
import type { Outgoing } from "./Outgoing.ts"

/** Requests of one client that may be in flight. */
export const maxOperations = 4096

/** What it hears past that. */
export const tooManyOperations = "code-mode host has too many in-flight requests"

export class Operation {
  readonly id: MessageId
  private readonly outgoing: Outgoing
  private readonly clock: Clock.Clock
  private readonly begun: bigint
  private state: "unanswered" | "started" | "answered" = "unanswered"
  private yieldRequested = false
  private yieldNow: Effect.Effect<void> = Effect.void

  constructor(id: MessageId, outgoing: Outgoing, clock: Clock.Clock) {
    this.id = id
    this.outgoing = outgoing
    this.clock = clock
    this.begun = clock.monotonicTimeNanosUnsafe()
  }

  /** How long it has taken so far, in nanoseconds. */
  duration(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe() - this.begun)
  }

  // ---------------------------------------------------------------------------
  // Answers
  // ---------------------------------------------------------------------------

  /** Whether nothing is left to say. */
  isAnswered(): boolean {
    return this.state === "answered"
  }

  /** Whether the client knows the cell of its `session/execute`. */
  isStarted(): boolean {
    return this.state === "started"
  }

  answer(value: Answer): void {
    const letter = this.outgoing.post({ type: "operation/response", id: this.id, result: { status: "ok", value } })
    if (letter instanceof Frame.FrameError) {
      return this.fail(`code-mode host response exceeds the IPC frame limit: ${letter.text}`)
    }
    this.state = "answered"
  }

  /** The first of the two answers to `session/execute`. */
  start(cellId: string): void {
    this.answer({ type: "execution/started", cellId })
    this.state = "started"
  }

  /** The second one. */
  respond(value: CellResponse): void {
    const letter = this.outgoing.post({ type: "execute/initialResponse", id: this.id, result: { status: "ok", value } })
    if (letter instanceof Frame.FrameError) {
      return this.fail(`code-mode initial response exceeds the IPC frame limit: ${letter.text}`)
    }
    this.state = "answered"
  }

  /** Answers with an error, unless everything is answered. */
  fail(message: string): void {
    if (this.state !== "answered") {
      this.outgoing.post({
        type: this.state === "started" ? "execute/initialResponse" : "operation/response",
        id: this.id,
        result: { status: "error", message }
      })
      this.state = "answered"
    }
  }

  // ---------------------------------------------------------------------------
  // Yielding
  // ---------------------------------------------------------------------------

  /** Makes the observation answer now, or as soon as it begins. */
  readonly requestYield: Effect.Effect<void> = Effect.suspend(() => {
    this.yieldRequested = true
    return this.yieldNow
  })

  /** The observation begins. Gives whether it is to answer at once; from now on `yieldNow` makes it answer. */
  beginObserving(yieldNow: Effect.Effect<void>): boolean {
    this.yieldNow = yieldNow
    return this.yieldRequested
  }
}
