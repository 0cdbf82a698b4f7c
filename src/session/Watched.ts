/**
 * What happens in a session, for those who watch it. Its cells are counted here.
 *
 * @internal
 */
import type * as Stream from "effect/Stream"
import type { ActivityEvent, CallEvent, Lagged, LifecycleEvent, Limits } from "../Protocol.ts"
import type { Meter } from "../telemetry/Meter.ts"
import * as Broadcast from "./Broadcast.ts"

export interface Watched {
  readonly cell: (event: LifecycleEvent) => void
  /** Whether there is a reader of what happens to calls. */
  readonly hearsCalls: () => boolean
  readonly call: (event: CallEvent) => void
  readonly end: () => void
  readonly events: Stream.Stream<LifecycleEvent, Lagged>
  readonly activity: Stream.Stream<ActivityEvent, Lagged>
}

const count = (meter: Meter, event: LifecycleEvent): void => {
  switch (event._tag) {
    case "Admitted":
      return meter.cellAdmitted()
    case "Settled":
      return meter.cellSettled(event.outcome)
    case "Closed":
      return meter.cellClosed()
    case "Stalled":
  }
}

/** A session of such bounds: a reader may be behind by what all of its cells and the calls of one can say. */
export const make = ({ maxLiveCells, maxPendingCallbacks }: Limits, meter: Meter): Watched => {
  const perCell = 4
  const perCall = 4
  const cells = Broadcast.make<LifecycleEvent>(perCell * maxLiveCells)
  const all = Broadcast.make<ActivityEvent>(perCell * maxLiveCells + perCall * maxPendingCallbacks)
  return {
    cell: (event) => {
      count(meter, event)
      cells.publish([event])
      all.publish([event])
    },
    hearsCalls: all.hasReaders,
    call: (event) => all.publish([event]),
    end: () => {
      cells.end()
      all.end()
    },
    events: cells.stream(() => []),
    activity: all.stream(() => [])
  }
}
