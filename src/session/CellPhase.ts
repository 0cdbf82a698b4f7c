/**
 * The single point that decides a cell's outcome: a pure machine, fed one input at a time.
 *
 * **Details**
 *
 * ```
 *             finished            drained, no observer            observe, terminate
 *   Running ───────────► Running ──────────────────────► Buffered ──────────────────► Claimed ──► Gone
 *      │                 (drains)  drained, an observer                                  ▲
 *      │                    └────────────────────────────────────────────────────────────┤
 *      └── terminate, shutdown ──► Terminating ── callbacks done, an observer ───────────┘
 * ```
 *
 * The input that reaches the machine first wins: a completion that is buffered wins over a later terminate, a terminate
 * wins over a completion that still drains. Stored values are committed in the same step that makes a completion
 * visible, so no observer hears of a completion whose values could still be lost, and no value of a terminated cell is
 * ever seen. The machine also accounts for output: each item leaves it in exactly one event.
 *
 * It does nothing itself. Each step gives the next state and the decisions to carry out, in order; `Tell` comes last,
 * because the one who is told may come back at once.
 *
 * @internal
 */
import type { CellError, Generation, OutputItem, ToolCallId } from "../Protocol.ts"
import * as Outbox from "./Outbox.ts"

// =============================================================================
// State
// =============================================================================

/** How the script ended by itself, or that it was stopped. */
export type Ending =
  | { readonly _tag: "Completed"; readonly error: CellError | undefined }
  | { readonly _tag: "Terminated" }

/** Where a pausable cell stands still. */
export interface Pause {
  readonly generation: number
  readonly items: Outbox.Outbox
  readonly pending: ReadonlyArray<ToolCallId>
  /** Whether an observer has read it: its items are then not given again. */
  readonly heard: boolean
}

export interface State {
  readonly phase: "Running" | "Terminating" | "Buffered" | "Claimed" | "Gone"
  /** Set while a finished script's notifications drain, and from the moment an outcome is final. */
  readonly ending: Ending | undefined
  /** Output that no event has taken. */
  readonly items: Outbox.Outbox
  /** Output that stood before a `yield_control()` ahead of the first observation: that one ends there. */
  readonly boundary: { readonly items: Outbox.Outbox } | undefined
  readonly observer: "none" | "event" | "frontier"
  readonly observedBefore: boolean
  readonly terminator: boolean
  /** No observer will come for an outcome that none waits for. */
  readonly sessionOver: boolean
  readonly pause: Pause | undefined
  readonly lastGeneration: number
}

export const initial: State = {
  phase: "Running",
  ending: undefined,
  items: Outbox.empty,
  boundary: undefined,
  observer: "none",
  observedBefore: false,
  terminator: false,
  sessionOver: false,
  pause: undefined,
  lastGeneration: 0
}

// =============================================================================
// Inputs and decisions
// =============================================================================

export type Input =
  /** The script put out more. */
  | { readonly _tag: "Output"; readonly items: ReadonlyArray<OutputItem> }
  /** The script ended; its callbacks have to finish before that counts. */
  | { readonly _tag: "Finished"; readonly error: CellError | undefined }
  /** The callbacks of a finished script are done: commit, unless the session refuses its values. */
  | { readonly _tag: "Drained"; readonly refusal: CellError | undefined }
  /** An observer wants the next event, or the next frontier. */
  | { readonly _tag: "Observe"; readonly wants: "event" | "frontier" }
  | { readonly _tag: "ObserverLost" }
  /** The observer has waited long enough, or the script asked for a yield. */
  | { readonly _tag: "Yield"; readonly by: "deadline" | "script" }
  | { readonly _tag: "Terminate" }
  | { readonly _tag: "TerminatorLost" }
  /** The session ends; no observer will come for the outcome. */
  | { readonly _tag: "Shutdown" }
  /** The callbacks of a terminating cell are done, or abandoned. */
  | { readonly _tag: "Cancelled" }
  /** An observer who was told the outcome has it. */
  | { readonly _tag: "Heard" }
  /** An observer who was told this went away before having it. */
  | { readonly _tag: "Unheard"; readonly what: Told }
  /** A pausable isolate stands still. */
  | { readonly _tag: "Frontier"; readonly pending: ReadonlyArray<ToolCallId> }
  /** Go on from this pause. Without a decision, the cell has gone on already. */
  | { readonly _tag: "Resume"; readonly generation: number }

/** What an observer is told. */
export type Told =
  | { readonly _tag: "Yielded"; readonly items: Outbox.Outbox }
  | { readonly _tag: "Completed"; readonly items: Outbox.Outbox; readonly error: CellError | undefined }
  | { readonly _tag: "Terminated"; readonly items: Outbox.Outbox }
  | {
    readonly _tag: "Frontier"
    readonly generation: Generation
    readonly items: Outbox.Outbox
    readonly pending: ReadonlyArray<ToolCallId>
    /** Whether it has not been read before. */
    readonly first: boolean
  }

