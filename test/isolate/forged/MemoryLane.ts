/** A lane without a process: the test is at the other end. */
import { Kind } from "effect-code-mode/isolate/Frames"
import type { LaneChild } from "effect-code-mode/isolate/LaneChild"
import { type Duplex, duplexPair } from "node:stream"
import { encode } from "./Script.ts"

export interface MemoryLane {
  readonly child: LaneChild
  /** What the lane reads and writes. It is up once it says so. */
  readonly socket: Duplex
  readonly isKilled: () => boolean
}

export const make = (): MemoryLane => {
  const [ours, theirs] = duplexPair()
  let isKilled = false
  return {
    child: {
      pid: undefined,
      socket: ours,
      stderr: undefined,
      memory: () => 0,
      favourBridge: () => {},
      hold: () => {},
      onEnd: (onEnded) => void ours.on("end", () => onEnded("it ended")),
      kill: () => {
        isKilled = true
        theirs.destroy()
      }
    },
    socket: theirs,
    isKilled: () => isKilled
  }
}

export const ready = encode(Kind.Ready, 0, Buffer.alloc(0))

export const eventOf = (cell: number, event: unknown) => encode(Kind.Event, cell, Buffer.from(JSON.stringify(event)))
