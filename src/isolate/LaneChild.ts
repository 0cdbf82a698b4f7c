/**
 * The process of a lane: which program it is, and how it is started. What is said to it and by it belongs to other modules.
 *
 * @since 0.1.0
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { devNull } from "node:os"
import { dirname } from "node:path"
import type { Duplex, Readable } from "node:stream"
import * as Memory from "../system/Memory.ts"
import type { Confinement } from "./Confinement.ts"
import * as LaneFiles from "./LaneFiles.ts"
import * as LaneThreads from "./LaneThreads.ts"

/**
 * A process that has been started.
 *
 * @category models
 * @since 0.1.0
 */
export interface LaneChild {
  readonly pid: number | undefined
  /** The way to it and from it. */
  readonly socket: Duplex
  readonly stderr: Readable | undefined
  /** Memory that it shares with no other process, in bytes, where that is known. */
  readonly memory: () => number
  /** Gives the thread that speaks to us more of the processors than those that compute, where that can be. */
  readonly favourBridge: () => void
  /** Whether it keeps this process alive. */
  readonly hold: (held: boolean) => void
  /** Hears that it has ended, and why; or that it could not even start. */
  readonly onEnd: (onEnded: (reason: string) => void, onFailed: (reason: string) => void) => void
  readonly kill: () => void
}

/**
 * What a lane runs: node's arguments, and the files that it reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Program {
  readonly args: ReadonlyArray<string>
  readonly files: ReadonlyArray<string>
}

const noDescriptors = "there are no file descriptors left"

/** What finding out about the system takes, and a process with its pipes. */
const neededDescriptors = 12

/** Code that looks for a file without a descriptor to look with does not find it, and may say so in any words. */
const hasDescriptors = (): boolean => {
  const taken: Array<number> = []
  try {
    while (taken.length < neededDescriptors) {
      taken.push(openSync(devNull, "r"))
    }
    return true
  } catch {
    return false
  } finally {
    taken.forEach((descriptor) => closeSync(descriptor))
  }
}

/**
 * Throws where there are too few file descriptors to find out about the system, or to start a lane.
 *
 * @category constructors
 * @since 0.1.0
 */
export const requireDescriptors = (): void => {
  if (!hasDescriptors()) {
    throw new Error(noDescriptors)
  }
}

const oldestNode = 24

/** Why there is no addon, where that is not the addon's fault. */
const explain = (cause: unknown): unknown =>
  Number.parseInt(process.versions.node) < oldestNode
    ? new Error(`isolates need Node ${oldestNode} or later, and this is ${process.version}`, { cause })
    : hasDescriptors()
    ? cause
    : new Error(noDescriptors, { cause })

// The host finds the addon, so that the lane needs to read nothing else.
const findAddon = (): string => {
  try {
    const isolatedVm = createRequire(import.meta.url).resolve("isolated-vm")
    return realpathSync(createRequire(isolatedVm)("node-gyp-build").path(dirname(isolatedVm)))
  } catch (cause) {
    throw explain(cause)
  }
}

/**
 * Finds the program of lanes. May throw.
 *
 * @category constructors
 * @since 0.1.0
 */
export const findProgram = (
  options: { readonly warmIsolates: number; readonly codeGeneration: boolean }
): Program => {
  const addon = findAddon()
  const files = [addon, ...LaneFiles.reads]
  return {
    args: [
      "--permission",
      "--allow-addons",
      ...files.map((path) => `--allow-fs-read=${path}`),
      "--disable-warning=SecurityWarning",
      "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
      LaneFiles.main,
      addon,
      String(options.warmIsolates),
      String(options.codeGeneration)
    ],
    files
  }
}

const toLaneChild = (child: ChildProcess, stdio: ChildProcess["stdio"]): LaneChild => {
  const socket = stdio[3] as Duplex & { ref(): void; unref(): void }
  return {
    pid: child.pid,
    socket,
    stderr: child.stderr ?? undefined,
    memory: () => Memory.ofProcess(child.pid),
    favourBridge: () => {
      // Once it has been waited for, its number may be another one's.
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        LaneThreads.favourBridge(child.pid)
      }
    },
    hold: (held) => {
      if (held) {
        child.ref()
        socket.ref()
      } else {
        child.unref()
        socket.unref()
      }
    },
    onEnd: (onEnded, onFailed) => {
      child.on("error", (error) => onFailed(error.message))
      child.on("exit", (code, signal) => onEnded(`it ended with ${signal ?? `status ${code}`}`))
    },
    kill: () => void child.kill("SIGKILL")
  }
}

/**
 * Starts a program of node's as a lane. May throw.
 *
 * It has nothing in its environment and belongs to no terminal, so that an interrupt typed there reaches the host alone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (program: Program, confinement: Confinement): LaneChild => {
  const [command, args] = confinement.command(process.execPath, program.args)
  const child = spawn(command, args, {
    cwd: "/",
    env: {},
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    detached: true,
    windowsHide: true
  })
  const stdio: typeof child.stdio | undefined = child.stdio
  if (stdio === undefined) {
    // Then the reason comes as an event, too, which ends this process if it has no listener.
    child.on("error", () => {})
    throw new Error(noDescriptors)
  }
  if (child.pid !== undefined) {
    confinement.adopt(child.pid)
  }
  ;(child.stderr as (Readable & { unref(): void }) | null)?.unref()
  return toLaneChild(child, stdio)
}
