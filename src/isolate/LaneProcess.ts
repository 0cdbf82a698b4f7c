/**
 * One lane from the host's side: what it may say and when, what it is told, and how it ends.
 *
 * **Details**
 *
 * A lane is not trusted. One that says what it may not say, or when it may not, or that does not listen, is ended.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type CellError, IsolateFailure } from "../Protocol.ts"
import type { Verdict } from "../system/Framing.ts"
import type { LaneEnd } from "../telemetry/Meter.ts"
import { Kind, makeJudgingReader, makeWriter, maxPayload } from "./Frames.ts"
import type { LaneChild } from "./LaneChild.ts"

/**
 * What a cell's owner hears from its lane.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** The longest event in bytes that its cell may need. */
  readonly maxEventBytes: number
  /** An event as JSON, valid while this runs. What is wrong with it, where no lane that is to be trusted sends that. */
  readonly onEvent: (json: Buffer) => string | undefined
  /** The lane is gone; `error` is what its cells end with, where that is known. */
  readonly onLost: (error: CellError | undefined) => void
}

/**
 * A lane. Everything but `ready` is synchronous, and does nothing once the lane is gone.
 *
 * @category models
 * @since 0.1.0
 */
export interface LaneProcess {
  readonly pid: number | undefined
  /** Succeeds once the lane is up, with the user that it runs as, if there are users; fails if it ends before. */
  readonly ready: Effect.Effect<string | undefined, IsolateFailure>
  /** Whether it takes new cells. */
  readonly isOpen: () => boolean
  /** Whether it is up. */
  readonly isReady: () => boolean
  /** How many cells it has. */
  readonly size: () => number
  /** How many of them it has yet to begin with: it has said nothing of them. */
  readonly waiting: () => number
  /** How many of them have been computing for a while, without a pause. */
  readonly busy: () => number
  /** Memory that it shares with no other process, in bytes, where that is known. */
  readonly memory: () => number
  /** Whether a cell has been computing for a while, without a pause. */
  readonly isBusy: (cell: number) => boolean
  /** Registers a cell and gives its number. */
  readonly open: (listener: Listener) => number
  /** Starts a cell that is registered; `false` where its program is too long. */
  readonly start: (cell: number, program: string) => boolean
  /** Forgets a cell: it `hasEnded` by itself, or is told to stop. */
  readonly close: (cell: number, hasEnded: boolean) => void
  /** Tells a cell something, which may come in two parts; `false` where that is too long. */
  readonly send: (cell: number, kind: number, payload?: string, rest?: string) => boolean
  /** Whether the lane keeps this process alive. */
  readonly hold: (held: boolean) => void
  /** Ends it; with a text, as the bound that its cells went past. */
  readonly kill: (limit?: string) => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long what runs of a cell may go on after its end. */
  readonly killAfterMillis: number
  /** The bound at which the system has ended a lane, if it was at one. Asked once for each that ended by itself. */
  readonly findLimit: () => string | undefined
  /** It is gone, and why. */
  readonly onGone: (how: LaneEnd) => void
  /** It has broken its contract, and is gone. */
  readonly onBroken: (what: string) => void
}

const mebibyte = 2 ** 20

/** What is kept of its standard error, and what there may be. A lane has nothing to say there, but V8 has before it dies. */
const keptStderr = 4096
const maxStderr = mebibyte

/** The user that it runs as is a number. */
const maxUserLength = 10

/** How long a lane may take to start, and how long other cells of a lane may go on while it cannot stop one. */
const startWithinMillis = 20_000
const wedgedForMillis = 5_000

/**
 * What it was told and has not read: where there is more, it is not heard until it has read that, for which it has some
 * time; and there never is more than the last of these.
 */
const muteAboveBytes = 16 * mebibyte
const readWithinMillis = 30_000
const maxUnreadBytes = 2 * maxPayload

/** An honest lane looks less often for cells that are busy, and tells of all that are at once. */
const favourMillis = 20

/**
 * Time for other things to happen first, whatever clock the program is given. Unless it is held, the process may end
 * meanwhile.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pause = (millis: number, options?: { readonly hold: boolean }): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    if (options?.hold !== true) {
      timer.unref()
    }
    return Effect.sync(() => clearTimeout(timer))
  })

/** A cell that has ended and of which something may still run. */
interface Leaving {
  timer: NodeJS.Timeout
  /** Whether it has ended by itself, so that nothing more can be said of it. */
  readonly hasEnded: boolean
}

