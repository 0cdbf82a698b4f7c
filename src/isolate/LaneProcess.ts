/**
 * One lane as a child process: how it is started, spoken to, and ended.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { readFileSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import type { Socket } from "node:net"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { IsolateFailure } from "../Protocol.ts"
import type { Confinement } from "./Confinement.ts"
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
  /** The lane is gone; `limit` says which bound it was ended at, if it was at one. */
  readonly onLost: (limit: string | undefined) => void
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
  /** How many cells it has. */
  readonly size: () => number
  /** Memory that it shares with no other process, in bytes, where that is known. */
  readonly memory: () => number
  /** Whether a cell has been computing for a while, without a pause. */
  readonly isBusy: (cell: number) => boolean
  /** Registers a cell and gives its number. */
  readonly open: (listener: Listener) => number
  /** Starts a cell that is registered. */
  readonly start: (cell: number, program: string) => void
  readonly close: (cell: number) => void
  readonly send: (cell: number, kind: number, payload?: string) => void
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
  readonly confinement: Confinement
  readonly warmIsolates: number
  readonly codeGeneration: boolean
  /** How long what runs of a cell may go on after its end. */
  readonly killAfterMillis: number
  /** The bound at which the system has ended a lane, if it was at one. Asked once for each that ended by itself. */
  readonly findLimit: () => string | undefined
  readonly onGone: () => void
}

// This file runs from its source or compiled, and a lane runs the same way: from its source, or bundled in one file,
// which is there sooner.
const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const bundle = join(here, "..", "bundle", "lane", "main.cjs")
const lane = import.meta.url.endsWith(".ts")
  ? { main: join(here, "lane", "main.ts"), reads: [join(here, "lane"), join(here, "Frames.ts")] }
  : { main: bundle, reads: [bundle] }

// The host finds the addon, so that the lane needs to read nothing else.
const findAddon = (): string => {
  const isolatedVm = createRequire(import.meta.url).resolve("isolated-vm")
  return realpathSync(createRequire(isolatedVm)("node-gyp-build").path(dirname(isolatedVm)))
}

/**
 * The files that a lane reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const files = (): ReadonlyArray<string> => [findAddon(), ...lane.reads]

const keptStderr = 4096

/** How long a lane may take to start, and how long other cells of a lane may go on while it cannot stop one. */
const startWithinMillis = 20_000
const wedgedForMillis = 5_000

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

const memoryOf = (pid: number | undefined): number => {
  try {
    const [, kibibytes = "0"] = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0
  }
}

/**
 * Starts a lane. May throw.
 *
 * It has nothing in its environment, may read its own files only, and belongs to no terminal, so that an interrupt
 * typed there reaches the host alone. It ends itself when the host is gone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: Options): LaneProcess => {
  const addon = findAddon()
  const [command, args] = options.confinement.command(process.execPath, [
    "--permission",
    "--allow-addons",
    ...[addon, ...lane.reads].map((path) => `--allow-fs-read=${path}`),
    "--disable-warning=SecurityWarning",
    "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
    lane.main,
    addon,
    String(options.warmIsolates),
    String(options.codeGeneration)
  ])
  const child = spawn(command, args, {
    cwd: "/",
    env: {},
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    detached: true,
    windowsHide: true
  })
  const stdio: typeof child.stdio | undefined = child.stdio
  if (stdio === undefined) {
    // Then the reason comes as an event, too, which ends this process if nobody hears it.
    child.on("error", () => {})
    throw new Error("there are no file descriptors left")
  }
  if (child.pid !== undefined) {
    options.confinement.adopt(child.pid)
  }
  const socket = stdio[3] as Socket
  const write = makeWriter(socket)
  const ready = Deferred.makeUnsafe<string | undefined, IsolateFailure>()
  const listeners = new Map<number, Listener>()
  const started = new Set<number>()
  const busy = new Set<number>()
  /** Cells that have ended and of which something still runs. */
  const leaving = new Map<number, NodeJS.Timeout>()
  /** Those of them that take too long. */
  const wedged = new Set<number>()
  let lastCell = 0
  let open = true
  let gone = false
  let stderr = ""

  const lose = (reason: string, limit?: string) => {
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
    const lost = [...listeners.values()]
    listeners.clear()
    busy.clear()
    const text = `the lane process did not start: ${limit ?? reason}${stderr && `\n${stderr}`}`
    Deferred.doneUnsafe(ready, Effect.fail(new IsolateFailure({ text })))
    options.onGone()
    lost.forEach((listener) => listener.onLost(limit))
  }

  /** It has ended, and we have not ended it. */
  const onEnded = (reason: string) => {
    if (!gone) {
      lose(reason, options.findLimit())
    }
  }

  const isOpen = () => open && wedged.size === 0

  const loseIfDone = () => {
    if (!isOpen() && listeners.size === 0) {
      lose("its cells were done")
    }
  }

  const retire = () => {
    open = false
    loseIfDone()
  }

  // A builtin that cannot be interrupted, or a lane that does not hear. If it does not stop, its other cells go with it.
  const onWedged = (cell: number) => {
    wedged.add(cell)
    leaving.set(cell, setTimeout(lose, wedgedForMillis, "it could not stop a cell").unref())
    loseIfDone()
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
        wedged.delete(cell)
        return
      case Kind.Busy:
        // A lane that is out of its mind can name very many cells.
        return void (listeners.has(cell) && busy.add(cell))
      case Kind.Idle:
        return void busy.delete(cell)
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
  socket.on("error", () => onEnded("its connection broke"))
  socket.on("close", () => onEnded("its connection closed"))
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr = (stderr + bytes.toString()).slice(-keptStderr)
  })
  child.on("error", (error) => lose(error.message))
  child.on("exit", (code, signal) => onEnded(`it ended with ${signal ?? `status ${code}`}`))

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
    isOpen,
    size: () => listeners.size,
    memory: () => memoryOf(child.pid),
    isBusy: (cell) => busy.has(cell),
    open: (listener) => {
      const cell = ++lastCell
      if (gone) {
        queueMicrotask(() => listener.onLost(undefined))
      } else {
        listeners.set(cell, listener)
      }
      return cell
    },
    start: (cell, program) => {
      if (listeners.has(cell)) {
        started.add(cell)
        write(cell, Kind.Start, program)
      }
    },
    close: (cell) => {
      if (listeners.delete(cell)) {
        busy.delete(cell)
        if (started.delete(cell)) {
          leaving.set(cell, setTimeout(onWedged, options.killAfterMillis, cell).unref())
        }
        loseIfDone()
      }
    },
    send: (cell, kind, payload) => {
      if (!gone) {
        write(cell, kind, payload)
      }
    },
    hold,
    kill: (limit) => lose("it was ended", limit)
  }
}
