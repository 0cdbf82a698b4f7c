/**
 * One writer that never waits, many readers that lose nothing or are told that they did.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Lagged } from "../Protocol.ts"

export interface Broadcast<A> {
  readonly publish: (elements: ReadonlyArray<A>) => void
  /** Ends every reader once it has read what was published. */
  readonly end: () => void
  /** Everything published from when the stream starts, after what `earlier` gives at that moment. */
  readonly stream: (earlier: () => ReadonlyArray<A>) => Stream.Stream<A, Lagged>
}

/** `capacity` is how many elements a reader may be behind. */
export const make = <A>(capacity: number): Broadcast<A> => {
  const readers = new Set<Queue.Queue<A, Lagged | Cause.Done>>()
  let ended = false

  const subscribe = (earlier: () => ReadonlyArray<A>) =>
    Effect.acquireRelease(
      Effect.map(Queue.unbounded<A, Lagged | Cause.Done>(), (reader) => {
        Queue.offerAllUnsafe(reader, earlier())
        if (ended) {
          Queue.endUnsafe(reader)
        } else {
          readers.add(reader)
        }
        return reader
      }),
      (reader) => Effect.sync(() => readers.delete(reader))
    )

  return {
    publish: (elements) => {
      for (const reader of readers) {
        if (Queue.sizeUnsafe(reader) + elements.length > capacity) {
          readers.delete(reader)
          Queue.failCauseUnsafe(reader, Cause.fail(new Lagged({ capacity })))
        } else {
          Queue.offerAllUnsafe(reader, elements)
        }
      }
    },
    end: () => {
      ended = true
      for (const reader of readers) {
        Queue.endUnsafe(reader)
      }
      readers.clear()
    },
    stream: (earlier) => Stream.unwrap(Effect.map(subscribe(earlier), Stream.fromQueue))
  }
}
