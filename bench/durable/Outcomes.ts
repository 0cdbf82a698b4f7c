/** What the cells of a session came to, where hosts are killed, and what they come to where nothing disturbs them. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isDeepStrictEqual } from "node:util"
import type { CellEvent, CellId } from "../../dist/Protocol.js"
import * as Runtime from "../../dist/Runtime.js"
import * as V8 from "../../dist/V8.js"
import { count, violate } from "../Violations.ts"
import * as Dice from "./Dice.ts"
import type { Told } from "./Hosts.ts"
import * as Work from "./Work.ts"
import type * as World from "./World.ts"

/** What a cell came to: its output, how it ended. */
export interface Outcome {
  readonly texts: ReadonlyArray<string>
  readonly end: string
}

export interface Run {
  readonly outcomes: Array<Outcome>
  values: unknown
}

export const textsOf = ({ items }: CellEvent) => items.map((item) => item.type === "input_text" ? item.text : item.type)

export const endOf = (event: CellEvent) =>
  event._tag === "Completed" && event.error !== undefined ? `${event._tag}: ${event.error.text}` : event._tag

export const sourcesOf = (name: string, seed: number): () => string => {
  const dice = Dice.make(seed * 1000 + Number(name.slice(1)))
  return () => Work.sourceOf(dice)
}

/** What a session comes to that nothing disturbs. */
const undisturbed = (name: string, seed: number, cells: number) =>
  Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const sourceOf = sourcesOf(name, seed)
    const outcomes: Array<Outcome> = []
    for (let cell = 0; cell < cells; cell++) {
      const { cell: made, initial } = yield* session.execute({ callId: "c", source: sourceOf() })
      let event = yield* initial
      const texts = [...textsOf(event)]
      while (event._tag === "Yielded") {
        event = yield* session.observe(made)
        texts.push(...textsOf(event))
      }
      outcomes.push({ texts, end: endOf(event) })
    }
    return { outcomes, values: yield* session.storedValues }
  }).pipe(Effect.provide(Layer.fresh(Runtime.layer())))

/** Holds that no host appends to a session once another one has claimed it. */
export const fencing = () => {
  const claims = new Map<string, Array<{ readonly epoch: number; readonly ended: number }>>()
  return (host: string) => (told: Told) => {
    if (told.told === "claim") {
      claims.set(told.session, [...(claims.get(told.session) ?? []), told])
    }
    if (told.told === "append" && told.records > 0) {
      count("appends")
      const later = claims.get(told.session)?.find(({ ended, epoch }) => epoch > told.epoch && ended < told.began)
      if (later !== undefined) {
        violate(`${host} appended to ${told.session} with epoch ${told.epoch} after a claim of ${later.epoch}`)
      }
    }
  }
}

/** Holds that sessions came to what they come to where nothing disturbs them. */
export const compare = async (names: ReadonlyArray<string>, runs: ReadonlyArray<Run>, seed: number) => {
  const wanted = await Effect.runPromise(
    Effect.forEach(names, (name, index) => undisturbed(name, seed, runs[index]!.outcomes.length), { concurrency: 4 })
      .pipe(
        Effect.provide(Layer.mergeAll(Work.undisturbed, V8.layer({ maxLanes: 4, warmLanes: 0 }))),
        Effect.scoped
      )
  )
  for (const [index, name] of names.entries()) {
    for (const [number, outcome] of runs[index]!.outcomes.entries()) {
      const want = wanted[index]!.outcomes[number]
      if (!isDeepStrictEqual(outcome, want)) {
        violate(`${name}, cell ${number}: ${JSON.stringify(outcome)} and not ${JSON.stringify(want)}`)
      }
    }
    if (!isDeepStrictEqual(runs[index]!.values, wanted[index]!.values)) {
      violate(`${name}: stored ${JSON.stringify(runs[index]!.values)}, not ${JSON.stringify(wanted[index]!.values)}`)
    }
  }
}

/** Holds that each of these cells has notified. */
export const checkNotified = (cells: Iterable<CellId>, world: World.World) => {
  for (const cell of cells) {
    if (!world.notified.has(cell)) {
      violate(`the notification of cell ${cell} never came`)
    }
  }
}

/** Holds that calls that must not be performed again were not. */
export const countCalls = (world: World.World) => {
  for (const [key, { times, tool }] of world.performed) {
    count(`calls of ${tool}`)
    if (times > 1) {
      count(`calls of ${tool} that were performed more than once`)
      if (tool === "once") {
        violate(`the call ${key} of once was performed ${times} times`)
      }
    }
  }
}