export type Decision =
  /** Stop the isolate and interrupt every callback. */
  | { readonly _tag: "Cancel" }
  /** Finish the callbacks of a script that ended by itself. */
  | { readonly _tag: "Drain" }
  /** Merge the cell's stored values into the session's. */
  | { readonly _tag: "Commit" }
  /** The outcome is final. */
  | { readonly _tag: "Settle"; readonly ending: Ending }
  /** Let the isolate go on. */
  | { readonly _tag: "Continue" }
  | { readonly _tag: "Refuse"; readonly reason: "Busy" | "Missing" | "AlreadyTerminating" | "InvalidGeneration" }
  | { readonly _tag: "Tell"; readonly who: "observer" | "terminator" | "both"; readonly what: Told }
  /** No request can reach the cell any more. */
  | { readonly _tag: "Close" }

export type Step = readonly [next: State, decisions: ReadonlyArray<Decision>]

// =============================================================================
// The machine
// =============================================================================

const none: ReadonlyArray<Decision> = []
const refuse = (reason: (Decision & { readonly _tag: "Refuse" })["reason"]): ReadonlyArray<Decision> => [
  { _tag: "Refuse", reason }
]

/** All output that no event gave. */
export const remaining = (state: State): Outbox.Outbox => {
  const paused = state.pause === undefined || state.pause.heard ? Outbox.empty : state.pause.items
  return Outbox.concat(Outbox.concat(state.boundary?.items, paused), state.items)
}

/** What that weighs. */
export const remainingSize = ({ boundary, items, pause }: State): number =>
  Outbox.size(boundary?.items) + (pause?.heard === false ? Outbox.size(pause.items) : 0) + Outbox.size(items)

const tellEnding = (state: State, ending: Ending): Told =>
  ending._tag === "Completed"
    ? { _tag: "Completed", items: remaining(state), error: ending.error }
    : { _tag: "Terminated", items: remaining(state) }

const listeners = (state: State): "observer" | "terminator" | "both" | undefined =>
  state.observer === "none"
    ? state.terminator ? "terminator" : undefined
    : state.terminator
    ? "both"
    : "observer"

/** Keeps a final outcome for the next observer, where there can be one. */
const keep = (state: State, decisions: ReadonlyArray<Decision>): Step => {
  const kept: State = { ...state, observer: "none", terminator: false }
  return state.sessionOver
    ? [{ ...kept, phase: "Gone" }, [...decisions, { _tag: "Close" }]]
    : [{ ...kept, phase: "Buffered" }, decisions]
}

/** The outcome is final from here on: it is told to the observers that wait, or kept. */
const settle = (state: State, ending: Ending, decisions: ReadonlyArray<Decision>): Step => {
  const who = listeners(state)
  return who === undefined
    ? keep({ ...state, ending }, decisions)
    : [
      { ...state, phase: "Claimed", ending },
      [...decisions, { _tag: "Tell", who, what: tellEnding(state, ending) }]
    ]
}

const complete = (state: State, ending: Ending, refusal: CellError | undefined): Step => {
  if (refusal !== undefined) {
    const refused: Ending = { _tag: "Completed", error: refusal }
    return settle(state, refused, [{ _tag: "Settle", ending: refused }])
  }
  return settle(state, ending, [{ _tag: "Commit" }, { _tag: "Settle", ending }])
}

const claim = (state: State, ending: Ending, who: "observer" | "terminator"): Step => [
  { ...state, phase: "Claimed", observer: who === "observer" ? "event" : "none", terminator: who === "terminator" },
  [{ _tag: "Tell", who, what: tellEnding(state, ending) }]
]

const observe = (state: State, wants: "event" | "frontier"): Step => {
  switch (state.phase) {
    case "Running": {
      if (state.observer !== "none") {
        return [state, refuse("Busy")]
      }
      const observed: State = { ...state, observedBefore: true }
      if (wants === "frontier" && state.pause !== undefined) {
        return [
          { ...observed, pause: { ...state.pause, heard: true } },
          [{ _tag: "Tell", who: "observer", what: tellPause(state.pause) }]
        ]
      }
      if (wants === "event" && state.boundary !== undefined) {
        return [
          { ...observed, boundary: undefined },
          [{ _tag: "Tell", who: "observer", what: { _tag: "Yielded", items: state.boundary.items } }]
        ]
      }
      return [{ ...observed, observer: wants }, none]
    }
    case "Buffered": {
      if (wants === "event" && state.boundary !== undefined) {
        return [
          { ...state, boundary: undefined },
          [{ _tag: "Tell", who: "observer", what: { _tag: "Yielded", items: state.boundary.items } }]
        ]
      }
      return claim(state, state.ending!, "observer")
    }
    case "Terminating":
    case "Claimed":
    case "Gone":
      return [state, refuse("Missing")]
  }
}

