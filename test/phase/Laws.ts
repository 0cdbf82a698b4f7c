/**
 * What must hold of the machine that decides outcomes, in plain words, and a way to try every sequence of inputs.
 *
 * Takes the machine as an argument, so that the same laws can be held against a mutant.
 */
import type * as CellPhase from "effect-code-mode/session/CellPhase"
import * as Outbox from "effect-code-mode/session/Outbox"

export type Machine = Pick<typeof CellPhase, "initial" | "step" | "remaining">

// Every sequence of these up to length seven is played. Before each step the script puts out one more item, so that
// every event has something to lose or to repeat. After "unheard" the next one who is told goes away before hearing.
export const continuing = [
  "finished",
  "commit",
  "terminate",
  "cancelled",
  "observe",
  "lost",
  "unheard",
  "yield",
  "shutdown"
] as const
export const pausable = [
  "finished",
  "commit",
  "terminate",
  "cancelled",
  "await frontier",
  "lost",
  "unheard",
  "frontier",
  "resume",
  "shutdown"
] as const
export type Letter = typeof continuing[number] | typeof pausable[number]

/** Two million steps are checked: `assert` builds a message for each, this does not. */
const holds: (condition: boolean, law: string) => asserts condition = (condition, law) => {
  if (!condition) {
    throw new Error(law)
  }
}

interface World {
  readonly machine: Machine
  readonly state: CellPhase.State
  readonly made: number
  /** Texts in the order in which somebody heard them. */
  readonly heard: string
  readonly outcomes: ReadonlyArray<"Completed" | "Terminated">
  readonly settled: "Completed" | "Terminated" | undefined
  readonly committed: boolean
  readonly closed: boolean
  readonly terminates: number
  readonly unheard: boolean
  /** Whether an observer waits for its event. */
  readonly waiting: boolean
  readonly cancelled: boolean
  /** The generations that were resumed. */
  readonly resumed: ReadonlyArray<number>
}

const start = (machine: Machine): World => ({
  machine,
  state: machine.initial,
  made: 0,
  heard: "",
  outcomes: [],
  settled: undefined,
  committed: false,
  closed: false,
  terminates: 0,
  unheard: false,
  waiting: false,
  cancelled: false,
  resumed: []
})

/** The items are single digits, so a run of output is a string. */
const texts = (box: Outbox.Outbox) =>
  Outbox.toArray(box).map((item) => item.type === "input_text" ? item.text : "").join("")

/** Carries out one step as a cell does, and checks what must hold at every decision. */
const feed = (world: World, input: CellPhase.Input): World => {
  const [state, decisions] = world.machine.step(world.state, input)
  let next: World = { ...world, state }
  for (const decision of decisions) {
    holds(!next.closed, "nothing is decided about a closed cell but refusals")
    switch (decision._tag) {
      case "Commit": {
        holds(!next.committed, "values are committed once")
        holds(next.settled === undefined, "values are committed before the outcome is known")
        next = { ...next, committed: true }
        break
      }
      case "Settle": {
        holds(next.settled === undefined, "there is exactly one outcome")
        if (decision.ending._tag === "Completed") {
          holds(!next.cancelled, "a cell that was cancelled does not complete")
          holds(next.committed, "a completed cell's values are visible before anybody hears of it")
        } else {
          holds(!next.committed, "a terminated cell's values are never visible")
        }
        next = { ...next, settled: decision.ending._tag }
        break
      }
      case "Close": {
        holds(next.settled !== undefined, "a cell is closed only when its outcome is final")
        next = { ...next, closed: true }
        break
      }
      case "Tell": {
        next = decision.who === "terminator" ? next : { ...next, waiting: false }
        if (next.unheard) {
          next = feed({ ...next, unheard: false }, { _tag: "Unheard", what: decision.what })
          break
        }
        if (decision.what._tag === "Frontier") {
          const { first, generation, items } = decision.what
          holds(!next.resumed.includes(generation), "a frontier is not told after it was resumed")
          // A frontier may be read again; only its first reading counts.
          next = first ? { ...next, heard: next.heard + texts(items) } : next
          break
        }
        next = { ...next, heard: next.heard + texts(decision.what.items) }
        if (decision.what._tag === "Completed" || decision.what._tag === "Terminated") {
          holds(decision.what._tag === next.settled, "what is told is what was settled")
          next = feed({ ...next, outcomes: [...next.outcomes, decision.what._tag] }, { _tag: "Heard" })
        }
        break
      }
      case "Refuse":
        if (input._tag === "Terminate" && decision.reason === "AlreadyTerminating") {
          holds(world.terminates > 0, "only a second terminate is told that the cell is terminating")
        }
        break
      case "Continue": {
        const generation = world.state.pause?.generation ?? 0
        holds(generation > 0 && !next.resumed.includes(generation), "a pause is resumed once")
        next = { ...next, resumed: [...next.resumed, generation] }
        break
      }
      case "Cancel": {
        next = { ...next, cancelled: true }
        break
      }
      case "Drain":
    }
  }
  return next
}

