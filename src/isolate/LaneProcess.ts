/**
 * One lane as a child process: how it is started, spoken to, and ended.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { realpathSync } from "node:fs"
import { createRequire } from "node:module"
import type { Socket } from "node:net"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { IsolateFailure } from "../Protocol.ts"
import { Kind, makeReader, makeWriter } from "./Frames.ts"

/**
 * What a cell's owner hears from its lane.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** An event as JSON. `false` says that it was none, and that the lane is not to be trusted any more. */
  readonly onEvent: (json: string) => boolean
  /** The lane is gone. */
  readonly onLost: () => void
}

/**
 * A lane. Everything but `ready` is synchronous, and does nothing once the lane is gone.
 *
 * @category models
 * @since 0.1.0
 */
export interface LaneProcess {
  readonly pid: number | undefined
  /** Succeeds once the lane is up, with the user of its own that it runs as, if any; fails if it ends before. */
  readonly ready: Effect.Effect<string | undefined, IsolateFailure>
  /** Whether it takes new cells. */
  readonly isOpen: () => boolean
  /** Registers a cell and gives its number. */
  readonly open: (listener: Listener) => number
  readonly close: (cell: number) => void
  readonly send: (cell: number, kind: number, payload?: string) => void
  /** Whether the lane keeps this process alive. */
  readonly hold: (held: boolean) => void
  readonly kill: () => void
}

// This file runs from its source or compiled, and a lane runs the same way.
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"
const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const laneDirectory = join(here, "lane")
const framesFile = join(here, `Frames${extension}`)

// The host finds the addon, so that the lane needs to read nothing else.
const findAddon = (): string => {
  const isolatedVm = createRequire(import.meta.url).resolve("isolated-vm")
  return realpathSync(createRequire(isolatedVm)("node-gyp-build").path(dirname(isolatedVm)))
}

const keptStderr = 4096

/** How long a lane may take to start, what runs of a cell may go on after its end, and other cells if it does. */
const startWithinMillis = 20_000
const leaveWithinMillis = 2_000
const retiredForMillis = 5_000

/**
 * Time for other things to happen first, whatever clock the program is given.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pause: Effect.Effect<void> = Effect.callback((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 20).unref()
  return Effect.sync(() => clearTimeout(timer))
})

/**
 * Starts a lane.
 *
 * It has nothing in its environment, may read its own files only, and belongs to no terminal, so that an interrupt
 * typed there reaches the host alone. It ends itself when the host is gone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: {
  readonly warmIsolates: number
  readonly onGone: () => void
}): LaneProcess => {
  const addon = findAddon()
  const child = spawn(
    process.execPath,
    [
      "--permission",
      "--allow-addons",
      `--allow-fs-read=${laneDirectory}`,
      `--allow-fs-read=${framesFile}`,
      `--allow-fs-read=${addon}`,
      "--disable-warning=SecurityWarning",
      "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
      join(laneDirectory, `main${extension}`),
      addon,
      String(options.warmIsolates)
    ],
    { cwd: "/", env: {}, stdio: ["ignore", "ignore", "pipe", "pipe"], detached: true, windowsHide: true }
  )
  const socket = child.stdio[3] as Socket
  const write = makeWriter(socket)
  const ready = Deferred.makeUnsafe<string | undefined, IsolateFailure>()
  const listeners = new Map<number, Listener>()
  /** Cells that have ended and of which something still runs. */
  const leaving = new Map<number, NodeJS.Timeout>()
  let lastCell = 0
  let open = true
  let gone = false
  let stderr = ""

  const lose = (reason: string) => {
    if (gone) {
      return
    }
    gone = true
    open = false
    clearTimeout(starting)
    leaving.forEach(clearTimeout)
    leaving.clear()
    child.kill("SIGKILL")
    socket.destroy()
    Deferred.doneUnsafe(
      ready,
      Effect.fail(new IsolateFailure({ text: `the lane process did not start: ${reason}${stderr && `\n${stderr}`}` }))
    )
    options.onGone()
    const lost = [...listeners.values()]
    listeners.clear()
    lost.forEach((listener) => listener.onLost())
  }

  const retire = () => {
    open = false
    if (listeners.size === 0) {
      lose("its cells were done")
    }
  }

  // A builtin that cannot be interrupted, or a lane that does not hear.
  const onWedged = () => {
    retire()
    setTimeout(lose, retiredForMillis, "it could not stop a cell").unref()
  }

  const starting = setTimeout(lose, startWithinMillis, "it took too long").unref()

  const read = makeReader((cell, kind, payload) => {
    switch (kind) {
      case Kind.Ready:
        clearTimeout(starting)
        Deferred.doneUnsafe(ready, Effect.succeed(payload === "" ? undefined : payload))
        return
      case Kind.Retired:
        return retire()
      case Kind.Left:
        clearTimeout(leaving.get(cell))
        leaving.delete(cell)
        return
      case Kind.Event:
        if (!gone && listeners.get(cell)?.onEvent(payload) === false) {
          lose("it sent an event that is none")
        }
        return
      default:
        lose("it sent an unknown frame")
    }
  })

  socket.on("data", (bytes: Buffer) => {
    if (!gone && !read(bytes)) {
      lose("it sent a frame that is too long")
    }
  })
  socket.on("error", () => lose("its connection broke"))
  socket.on("close", () => lose("its connection closed"))
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr = (stderr + bytes.toString()).slice(-keptStderr)
  })
  child.on("error", (error) => lose(error.message))
  child.on("exit", (code, signal) => lose(`it ended with ${signal ?? `status ${code}`}`))

  const hold = (held: boolean) => {
    if (held) {
      child.ref()
      socket.ref()
    } else {
      child.unref()
      socket.unref()
    }
  }
  hold(false)
  ;(child.stderr as Socket | null)?.unref()

  return {
    pid: child.pid,
    ready: Deferred.await(ready),
    isOpen: () => open,
    open: (listener) => {
      const cell = ++lastCell
      if (gone) {
        queueMicrotask(listener.onLost)
      } else {
        listeners.set(cell, listener)
      }
      return cell
    },
    close: (cell) => {
      if (listeners.delete(cell)) {
        leaving.set(cell, setTimeout(onWedged, leaveWithinMillis).unref())
        if (!open) {
          retire()
        }
      }
    },
    send: (cell, kind, payload) => {
      if (!gone) {
        write(cell, kind, payload)
      }
    },
    hold,
    kill: () => lose("it was ended")
  }
}
