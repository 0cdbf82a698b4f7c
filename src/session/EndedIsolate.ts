/**
 * The hold on a script that has ended, or never ran: it has said what it has to say, and hears nothing.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { IsolateEvent, IsolateHandle } from "../Isolate.ts"

export const make = (...said: ReadonlyArray<IsolateEvent>): Effect.Effect<IsolateHandle> =>
  Effect.map(Queue.unbounded<IsolateEvent, Cause.Done>(), (events) => {
    Queue.offerAllUnsafe(events, said)
    Queue.endUnsafe(events)
    return {
      events,
      isBusy: () => false,
      isDegraded: () => false,
      resolve: () => {},
      reject: () => {},
      hold: () => {},
      resume: () => {},
      stop: () => {}
    }
  })