/**
 * Speaks to a lane that has been started.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (child: LaneChild, options: Options): LaneProcess => {
  const { socket } = child
  const ready = Deferred.makeUnsafe<string | undefined, IsolateFailure>()
  const listeners = new Map<number, Listener>()
  const waiting = new Set<number>()
  const started = new Set<number>()
  const busy = new Set<number>()
  const leaving = new Map<number, Leaving>()
  /** Those of them that take too long. */
  const wedged = new Set<number>()
  let lastCell = 0
  let isReady = false
  let isRetired = false
  let open = true
  let gone = false
  let stderr = Buffer.alloc(0)
  let stderrLength = 0
  let favouredAt = -Infinity
  let mute: NodeJS.Timeout | undefined

  const lose = (how: LaneEnd, reason: string, error?: CellError) => {
    if (gone) {
      return
    }
    gone = true
    open = false
    clearTimeout(starting)
    clearTimeout(mute)
    leaving.forEach(({ timer }) => clearTimeout(timer))
    leaving.clear()
    child.kill()
    socket.destroy()
    const lost = [...listeners.values()]
    listeners.clear()
    waiting.clear()
    busy.clear()
    const said = stderr.length === 0 ? "" : `\n${stderr.toString()}`
    const text = `the lane process did not start: ${error?.text ?? reason}${said}`
    Deferred.doneUnsafe(ready, Effect.fail(new IsolateFailure({ text })))
    options.onGone(how)
    lost.forEach((listener) => listener.onLost(error))
  }

  /** At a bound, if it was at one. */
  const loseAt = (limit: string | undefined, how: LaneEnd, reason: string) =>
    limit === undefined ? lose(how, reason) : lose("killed", reason, { _tag: "LimitExceeded", text: limit })

  const breakUp = (what: string) => {
    if (!gone) {
      const text = `the lane broke its contract: ${what}`
      lose("broken", text, { _tag: "IsolateLost", text })
      options.onBroken(what)
    }
  }

  /** It has ended, and we have not ended it. */
  const onEnded = (reason: string) => {
    if (!gone) {
      loseAt(options.findLimit(), "crashed", reason)
    }
  }

  const isOpen = () => open && wedged.size === 0

  const loseIfDone = () => {
    if (!isOpen() && listeners.size === 0) {
      lose("released", "its cells were done")
    }
  }

  // A builtin that cannot be interrupted, or a lane that does not hear. If it does not stop, its other cells go with it.
  const onWedged = (cell: number) => {
    const late = leaving.get(cell)
    if (late !== undefined) {
      late.timer = setTimeout(lose, wedgedForMillis, "killed", "it could not stop a cell").unref()
      wedged.add(cell)
      loseIfDone()
    }
  }

  const starting = setTimeout(lose, startWithinMillis, "killed", "it took too long").unref()

  // ---------------------------------------------------------------------------
  // What it says
  // ---------------------------------------------------------------------------

  /** What is wrong with a frame, as far as its header tells. */
  const objection = (cell: number, kind: number, length: number): string | undefined => {
    if (!isReady) {
      return kind === Kind.Ready && cell === 0 && length <= maxUserLength
        ? undefined
        : "it said something before it was ready"
    }
    const isRunning = started.has(cell)
    const isStopping = leaving.get(cell)?.hasEnded === false
    switch (kind) {
      case Kind.Event: {
        if (!isRunning && !isStopping) {
          return "it said something of a cell that is not there"
        }
        const most = listeners.get(cell)?.maxEventBytes ?? maxPayload
        return length > most ? `it sent an event of ${length} bytes, where ${most} are the most` : undefined
      }
      case Kind.Busy:
      case Kind.Idle:
        return length === 0 && (isStopping || (isRunning && busy.has(cell) === (kind === Kind.Idle)))
          ? undefined
          : "it said that a cell was busy or idle that was not"
      case Kind.Left:
        return length === 0 && leaving.has(cell) ? undefined : "it said that a cell had left that had not ended"
      case Kind.Retired:
        return length === 0 && cell === 0 && !isRetired ? undefined : "it said wrongly that it takes no more cells"
      default:
        return `it sent a frame of kind ${kind}`
    }
  }

  const judge = (cell: number, kind: number, length: number): Verdict => {
    const what = objection(cell, kind, length)
    if (what !== undefined) {
      breakUp(what)
      return "stop"
    }
    return kind === Kind.Event && !listeners.has(cell) ? "skip" : "take"
  }

  const onFrame = (cell: number, kind: number, payload: Buffer): boolean => {
    switch (kind) {
      case Kind.Ready:
        onReady(payload.toString("latin1"))
        break
      case Kind.Retired:
        isRetired = true
        open = false
        loseIfDone()
        break
      case Kind.Left:
        clearTimeout(leaving.get(cell)?.timer)
        leaving.delete(cell)
        wedged.delete(cell)
        break
      case Kind.Busy:
        if (started.has(cell)) {
          busy.add(cell)
        }
        if (performance.now() - favouredAt > favourMillis) {
          favouredAt = performance.now()
          child.favourBridge()
        }
        break
      case Kind.Idle:
        busy.delete(cell)
        break
      case Kind.Event: {
        waiting.delete(cell)
        // The cell may have been stopped while the frame came in.
        const what = listeners.get(cell)?.onEvent(payload)
        if (what !== undefined) {
          breakUp(what)
        }
      }
    }
    return !gone
  }

  const onReady = (user: string) => {
    if (!/^\d*$/.test(user)) {
      return breakUp("it runs as a user that is no number")
    }
    isReady = true
    clearTimeout(starting)
    Deferred.doneUnsafe(ready, Effect.succeed(user === "" ? undefined : user))
  }

  const reader = makeJudgingReader(judge, onFrame)

  socket.on("data", (bytes: Buffer) => {
    if (!gone) {
      reader.push(bytes)
    }
  })
  socket.on("error", () => onEnded("its connection broke"))
  socket.on("close", () => onEnded("its connection closed"))
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr = Buffer.concat([stderr, bytes]).subarray(-keptStderr)
    stderrLength += bytes.length
    if (stderrLength > maxStderr) {
      breakUp(`it wrote more than ${maxStderr} bytes to its standard error`)
    }
  })
  child.onEnd(onEnded, (reason) => lose("crashed", reason))

  // ---------------------------------------------------------------------------
  // What it is told
  // ---------------------------------------------------------------------------

  const onWritten = () => {
    const unread = socket.writableLength
    if (unread > maxUnreadBytes) {
      loseAt(
        `the script's process did not take in what its tools answered: more than ${
          maxUnreadBytes / mebibyte
        } MiB of it`,
        "killed",
        "it did not read"
      )
    } else if (unread > muteAboveBytes && mute === undefined && !gone) {
      mute = setTimeout(breakUp, readWithinMillis, "it does not read what it is told").unref()
      socket.pause()
    }
  }

  socket.on("drain", () => {
    clearTimeout(mute)
    mute = undefined
    socket.resume()
  })

  const write = makeWriter(socket, onWritten)

  child.hold(false)

  return {
    pid: child.pid,
    ready: Deferred.await(ready),
    isOpen,
    isReady: () => isReady && !gone,
    size: () => listeners.size,
    waiting: () => waiting.size,
    busy: () => busy.size,
    memory: child.memory,
    isBusy: (cell) => busy.has(cell),
    open: (listener) => {
      const cell = ++lastCell
      if (gone) {
        queueMicrotask(() => listener.onLost(undefined))
      } else {
        listeners.set(cell, listener)
        waiting.add(cell)
      }
      return cell
    },
    start: (cell, program) => {
      if (!listeners.has(cell)) {
        return true
      }
      const isSent = write(cell, Kind.Start, program)
      if (isSent) {
        started.add(cell)
      }
      return isSent
    },
    close: (cell, hasEnded) => {
      if (listeners.delete(cell)) {
        waiting.delete(cell)
        busy.delete(cell)
        if (started.delete(cell)) {
          leaving.set(cell, { timer: setTimeout(onWedged, options.killAfterMillis, cell).unref(), hasEnded })
        }
        loseIfDone()
      }
    },
    send: (cell, kind, payload, rest) => gone || write(cell, kind, payload, rest),
    hold: child.hold,
    kill: (limit) => loseAt(limit, "released", "it was ended")
  }
}
