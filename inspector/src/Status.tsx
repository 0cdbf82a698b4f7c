/** States of cells and calls, as a mark and in words. */
import type { CallState, CellView } from "../../src/inspector/PageMessage.ts"

const words: Readonly<Record<CellView["status"] | CallState, string>> = {
  Running: "running",
  Paused: "paused",
  Stalled: "stalled",
  Terminating: "stopping",
  Sleeping: "sleeps",
  Completed: "completed",
  Failed: "failed",
  Terminated: "terminated",
  AwaitingApproval: "waits for you",
  Succeeded: "done",
  Interrupted: "interrupted",
  NotStarted: "not started"
}

export const word = (state: CellView["status"] | CallState): string => words[state]

const tones: Readonly<Record<CellView["status"] | CallState, string>> = {
  Running: "run",
  Paused: "idle",
  Stalled: "wait",
  Terminating: "wait",
  Sleeping: "idle",
  Completed: "good",
  Failed: "bad",
  Terminated: "off",
  AwaitingApproval: "wait",
  Succeeded: "good",
  Interrupted: "off",
  NotStarted: "off"
}

export const tone = (state: CellView["status"] | CallState): string => tones[state]

export const Dot = ({ state }: { readonly state: CellView["status"] | CallState }) => (
  <span class={`dot ${tone(state)} ${state === "Running" ? "alive" : ""}`} aria-hidden="true" />
)

export const Status = ({ state }: { readonly state: CellView["status"] | CallState }) => (
  <span class={`status ${tone(state)}`}>
    <Dot state={state} />
    {words[state]}
  </span>
)
