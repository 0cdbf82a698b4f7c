/** Lanes that say anything at all: what a lane may say, mixed and damaged. All of it is made of a seed. */
import type { LaneChild } from "effect-code-mode/isolate/LaneChild"
import * as Runtime from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import { anyValue, damage, type Dice, makeDice, randomBytes } from "../../host/Dice.ts"
import * as MemoryLane from "./MemoryLane.ts"
import { limits, run, surroundings } from "./Play.ts"
import { encode, Kind, write } from "./Script.ts"

const messages = 20_000
const lanesAtOnce = 4

/** What a lane may say of a cell that has two tools. */
export const events: ReadonlyArray<unknown> = [
  { _tag: "Started" },
  {
    _tag: "Output",
    items: [{ type: "input_text", text: "語\"\u0000" }, { type: "input_text", text: "x".repeat(500) }]
  },
  { _tag: "Output", items: [{ type: "input_image", image_url: "data:image/png;base64,AA", detail: "high" }] },
  { _tag: "Output", items: [{ type: "input_audio", audio_url: "data:audio/wav;base64,AA" }] },
  { _tag: "ToolCalls", calls: [{ id: "tool-1", tool: 0 }, { id: "tool-2", tool: 1, input: "{\"a\":[1,null,true]}" }] },
  { _tag: "ToolCalls", calls: [{ id: "tool-3", tool: 1, input: "\"\\\\\\ud800\"" }] },
  { _tag: "Notify", text: "n" },
  { _tag: "YieldRequested" },
  { _tag: "Frontier", pendingToolCalls: [], timers: 2 },
  { _tag: "Frontier", pendingToolCalls: ["tool-1", "tool-2"], timers: 0 },
  { _tag: "Finished", stored: [["k", "{\"a\":1}"], ["l", "[]"]] },
  { _tag: "Finished", stored: [], error: { _tag: "ScriptError", text: "boom", location: { line: 1, column: 2 } } }
]

/** A value with one part of it replaced. */
export const replacePart = (dice: Dice, value: unknown): unknown => {
  const entries = Object.entries(Object(value) as object)
  if (typeof value !== "object" || value === null || entries.length === 0 || dice.chance(0.2)) {
    return anyValue(dice, 0)
  }
  const [name, part] = dice.pick(entries)
  const changed = replacePart(dice, part)
  return Array.isArray(value) ? value.with(Number(name), changed) : { ...value, [name]: changed }
}

const anyFrame = (dice: Dice): Buffer => {
  const event = dice.pick(events)
  const json = () => Buffer.from(write(dice.chance(0.6) ? event : replacePart(dice, event)))
  switch (dice.below(8)) {
    case 0:
      return encode(dice.pick(Object.values(Kind)), dice.pick([0, 1, 1, 1, 2]), Buffer.alloc(0))
    case 1:
      return randomBytes(dice, 1 + dice.below(60))
    case 2:
      return encode(Kind.Event, 1, randomBytes(dice, dice.below(60)))
    case 3:
      return encode(Kind.Event, 1, damage(dice, json()))
    case 4:
      return damage(dice, encode(Kind.Event, 1, json()))
    default:
      return encode(Kind.Event, 1, json())
  }
}

/** A lane in this process: it hears of its cell, says its piece, and ends. */
const laneOf = (piece: Buffer): LaneChild => {
  const { child, socket } = MemoryLane.make()
  socket.once("data", () => socket.end(piece))
  socket.write(MemoryLane.ready)
  return child
}

/** Plays them all; gives how many cells ended in which way, and what was logged. */
export const play = Effect.gen(function*() {
  const dice = makeDice(1)
  const outcomes: Record<string, number> = {}
  const lines: Record<string, number> = {}
  const count = (counts: Record<string, number>, name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  let said = 0

  const nextPiece = () => {
    const start = dice.chance(0.9) ? [MemoryLane.eventOf(1, events[0])] : []
    const frames = Array.from({ length: 1 + dice.below(4) }, () => anyFrame(dice))
    said += frames.length
    const piece = Buffer.concat([...start, ...frames])
    return dice.chance(0.05) ? piece.subarray(0, dice.below(piece.length)) : piece
  }

  const session = Effect.gen(function*() {
    const session = yield* Runtime.make({ limits })
    const outcome = yield* run(session, "", dice.chance(0.2) ? "resumed" : undefined)
    count(outcomes, outcome.replace(/: .*$/s, "").slice(0, 60))
  }).pipe(Effect.scoped)

  const player = Effect.repeat(session, { while: () => said < messages })

  yield* Effect.replicateEffect(player, lanesAtOnce, { concurrency: "unbounded", discard: true }).pipe(
    Effect.provide(surroundings({
      launch: () => laneOf(nextPiece()),
      notify: () => Effect.void,
      onLine: (line) => count(lines, line.replaceAll(/\d+/g, "N"))
    }))
  )
  return { said, outcomes, lines }
})
