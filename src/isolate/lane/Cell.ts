/**
 * One cell in its lane: what goes in, turn by turn, and what comes out.
 *
 * @since 0.1.0
 */
import type { Turn } from "../../Isolate.ts"
import { Kind, type ProgramFrame } from "../Frames.ts"
import type { Out, Start } from "./prelude.ts"
import { load, type Loaded } from "./Source.ts"
import { makeStillTimers, makeTimers } from "./Timers.ts"
import type { Prepared } from "./Warm.ts"

/** What a cell needs of its lane. */
export interface CellLane {
  readonly send: (kind: number, payload: string) => void
  readonly isBlocked: () => boolean
  readonly drained: () => Promise<void>
  /** The cell has ended; `left` settles when nothing of it runs any more. */
  readonly onEnd: (left: Promise<void>) => void
  /** The cell begins to compute. */
  readonly onTurn: () => void
}

const copy = { result: { copy: true } } as const

const nanosPerMilli = 1e6

const heldMillis = 10
const heldCharactersMost = 256 * 1024

/** To collect the garbage of a larger heap takes longer than an answer may be kept waiting. */
const maxCompactedBytes = 8 * 2 ** 20

type Entry =
  | { readonly _tag: "Answer"; readonly json: string }
  | { readonly _tag: "Timer"; readonly id: number }

