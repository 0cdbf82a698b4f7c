/**
 * The way to a host: a process of our own, or a Unix domain socket.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import type { EventEmitter } from "node:events"
import { realpathSync } from "node:fs"
import * as Net from "node:net"
import { dirname, join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"

/** No host could be reached, or it is gone. */
export class HostFailure extends Schema.TaggedError<HostFailure>("effect-code-mode/host/HostFailure")("HostFailure", {
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

export interface Command {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  /** The environment of the process; without it, that of this one. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface Transport {
  readonly input: Readable
  readonly output: Writable
  /** Calls `listener` once the host can say nothing more, with the reason. */
  readonly onGone: (listener: (reason: string) => void) => void
}

const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const hostFile = import.meta.url.endsWith(".ts") ? "../bin/code-mode-host.ts" : "../../bin/code-mode-host.js"

/** The host of this package, in the same node as this process and with nothing in its environment. */
export const ownHost: Command = {
  command: process.execPath,
  args: [join(here, hostFile)],
  env: {}
}

const keptStderr = 4096

/** How long a host may take to end once nothing comes in any more. */
const leaveWithin = "250 millis"

type Child = ChildProcessByStdio<Writable, Readable, Readable>

const isGone = (child: Child) => child.exitCode !== null || child.signalCode !== null

const once = (emitter: EventEmitter, event: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    emitter.once(event, done)
    return Effect.sync(() => emitter.off(event, done))
  })

const awaitExit = (child: Child): Effect.Effect<void> =>
  Effect.suspend(() => isGone(child) ? Effect.void : once(child, "exit"))

/**
 * Waits until nothing can be said to the host, or by it. What ends first says little: the process knows why it ended,
 * and the last that it said may still be in its streams, which a child of its own may hold open for ever.
 */
const awaitGone = (child: Child): Effect.Effect<void> =>
  Effect.raceFirst(
    once(child, "close"),
    Effect.raceAllFirst([once(child, "exit"), once(child.stdout, "close"), once(child.stdin, "close")]).pipe(
      Effect.andThen(Effect.sleep(leaveWithin))
    )
  )

/** Ends the host and whatever it has started in its process group, if any of them is left. */
const kill = ({ pid }: Child) => Result.try(() => pid !== undefined && process.kill(-pid, "SIGKILL"))

const start = ({ args, command, env }: Command) =>
  Effect.callback<Child, HostFailure>((resume) => {
    // A group of its own: an interrupt typed at a terminal reaches this process alone, which then ends the host.
    const child = spawn(command, args ?? [], {
      env: env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      windowsHide: true
    })
    child.once("spawn", () => resume(Effect.succeed(child)))
    child.once("exit", () => kill(child))
    child.on(
      "error",
      (error) =>
        resume(Effect.fail(new HostFailure({ text: `failed to spawn code-mode host ${command}: ${error.message}` })))
    )
  })

const end = (child: Child) =>
  Effect.sync(() => child.stdin.end()).pipe(
    Effect.andThen(awaitExit(child)),
    Effect.timeoutOrElse({
      duration: leaveWithin,
      orElse: () => Effect.andThen(Effect.sync(() => kill(child)), awaitExit(child))
    })
  )

const whyGone = ({ exitCode, signalCode }: Child, stderr: string) => {
  const said = stderr.trim()
  const end = exitCode === null && signalCode === null
    ? "closed its streams"
    : `ended with ${signalCode ?? `status ${exitCode}`}`
  return `code-mode host ${end}${said && `: ${said}`}`
}

/** Starts a host that is ended with the scope. */
export const spawnHost = (command: Command): Effect.Effect<Transport, HostFailure, Scope.Scope> =>
  Effect.acquireRelease(start(command), end).pipe(
    Effect.flatMap(Effect.fnUntraced(function*(child) {
      let stderr = ""
      child.stderr.on("data", (bytes: Buffer) => {
        stderr = (stderr + bytes.toString()).slice(-keptStderr)
      })
      // Detached: it is heard, too, when the scope closes.
      const gone = yield* Effect.forkDetach(awaitGone(child), { startImmediately: true })
      return {
        input: child.stdout,
        output: child.stdin,
        onGone: (listener) => gone.addObserver(() => listener(whyGone(child, stderr)))
      }
    }))
  )

/** Connects to a host that listens at a path. The host stays when the scope closes. */
export const connectHost = (path: string): Effect.Effect<Transport, HostFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket, HostFailure>((resume) => {
      const socket = Net.connect(path)
      // It stays: a host may hang up as soon as it has picked up.
      socket.on("error", (error) =>
        resume(Effect.fail(new HostFailure({ text: `cannot connect to the code-mode host: ${error.message}` }))))
      socket.once("connect", () =>
        resume(Effect.succeed(socket)))
      return Effect.sync(() =>
        socket.destroy()
      )
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.map((socket) => ({
      input: socket,
      output: socket,
      onGone: (listener) => {
        const gone = () => listener("the code-mode host closed the connection")
        if (socket.closed) {
          gone()
        } else {
          socket.once("close", gone)
        }
      }
    }))
  )
