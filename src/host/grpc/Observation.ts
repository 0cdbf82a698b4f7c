/**
 * One request about a cell, and how what it is told is said in messages.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { OutputItem } from "../../Protocol.ts"
import type * as Protobuf from "../../wire/grpc/Protobuf.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"
import type * as Session from "../Session.ts"
import { TimedRequest } from "../TimedRequest.ts"

type Told = Protobuf.Input<Service.ExecutionOutcome>

const toItem = (item: OutputItem) => {
  switch (item.type) {
    case "input_text":
      return { text: { text: item.text } }
    case "input_image":
      return { image: { image_url: item.image_url, detail: Service.ImageDetail.indexOf(item.detail ?? "high") } }
    case "input_audio":
      return { audio: { audio_url: item.audio_url } }
  }
}

const toTold = ({ cellId, error, items, state }: Session.Outcome, nanos: number): Told => ({
  cell_id: cellId,
  content_items: items.map(toItem),
  ...(state === "Yielded"
    ? { yielded: {} }
    : state === "Terminated"
    ? { terminated: {} }
    : { completed: { error_text: error ?? undefined } }),
  code_mode_host_duration_ns: nanos
})

export class Observation extends TimedRequest implements Session.Request {
  private readonly onTold: (outcome: Told) => void
  private readonly onStart: (cellId: string) => void
  private isTakenBack = false
  private readonly taken = Deferred.makeUnsafe<never, Status>()
  readonly cancelled = Deferred.await(this.taken)
  cellId: string | undefined
  outcome: Session.Outcome | undefined

  constructor(clock: Clock.Clock, options: {
    readonly yieldRequested?: boolean | undefined
    readonly onStart?: ((cellId: string) => void) | undefined
    readonly onTold?: ((outcome: Told) => void) | undefined
  } = {}) {
    super(clock, options.yieldRequested)
    this.onStart = options.onStart ?? (() => {})
    this.onTold = options.onTold ?? (() => {})
  }

  /** Its caller is not to be told any more. */
  takeBack(): void {
    this.isTakenBack = true
  }

  /** Its caller is to be told nothing but that. */
  cancel(): void {
    Deferred.doneUnsafe(this.taken, Effect.fail(status("CANCELLED", "code-mode wait was cancelled")))
  }

  isAnswered(): boolean {
    return this.isTakenBack
  }

  start(cellId: string): void {
    this.cellId = cellId
    this.onStart(cellId)
  }

  tell(outcome: Session.Outcome): void {
    this.outcome = outcome
    this.onTold(this.told())
  }

  told(): Told {
    return toTold(this.outcome!, this.nanos())
  }
}
