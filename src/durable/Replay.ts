/**
 * Brings an isolate to where its journal ends: it is given the turns that it had, and has to do what it did.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Queue from "effect/Queue"
import type { IsolateEvent, IsolateHandle, PastTurn } from "../Isolate.ts"
import type { ToolCallId } from "../Protocol.ts"
import type { Record } from "../Store.ts"
import type { Answer, Of } from "./History.ts"

/** It is back. */
export interface Back {
  /** Where it stands, unless it goes on. */
  readonly standing: { readonly timers: number; readonly due?: number } | undefined
  /** What it has done after the end of the journal. */
  readonly leftover: ReadonlyArray<IsolateEvent>
}

/** What is different. Without a text, the isolate was lost. */
class Divergence {
  readonly _tag = "Divergence"
  readonly text: string | undefined

  constructor(text: string | undefined) {
    this.text = text
  }
}

/** One thing that a script did. */
type Deed =
  | { readonly _tag: "Output"; readonly item: unknown }
  | { readonly _tag: "Call"; readonly id: ToolCallId; readonly tool: number; readonly input: string | undefined }
  | { readonly _tag: "Notify"; readonly text: string }
  | { readonly _tag: "Yield" }
  | { readonly _tag: "Frontier"; readonly timers: number; readonly due: number | undefined }

/** What a journal says that an isolate did, and the turns that it had. */
export interface Score {
  readonly steps: ReadonlyArray<Deed>
  readonly turns: ReadonlyArray<PastTurn>
}

const noAnswer: Answer = { _tag: "Rejected", text: "the journal has no answer", effect: "unknown" }

const toPastTurn = ({ at, cause }: Of<"Turn">, answers: ReadonlyMap<ToolCallId, Answer>): PastTurn => ({
  now: at,
  timer: cause._tag === "Timer",
  answers: cause._tag === "Timer" ? [] : cause.calls.map((id) => {
    const answer = answers.get(id) ?? noAnswer
    return answer._tag === "Resolved" ? [id, true, answer.json] : [id, false, JSON.stringify(answer.text)]
  })
})

/** Reads the records of one cell. */
export const read = (records: ReadonlyArray<Record>): Score => {
  const steps: Array<Deed> = []
  const turns: Array<PastTurn> = []
  const answers = new Map<ToolCallId, Answer>()
  let frontiers = 0
  for (const record of records) {
    switch (record._tag) {
      case "Output":
        record.items.forEach((item) => steps.push({ _tag: "Output", item }))
        break
      case "Called":
        steps.push({ _tag: "Call", id: record.call, tool: record.tool, input: record.input })
        break
      case "Notified":
        steps.push({ _tag: "Notify", text: record.text })
        break
      case "Yielded":
        steps.push({ _tag: "Yield" })
        break
      case "Frontier":
        // One that was told again is the same one.
        if (turns.length === frontiers) {
          frontiers++
          steps.push({ _tag: "Frontier", timers: record.timers, due: record.due })
        }
        break
      case "Answered":
        answers.set(record.call, record.answer)
        break
      case "Turn":
        turns.push(toPastTurn(record, answers))
    }
  }
  return { steps, turns }
}

const deedsOf = (event: IsolateEvent): ReadonlyArray<Deed> => {
  switch (event._tag) {
    case "Output":
      return event.items.map((item) => ({ _tag: "Output", item }))
    case "ToolCalls":
      return event.calls.map(({ id, input, tool }) => ({ _tag: "Call", id, tool, input }))
    case "Notify":
      return [{ _tag: "Notify", text: event.text }]
    case "YieldRequested":
      return [{ _tag: "Yield" }]
    case "Frontier":
      return [{ _tag: "Frontier", timers: event.timers, due: event.due }]
    case "Started":
    case "Finished":
      return []
  }
}

/** An event with what is left of it. */
const rest = (event: IsolateEvent, from: number): IsolateEvent =>
  event._tag === "Output"
    ? { ...event, items: event.items.slice(from) }
    : event._tag === "ToolCalls"
    ? { ...event, calls: event.calls.slice(from) }
    : event

const say = (step: Deed | undefined): string => {
  switch (step?._tag) {
    case undefined:
      return "the end of the script"
    case "Output":
      return "output"
    case "Call":
      return `the call ${step.id}`
    case "Notify":
      return "a notification"
    case "Yield":
      return "a yield"
    case "Frontier":
      return "a wait"
  }
}

const difference = (expected: Deed | undefined, found: Deed | undefined, place: number): Divergence =>
  new Divergence(
    expected?._tag === found?._tag
      ? `${say(found)} is different (step ${place})`
      : `there is ${say(found)} where there was ${say(expected)} (step ${place})`
  )

const isSame = (one: Deed, other: Deed): boolean => {
  switch (one._tag) {
    case "Output":
      return other._tag === "Output" && Equal.equals(one.item, other.item)
    case "Call":
      return other._tag === "Call" && one.id === other.id && one.tool === other.tool && one.input === other.input
    case "Notify":
      return other._tag === "Notify" && one.text === other.text
    case "Yield":
      return other._tag === "Yield"
    case "Frontier":
      return other._tag === "Frontier" && one.timers === other.timers && one.due === other.due
  }
}

/** Compares what an isolate does that was started with the turns of a journal. */
export const run = (lane: IsolateHandle, { steps, turns }: Score): Effect.Effect<Back, Divergence> => {
  let next = 0
  let frontiers = 0

  /** What is known once these events are compared, if it is. */
  const compare = (events: ReadonlyArray<IsolateEvent>): Back | Divergence | undefined => {
    for (let index = 0; index < events.length; index++) {
      const event = events[index]!
      const leftover = (from: number): Back => ({
        standing: undefined,
        leftover: [rest(event, from), ...events.slice(index + 1)]
      })
      if (event._tag === "Finished") {
        return next < steps.length ? difference(steps[next], undefined, next) : leftover(0)
      }
      const deeds = deedsOf(event)
      for (let place = 0; place < deeds.length; place++) {
        const expected = steps[next]
        if (expected === undefined) {
          return leftover(place)
        }
        if (!isSame(expected, deeds[place]!)) {
          return difference(expected, deeds[place], next)
        }
        next++
      }
      if (event._tag === "Frontier" && ++frontiers > turns.length) {
        return {
          standing: event.due === undefined ? { timers: event.timers } : { timers: event.timers, due: event.due },
          leftover: []
        }
      }
    }
    return undefined
  }

  const go: Effect.Effect<Back, Divergence> = Effect.suspend(() =>
    Effect.matchEffect(Queue.takeAll(lane.events), {
      onFailure: () => Effect.fail(new Divergence(undefined)),
      onSuccess: (events) => {
        const known = compare(events)
        return known === undefined
          ? go
          : known instanceof Divergence
          ? Effect.fail(known)
          : Effect.succeed(known)
      }
    })
  )
  return go
}