/** Undoes a telling that did not arrive. */
const takeBack = (state: State, what: Told): Step => {
  switch (what._tag) {
    case "Yielded":
      return [{ ...state, items: Outbox.concat(what.items, state.items) }, none]
    case "Completed":
    case "Terminated":
      return state.phase === "Claimed" ? keep(state, none) : [state, none]
    case "Frontier":
      return what.first && state.pause?.generation === what.generation
        ? [{ ...state, pause: { ...state.pause, heard: false } }, none]
        : [state, none]
  }
}

const tellPause = (pause: Pause): Told => ({
  _tag: "Frontier",
  generation: pause.generation as Generation,
  items: pause.items,
  pending: pause.pending,
  first: !pause.heard
})

const pauseAt = (state: State, pending: ReadonlyArray<ToolCallId>): Step => {
  if (state.phase !== "Running" || state.ending !== undefined || state.pause !== undefined) {
    return [state, none]
  }
  const waiting = state.observer === "frontier"
  const pause: Pause = {
    generation: state.lastGeneration + 1,
    items: Outbox.concat(state.boundary?.items, state.items),
    pending,
    heard: false
  }
  return [
    {
      ...state,
      items: Outbox.empty,
      boundary: undefined,
      observer: waiting ? "none" : state.observer,
      pause: { ...pause, heard: waiting },
      lastGeneration: pause.generation
    },
    waiting ? [{ _tag: "Tell", who: "observer", what: tellPause(pause) }] : none
  ]
}

const resume = (state: State, generation: number): Step => {
  switch (state.phase) {
    case "Running": {
      if (!Number.isInteger(generation) || generation < 1 || generation > state.lastGeneration) {
        return [state, refuse("InvalidGeneration")]
      }
      if (state.pause?.generation !== generation) {
        return [state, none]
      }
      // An unread frontier's output goes into the next event.
      const items = state.pause.heard ? state.items : Outbox.concat(state.pause.items, state.items)
      return [{ ...state, items, pause: undefined }, [{ _tag: "Continue" }]]
    }
    case "Terminating":
    case "Buffered":
    case "Claimed":
    case "Gone":
      return [state, refuse("Missing")]
  }
}

/** One step of the machine. */
export const step = (state: State, input: Input): Step => {
  switch (input._tag) {
    case "Output":
      return state.phase === "Running" && state.ending === undefined
        ? [{ ...state, items: Outbox.append(state.items, input.items) }, none]
        : [state, none]
    case "Finished":
      return state.phase === "Running" && state.ending === undefined
        ? [{ ...state, ending: { _tag: "Completed", error: input.error } }, [{ _tag: "Drain" }]]
        : [state, none]
    case "Drained":
      return state.phase === "Running" && state.ending !== undefined
        ? complete(state, state.ending, input.refusal)
        : [state, none]
    case "Observe":
      return observe(state, input.wants)
    case "ObserverLost":
      return state.phase === "Claimed" ? [state, none] : [{ ...state, observer: "none" }, none]
    case "Yield": {
      if (state.phase !== "Running") {
        return [state, none]
      }
      if (state.observer === "event") {
        return [
          { ...state, observer: "none", items: Outbox.empty },
          [{ _tag: "Tell", who: "observer", what: { _tag: "Yielded", items: state.items } }]
        ]
      }
      return input.by === "script" && !state.observedBefore && state.boundary === undefined
        ? [{ ...state, boundary: { items: state.items }, items: Outbox.empty }, none]
        : [state, none]
    }
    case "Terminate":
      switch (state.phase) {
        case "Running":
          return [{ ...state, phase: "Terminating", ending: undefined, terminator: true }, [{ _tag: "Cancel" }]]
        case "Buffered":
          return claim(state, state.ending!, "terminator")
        case "Terminating":
        case "Claimed":
          return [state, refuse("AlreadyTerminating")]
        case "Gone":
          return [state, refuse("Missing")]
      }
      break
    case "TerminatorLost":
      return state.phase === "Claimed" ? [state, none] : [{ ...state, terminator: false }, none]
    case "Shutdown":
      switch (state.phase) {
        case "Running":
          return [{ ...state, phase: "Terminating", ending: undefined, sessionOver: true }, [{ _tag: "Cancel" }]]
        case "Buffered":
          return keep({ ...state, sessionOver: true }, none)
        case "Terminating":
        case "Claimed":
          return [{ ...state, sessionOver: true }, none]
        case "Gone":
          return [state, none]
      }
      break
    case "Cancelled":
      return state.phase === "Terminating"
        ? settle(state, { _tag: "Terminated" }, [{ _tag: "Settle", ending: { _tag: "Terminated" } }])
        : [state, none]
    case "Heard":
      return state.phase === "Claimed" || state.phase === "Buffered"
        ? [{ ...state, phase: "Gone", observer: "none", terminator: false }, [{ _tag: "Close" }]]
        : [state, none]
    case "Unheard":
      return takeBack(state, input.what)
    case "Frontier":
      return pauseAt(state, input.pending)
    case "Resume":
      return resume(state, input.generation)
  }
}