export const makeCell = (lane: CellLane, prepared: Prepared, program: ProgramFrame) => {
  const { controls, isolate } = prepared
  const inbox: Array<Entry> = []
  const pendingCalls = new Set<string>()
  const { deterministic } = program
  // The time of a deterministic cell's turn, which its helpers are told.
  let now = deterministic?.now
  const pastTurns = deterministic?.turns ?? []
  let nextPast = 0
  const stillTimers = deterministic && makeStillTimers(() => now!)
  const timers = stillTimers ?? makeTimers((id) => {
    inbox.push({ _tag: "Timer", id })
    pump()
  })
  let state: "running" | "paused" | "ended" = "running"
  // What the isolate is doing, and whether another turn has to wait: for that, or for the way to the host.
  let turn = Promise.resolve()
  let turns = 0
  let busy = false
  let waiting = false
  // What the watchdog saw last, and whether the host knows that the cell is busy.
  let seenTurns = 0
  let isToldBusy = false
  let detachedFailure: (() => Promise<string | undefined>) | undefined
  // While the host holds it back: those who wait for the end of that.
  let heldBack: Array<() => void> | undefined

  const say = (event: string) => {
    if (state === "ended") {
      return
    }
    if (Buffer.byteLength(event) > program.maxEventBytes) {
      return limitExceeded(`more than ${program.maxEventBytes / 2 ** 20} MiB at once cannot leave a cell`)
    }
    lane.send(Kind.Event, event)
  }

  const finish = (end: string) => {
    say(`{"_tag":"Finished",${end.slice(1)}`)
    leave()
    // Once that is on its way.
    setImmediate(dispose)
  }

  const finishWith = (error: { _tag: string; text: string; location?: object }) =>
    finish(JSON.stringify({ stored: [], error }))

  const limitExceeded = (text: string) => finishWith({ _tag: "LimitExceeded", text })

  const memoryExceeded = () => limitExceeded(`the script went past its memory limit of ${program.heapMebibytes} MiB`)

  // Past its memory limit an isolate is disposed of where it stands.
  const onBroken = () =>
    isolate.isDisposed
      ? memoryExceeded()
      : finishWith({ _tag: "IsolateLost", text: "the isolate of the script broke" })

  const leave = () => {
    if (state !== "ended") {
      state = "ended"
      timers.clearAll()
      letGo()
      clearTimeout(holding)
      held = []
      inbox.length = 0
      lane.onEnd(turn)
    }
  }

  const stop = () => {
    leave()
    dispose()
  }

  const isBlocked = () => heldBack !== undefined || lane.isBlocked()

  const drained = (): Promise<void> =>
    heldBack === undefined
      ? lane.drained()
      : new Promise<void>((resolve) => heldBack!.push(resolve)).then(drained)

  const letGo = () => {
    const waiting = heldBack
    heldBack = undefined
    waiting?.forEach((goOn) => goOn())
  }

  const dispose = () => {
    if (!isolate.isDisposed) {
      isolate.dispose()
    }
  }

  // ---------------------------------------------------------------------------
  // Out
  // ---------------------------------------------------------------------------

  // Neighbours of one kind travel in one event.
  const onLines = (lines: ReadonlyArray<string>) => {
    let group: Array<string> = []
    let groupKind = ""
    const close = () => {
      if (groupKind === "o") {
        say(`{"_tag":"Output","items":[${group.join(",")}]}`)
      } else if (groupKind === "c") {
        say(`{"_tag":"ToolCalls","calls":[${group.join(",")}]}`)
      }
      group = []
      groupKind = ""
    }
    for (const line of lines) {
      const kind = line.charAt(0)
      const json = line.slice(1)
      if (kind !== groupKind) {
        close()
      }
      switch (kind) {
        case "o":
          groupKind = kind
          group.push(json)
          break
        case "c":
          groupKind = kind
          group.push(json)
          // It begins with `{"id":"`.
          pendingCalls.add(json.slice(7, json.indexOf("\"", 7)))
          break
        case "n":
          say(`{"_tag":"Notify","text":${json}}`)
          break
        case "y":
          say(`{"_tag":"YieldRequested"}`)
          break
        case "t": {
          const [id, delay] = JSON.parse(json) as [number, number]
          timers.set(id, delay)
          break
        }
        case "x":
          timers.clear(Number(json))
          break
      }
    }
    close()
  }

  // What a deterministic cell does is kept before it has an effect, which is best done for all of a turn together.
  let held: Array<string> = []
  let heldCharacters = 0
  let holding: NodeJS.Timeout | undefined

  const release = () => {
    clearTimeout(holding)
    holding = undefined
    if (held.length > 0) {
      const lines = held
      held = []
      heldCharacters = 0
      onLines(lines)
    }
  }

  const hold = (lines: string) => {
    held.push(...lines.split("\n"))
    heldCharacters += lines.length
    if (heldCharacters > heldCharactersMost) {
      release()
    } else {
      holding ??= setTimeout(release, heldMillis)
    }
  }

  const onOut = (out: Out) => {
    if (state === "ended") {
      return
    }
    release()
    const end = out[0]
    onLines(out.slice(1))
    if (end !== undefined && end !== "") {
      finish(end)
    }
  }

  // ---------------------------------------------------------------------------
  // In
  // ---------------------------------------------------------------------------

  // A rejection that the script does not handle rejects the turn, too. What the turn did is still there then.
  const onRejected = async () => {
    if (state === "ended") {
      return
    }
    onOut(await controls.drain.apply(undefined, [], copy))
    const failure = await detachedFailure?.()
    if (failure !== undefined) {
      onOut(await controls.fail.apply(undefined, [failure], copy))
    }
  }

  const take = (outcome: Promise<Out>) => {
    waiting = true
    busy = true
    turns++
    lane.onTurn()
    turn = outcome.then(onOut).catch(onRejected).catch(onBroken)
    turn.then(proceed)
  }

  const proceed = () => {
    busy = false
    waiting = false
    if (isToldBusy && state !== "ended") {
      isToldBusy = false
      lane.send(Kind.Idle, "")
    }
    pump()
  }

  // One turn at a time: every answer that has come, or one timer, whose microtasks are to run before the next.
  const pump = () => {
    if (waiting || state !== "running") {
      return
    }
    if (isBlocked()) {
      waiting = true
      drained().then(proceed)
      return
    }
    const first = inbox.shift()
    if (first === undefined) {
      return onQuiet()
    }
    if (first._tag === "Timer") {
      return take(controls.fire.apply(undefined, [first.id, now], copy))
    }
    const answers = [first.json]
    for (let next = inbox[0]; next?._tag === "Answer"; next = inbox[0]) {
      answers.push(next.json)
      inbox.shift()
    }
    take(controls.settle.apply(undefined, [`[${answers.join(",")}]`, now], copy))
  }

  // A running cell's frontier matters once nothing is pending; naming every pending call at each would cost more than
  // the calls.
  const onQuiet = () => {
    if (program.pausable) {
      state = "paused"
    }
    if (program.pausable || pendingCalls.size === 0) {
      const due = stillTimers?.due()
      say(
        `{"_tag":"Frontier","pendingToolCalls":${JSON.stringify([...pendingCalls])},"timers":${timers.size()}${
          due === undefined ? "" : `,"due":${due}`
        }}`
      )
    }
    const past = pastTurns[nextPast]
    if (past !== undefined) {
      nextPast++
      past.answers.forEach(([id, isResult, json]) => answer(id, isResult, json))
      resume(past)
    }
  }

  const resume = (turn: Turn | undefined) => {
    if (state !== "paused") {
      return
    }
    state = "running"
    if (turn !== undefined) {
      now = turn.now
      const id = turn.timer ? stillTimers?.takeFirst() : undefined
      if (id !== undefined) {
        inbox.push({ _tag: "Timer", id })
      }
    }
    queueMicrotask(pump)
  }

  let scheduled = false
  const answer = (id: string, settled: boolean, json: string) => {
    if (state !== "ended" && pendingCalls.delete(id)) {
      inbox.push({ _tag: "Answer", json: `["${id}",${settled},${json}]` })
      if (!scheduled) {
        scheduled = true
        queueMicrotask(() => {
          scheduled = false
          pump()
        })
      }
    }
  }

  // ---------------------------------------------------------------------------
  // Start
  // ---------------------------------------------------------------------------

  prepared.listen({
    onLines: (lines) => state !== "ended" && (deterministic === undefined ? onLines(lines.split("\n")) : hold(lines)),
    isBlocked: () => state !== "ended" && isBlocked(),
    drained,
    onExit: (lines, end) => {
      onOut(lines === "" ? [end] : [end, ...lines.split("\n")])
      dispose()
    },
    onCatastrophe: memoryExceeded
  })

  const start = () => {
    let loaded: Loaded
    try {
      loaded = load(prepared, program.source)
    } catch {
      return onBroken()
    }
    if (loaded._tag === "Refused") {
      return finishWith({ _tag: "ScriptError", ...loaded.refusal })
    }
    if (loaded._tag === "Detached") {
      detachedFailure = loaded.failure
    }
    say(`{"_tag":"Started"}`)
    const { contentTakesResults, locatesCalls, maxPendingInputBytes, maxPendingToolCalls, stored, tools, variadic } =
      program
    const start: Start = {
      contentTakesResults,
      deterministic: deterministic && { seed: deterministic.seed, now: deterministic.now },
      locatesCalls,
      maxPendingInputBytes,
      maxPendingToolCalls,
      variadic
    }
    take(controls.start.apply(undefined, [tools, stored, JSON.stringify(start)], copy))
  }

  const cpuTime = () => isolate.isDisposed ? 0n : isolate.cpuTime

  const endAtLimit = (text: string) => {
    limitExceeded(text)
    dispose()
  }

  const inspect = () => {
    if (busy && turns === seenTurns && !isToldBusy) {
      isToldBusy = true
      lane.send(Kind.Busy, "")
    }
    seenTurns = turns
    if (program.maxCpuMillis !== undefined && cpuTime() > program.maxCpuMillis * nanosPerMilli) {
      endAtLimit(`the script used more processor time than its limit of ${program.maxCpuMillis} ms`)
    }
  }

  return {
    heapMebibytes: program.heapMebibytes,
    isBusy: () => busy,
    turns: () => turns,
    heapBytes: async () => {
      const heap = await isolate.getHeapStatistics()
      return heap.total_heap_size + heap.externally_allocated_size
    },
    cpuTime,
    compact: async () => {
      // It would count as the script's own processor time.
      if (program.maxCpuMillis !== undefined) {
        return
      }
      const { total_heap_size: bytes } = await isolate.getHeapStatistics()
      if (bytes <= maxCompactedBytes && !busy && state !== "ended") {
        await controls.compact.apply(undefined, [])
      }
    },
    inspect,
    endAtLimit,
    start,
    stop,
    hold: () => {
      if (state !== "ended") {
        heldBack ??= []
      }
    },
    letGo,
    resolve: (id: string, json: string) => answer(id, true, json),
    reject: (id: string, json: string) => answer(id, false, json),
    resume: (payload: string) => resume(payload === "" ? undefined : JSON.parse(payload))
  }
}
