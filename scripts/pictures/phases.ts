/**
 * The phases of a cell, and what leads from one to another: found by giving the machine that decides it every input in
 * every state that it can reach.
 */
import type * as CellPhase from "effect-code-mode/session/CellPhase"
import { arrow, box, svg, text } from "./Svg.ts"

export interface Transition {
  readonly from: string
  readonly input: string
  readonly to: string
}

const inputs = (state: CellPhase.State, told: ReadonlyArray<CellPhase.Told>): ReadonlyArray<CellPhase.Input> => [
  { _tag: "Finished", error: undefined },
  { _tag: "Drained", refusal: undefined },
  { _tag: "Observe", wants: "event" },
  { _tag: "Observe", wants: "frontier" },
  { _tag: "ObserverLost" },
  { _tag: "Yield", by: "script" },
  { _tag: "Yield", by: "deadline" },
  { _tag: "Terminate" },
  { _tag: "TerminatorLost" },
  { _tag: "Shutdown" },
  { _tag: "Cancelled" },
  { _tag: "Heard" },
  ...told.map((what) => ({ _tag: "Unheard", what }) as const),
  // One pause shows what any number of them do.
  ...(state.lastGeneration === 0 ? [{ _tag: "Frontier", pending: [] } as const] : []),
  { _tag: "Resume", generation: 1 }
]

/** A phase as it is seen from outside: a script that has ended drains, and one that pauses stands still. */
const nameOf = ({ ending, pause, phase }: CellPhase.State): string =>
  phase !== "Running" ? phase : ending !== undefined ? "Draining" : pause === undefined ? "Running" : "Paused"

const inputNames: Record<string, string> = {
  Finished: "the script ends",
  Drained: "its callbacks are done",
  Observe: "observe",
  Terminate: "terminate",
  Shutdown: "shutdown",
  Cancelled: "its callbacks are done, or given up",
  Heard: "it is read",
  Unheard: "its reader is gone",
  Frontier: "it can do nothing by itself",
  Resume: "resume"
}

/** The machine, which no entry point has. */
export type Machine = Pick<typeof CellPhase, "initial" | "step">

export const transitions = (machine: Machine): ReadonlyArray<Transition> => {
  const seen = new Set<string>()
  const found = new Map<string, Transition>()
  const waiting: Array<readonly [CellPhase.State, ReadonlyArray<CellPhase.Told>]> = [[machine.initial, []]]
  while (waiting.length > 0) {
    const [state, told] = waiting.shift()!
    for (const input of inputs(state, told)) {
      const [next, decisions] = machine.step(state, input)
      const from = nameOf(state)
      const to = nameOf(next)
      if (from !== to) {
        const transition = { from, input: inputNames[input._tag] ?? input._tag, to }
        found.set(JSON.stringify(transition), transition)
      }
      const telling = decisions.flatMap((decision) => decision._tag === "Tell" ? [decision.what] : [])
      const after = [next, telling.length > 0 ? telling : told] as const
      const key = JSON.stringify(after)
      if (!seen.has(key)) {
        seen.add(key)
        waiting.push(after)
      }
    }
  }
  return Array.from(found.values()).sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))
}

// =============================================================================
// The picture
// =============================================================================

const width = 136
const height = 44

const places: Record<string, readonly [x: number, y: number]> = {
  Paused: [150, 30],
  Running: [150, 180],
  Draining: [400, 180],
  Terminating: [400, 340],
  Buffered: [670, 30],
  Claimed: [670, 180],
  Gone: [670, 340]
}

/** How each arrow goes, and where its words stand. */
const ways: Record<string, readonly [path: string, x: number, y: number, classes: string]> = {
  "Running Paused": ["M200 180V76", 192, 116, "end"],
  "Paused Running": ["M236 74V178", 244, 140, ""],
  "Running Draining": ["M286 202H398", 342, 195, "middle"],
  "Paused Draining": ["M286 52C370 56 440 110 454 178", 372, 72, ""],
  "Running Terminating": ["M218 224C218 320 290 358 398 358", 252, 304, ""],
  "Paused Terminating": ["M150 56C10 120 60 374 398 374", 150, 394, ""],
  "Draining Terminating": ["M468 224V338", 460, 262, "end"],
  "Draining Buffered": ["M500 180C520 100 590 52 668 52", 0, 0, ""],
  "Draining Claimed": ["M536 202H668", 580, 178, "middle"],
  "Terminating Claimed": ["M536 346C600 330 640 280 690 226", 0, 0, ""],
  "Terminating Buffered": ["M516 340C632 300 628 130 684 76", 0, 0, ""],
  "Terminating Gone": ["M536 362H668", 602, 380, "middle"],
  "Buffered Claimed": ["M722 74V178", 714, 148, "end"],
  "Claimed Buffered": ["M758 180V76", 766, 140, ""],
  "Claimed Gone": ["M738 224V338", 746, 284, ""],
  "Buffered Gone": ["M806 52C940 100 940 330 808 362", 812, 40, ""]
}

/** What is said once, and not of each of several arrows. */
const together: Record<string, ReadonlyArray<string>> = {
  "Running Paused": ["it can do", "nothing", "by itself"],
  "Paused Terminating": ["terminate, shutdown"],
  "Running Terminating": ["terminate, shutdown"],
  "Draining Terminating": ["terminate, shutdown"],
  "Draining Claimed": ["its callbacks", "are done"],
  "Claimed Buffered": ["its reader", "is gone"],
  "Buffered Claimed": ["observe,", "terminate"],
  "Buffered Gone": ["it is read,", "shutdown"],
  "Terminating Gone": ["its callbacks", "are done,", "or given up"],
  "Claimed Gone": ["it is read, or its", "reader is gone and", "the session over"]
}

export const picture = (machine: Machine): string => {
  const arrows = Map.groupBy(transitions(machine), ({ from, to }) => `${from} ${to}`)
  const drawn = Array.from(arrows, ([name, parts]) => {
    const way = ways[name]
    if (way === undefined) {
      throw new Error(`${name} has no way in the picture`)
    }
    const [path, x, y, classes] = way
    const words = x === 0 ? [] : together[name] ?? [parts.map(({ input }) => input).join(", ")]
    return [arrow(path), ...words.map((line, index) => text(x, y + 15 * index, line, `small dim ${classes}`))]
  })
  const missing = Object.keys(ways).filter((name) => !arrows.has(name))
  if (missing.length > 0) {
    throw new Error(`these are no transitions: ${missing.join(", ")}`)
  }
  const boxes = Object.entries(places).flatMap(([name, [x, y]]) => [
    box(x, y, width, height),
    text(x + width / 2, y + 27, name, "bold middle")
  ])
  return svg({
    width: 940,
    height: 428,
    css: "text{font-size:15px}.small{font-size:13.5px}",
    title: "The phases of a cell, and what leads from one to another",
    body: [...drawn.flat(), ...boxes]
  })
}
