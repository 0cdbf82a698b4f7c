/**
 * The live cells of all sessions of a host, of which there may be so many.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { SessionRuntime } from "../Runtime.ts"

type Session = SessionRuntime["Service"]

export class LiveCells {
  private readonly bound: number
  private readonly sessions = new Set<Session>()
  private starting = 0

  constructor(bound: number) {
    this.bound = bound
  }

  /** Counts the cells of a session. The result stops that. */
  add(session: Session): () => void {
    this.sessions.add(session)
    return () => this.sessions.delete(session)
  }

  /** Whether there is no place for one more. */
  readonly isFull: Effect.Effect<boolean> = Effect.suspend(() =>
    Effect.map(
      Effect.forEach(this.sessions, ({ cells }) => cells),
      (cells) => cells.reduce((count, { length }) => count + length, this.starting) >= this.bound
    )
  )

  /** Counts a cell that is made before it lives. */
  readonly start = <A, E>(create: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      this.starting++
      return Effect.ensuring(create, Effect.sync(() => this.starting--))
    })
}
