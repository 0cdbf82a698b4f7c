/**
 * The observers of a host's cells: one at a time for each cell, and nothing is lost on one that goes away.
 *
 * **Details**
 *
 * An observer that is interrupted takes its request back. Until the host has answered that, the next observer is held
 * back, for the host would refuse it; and if the host was faster, what it said is kept for the next observer.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import { BusyObserver, type CellEvent, type CellId, type Frontier } from "../Protocol.ts"
import type { Client } from "./Client.ts"
import { type Setup, within } from "./RemoteSession.ts"

export type Told = CellEvent | Frontier

/** A request for something that a cell will say. */
export interface Exchange<A, E> {
  /** The answer, as often as it is asked for. */
  readonly answer: Effect.Effect<A, E>
  /** Asks the host to answer soon. False if there are no words for that. */
  readonly cancel: () => boolean
}

class Place {
  busy = false
  /** Open unless a request was taken back and the host has not answered yet. */
  readonly retired = Latch.makeUnsafe(true)
  /** What the host said and nobody has heard. */
  kept: Told | undefined
  /** A request that was made together with the cell, for whoever observes it first. */
  initial: Exchange<Told, unknown> | undefined
}

export class RemoteObservers {
  private readonly client: Client
  private readonly runFork: ReturnType<typeof Effect.runForkWith<never>>
  private readonly places = new Map<CellId, Place>()

  constructor({ client, context }: Setup) {
    this.client = client
    this.runFork = Effect.runForkWith(context)
  }

  /** What the cell says next. `begin` asks the host, unless that is known already or asked for. */
  observe<A extends Told, E>(
    cellId: CellId,
    begin: () => Exchange<A, E>
  ): Effect.Effect<A, E | BusyObserver> {
    return Effect.suspend((): Effect.Effect<A, E | BusyObserver> => {
      const place = this.place(cellId)
      if (place.busy) {
        return Effect.fail(new BusyObserver({ cellId }))
      }
      place.busy = true
      return Effect.andThen(
        place.retired.await,
        Effect.suspend(() => {
          // The cells of one kind say only what their observers want.
          const { initial, kept } = place as {
            readonly initial: Exchange<A, E> | undefined
            readonly kept: A | undefined
          }
          place.kept = undefined
          place.initial = undefined
          if (kept !== undefined) {
            return Effect.succeed(kept)
          }
          const exchange = initial ?? begin()
          return Effect.onInterrupt(exchange.answer, () => Effect.sync(() => this.retire(cellId, place, exchange)))
        })
      ).pipe(Effect.ensuring(Effect.sync(() => {
        place.busy = false
        this.tidy(cellId, place)
      })))
    })
  }

  /** Leaves a request that was made already to the next observer. */
  leave<A extends Told, E>(cellId: CellId, exchange: Exchange<A, E>): void {
    this.place(cellId).initial = exchange
  }

  /** Keeps what nobody has heard for the next observer. */
  keep(cellId: CellId, told: Told): void {
    // A pausable cell stays at its frontier, and tells it again.
    if (told._tag !== "Frontier") {
      this.place(cellId).kept = told
    }
  }

  /** The cell has nothing more to say. */
  forget(cellId: CellId): void {
    const place = this.places.get(cellId)
    if (place !== undefined) {
      place.kept = undefined
      place.initial = undefined
      this.tidy(cellId, place)
    }
  }

  private retire<A extends Told, E>(cellId: CellId, place: Place, { answer, cancel }: Exchange<A, E>): void {
    place.retired.closeUnsafe()
    const soon = cancel() ? within(this.client, "cancel")(answer) : answer
    this.runFork(Effect.exit(soon)).addObserver((exit) => {
      if (Exit.isSuccess(exit) && Exit.isSuccess(exit.value)) {
        this.keep(cellId, exit.value.value)
      }
      place.retired.openUnsafe()
      this.tidy(cellId, place)
    })
  }

  private place(cellId: CellId): Place {
    const place = this.places.get(cellId) ?? new Place()
    this.places.set(cellId, place)
    return place
  }

  private tidy(cellId: CellId, place: Place): void {
    if (!place.busy && place.kept === undefined && place.initial === undefined && place.retired.isOpen()) {
      this.places.delete(cellId)
    }
  }
}
