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
import * as QueueWeight from "./QueueWeight.ts"

export interface Broadcast<A> {
  readonly publish: (elements: ReadonlyArray<A>) => void
  /** Whether there is a reader, for what is costly to say. */
  readonly hasReaders: () => boolean
  /** Ends every reader once it has read what was published. */
  readonly end: () => void
  /** Everything published from when the stream starts, after what `earlier` gives at that moment. */
  readonly stream: (earlier: () => ReadonlyArray<A>) => Stream.Stream<A, Lagged>
}

/** What elements weigh, and how much those may weigh together that a reader is behind. */
export interface Weight<A> {
  readonly weigh: (element: A) => number
  readonly max: number
}

/** `capacity` is how many elements a reader may be behind. */
export const make = <A>(capacity: number, weight: Weight<A> = { weigh: () => 0, max: 0 }): Broadcast<A> => {
  const readers = new Map<Queue.Queue<A, Lagged | Cause.Done>, QueueWeight.QueueWeight>()
  let ended = false

  const subscribe = (earlier: () => ReadonlyArray<A>) =>
    Effect.acquireRelease(
      Effect.map(Queue.unbounded<A, Lagged | Cause.Done>(), (reader) => {
        const weighIn = QueueWeight.make(reader)
        for (const element of earlier()) {
          weighIn(weight.weigh(element))
          Queue.offerUnsafe(reader, element)
        }
        if (ended) {
          Queue.endUnsafe(reader)
        } else {
          readers.set(reader, weighIn)
        }
        return reader
      }),
      (reader) => Effect.sync(() => readers.delete(reader))
    )

  const publish = (element: A) => {
    for (const [reader, weighIn] of readers) {
      const waiting = Queue.sizeUnsafe(reader)
      if (waiting >= capacity || weighIn(weight.weigh(element)) > weight.max) {
        readers.delete(reader)
        Queue.failCauseUnsafe(reader, Cause.fail(new Lagged({ capacity: waiting })))
      } else {
        Queue.offerUnsafe(reader, element)
      }
    }
  }

  return {
    publish: (elements) => {
      if (readers.size > 0) {
        elements.forEach(publish)
      }
    },
    hasReaders: () => readers.size > 0,
    end: () => {
      ended = true
      for (const reader of readers.keys()) {
        Queue.endUnsafe(reader)
      }
      readers.clear()
    },
    stream: (earlier) => Stream.unwrap(Effect.map(subscribe(earlier), Stream.fromQueue))
  }
}