const accepts = ({ machine, state }: World, input: CellPhase.Input) =>
  machine.step(state, input)[1].every((decision) => decision._tag !== "Refuse")

const observe = (world: World, wants: "event" | "frontier"): World => {
  const input = { _tag: "Observe", wants } as const
  const accepted = accepts(world, input)
  if (world.state.phase === "Running") {
    holds(accepted !== world.waiting, "an observer is let in when no other waits, and only then")
  }
  return feed(accepted ? { ...world, waiting: true } : world, input)
}

const play = (world: World, letter: Letter): World => {
  const item = { type: "input_text", text: String(world.made) } as const
  const running = world.state.phase === "Running" && world.state.ending === undefined && world.state.pause === undefined
  const late = { type: "input_text", text: "output after the end" } as const
  const before = running
    ? feed({ ...world, made: world.made + 1 }, { _tag: "Output", items: [item] })
    : world.state.pause === undefined
    ? feed(world, { _tag: "Output", items: [late] })
    : world
  switch (letter) {
    case "finished":
      return feed(before, { _tag: "Finished", error: undefined })
    case "commit":
      return feed(before, { _tag: "Drained", refusal: undefined })
    case "terminate": {
      if (before.state.phase === "Buffered" && !before.unheard) {
        const outcome = before.settled
        const after = feed(before, { _tag: "Terminate" })
        holds(
          after.outcomes.length === 1 && after.outcomes[0] === outcome,
          "a buffered outcome wins over a later terminate"
        )
        return { ...after, terminates: after.terminates + 1 }
      }
      if (before.state.phase === "Terminating") {
        holds(!accepts(before, { _tag: "Terminate" }), "a second terminate is refused")
      }
      const after = feed(before, { _tag: "Terminate" })
      return { ...after, terminates: after.terminates + 1 }
    }
    case "cancelled":
      return feed(before, { _tag: "Cancelled" })
    case "observe":
      return observe(before, "event")
    case "await frontier":
      return observe(before, "frontier")
    case "frontier":
      return feed(before, { _tag: "Frontier", pending: [] })
    case "resume": {
      const generation = before.state.pause?.generation
      const after = feed(before, { _tag: "Resume", generation: before.state.lastGeneration })
      holds(
        (generation !== undefined && before.state.phase === "Running") ===
          (after.resumed.length > before.resumed.length),
        "a cell that stands still is resumed, and no other"
      )
      return after
    }
    case "unheard":
      return { ...before, unheard: true }
    case "lost":
      return feed({ ...before, waiting: false }, { _tag: "ObserverLost" })
    case "yield":
      return feed(before, { _tag: "Yield", by: "script" })
    case "shutdown":
      return feed({ ...before, terminates: before.terminates + 1 }, { _tag: "Shutdown" })
  }
}

/** What must hold of a world at rest. */
const check = (world: World) => {
  holds(world.closed === (world.state.phase === "Gone"), "a cell is gone when it is closed, and not before")
  holds(world.outcomes.length <= 1, "the outcome is given once")
  const expected = "01234567".slice(0, world.made)
  if (world.outcomes.length === 1) {
    holds(world.heard === expected, "all output was heard, in order, once")
  } else {
    holds(
      world.heard + texts(world.machine.remaining(world.state)) === expected,
      "output is heard or kept, in order, once"
    )
  }
}

/** Plays every sequence, and gives their number. */
export const explore = (machine: Machine, alphabet: ReadonlyArray<Letter>, depth: number): number => {
  const path: Array<Letter> = []
  // Two sequences of one length that lead to the same world have the same future.
  const known = new Map<string, number>()
  const visit = (world: World): number => {
    // A closed cell answers everything in the same way; there is nothing new behind it.
    if (path.length === depth || world.closed) {
      return 1
    }
    const key = `${path.length} ${JSON.stringify({ ...world, machine: undefined })}`
    const before = known.get(key)
    if (before !== undefined) {
      return before
    }
    let sequences = 0
    for (const letter of alphabet) {
      path.push(letter)
      const next = play(world, letter)
      check(next)
      sequences += visit(next)
      path.pop()
    }
    known.set(key, sequences)
    return sequences
  }
  try {
    return visit(start(machine))
  } catch (error) {
    throw new Error(`after ${path.join(", ")}: ${String(error)}`, { cause: error })
  }
}
