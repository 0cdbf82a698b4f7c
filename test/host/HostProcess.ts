/** The host as a process, as another program would start it. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "./Client.ts"

const entry = fileURLToPath(new URL("../../bin/code-mode-host.js", import.meta.url))

export interface Ended {
  readonly status: number | NodeJS.Signals
  readonly stderr: string
}

export interface HostProcess {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Effect.Effect<Ended>
}

export interface HowToStart {
  readonly command: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a host in some way. It is killed with the scope, if it still runs. */
export const startAs = (
  { command: [program, ...first], cwd, env }: HowToStart,
  ...args: ReadonlyArray<string>
): Effect.Effect<HostProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(program, [...first, ...args], { stdio: "pipe", cwd, env })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(
    Effect.flatMap(Effect.fnUntraced(function*(child) {
      let stderr = ""
      child.stderr.setEncoding("utf8").on("data", (text) => {
        stderr += text
      })
      child.stdin.on("error", () => {})
      const ended = yield* Effect.forkScoped(
        Effect.callback<Ended>((resume) => {
          child.on("close", (code, signal) => resume(Effect.succeed({ status: code ?? signal!, stderr })))
        }),
        { startImmediately: true }
      )
      return { child, ended: Fiber.join(ended) }
    }))
  )

/** Starts a program of node's. */
export const startProgram = (program: string, ...args: ReadonlyArray<string>) =>
  startAs({ command: [process.execPath, program] }, ...args)

/** Starts the host. It has one session mostly, and no other will need a lane. */
export const start = (...args: ReadonlyArray<string>) => startProgram(entry, "--warm-lanes", "0", ...args)

/** Starts a host and shakes hands with it. */
export const startStdio = Effect.fnUntraced(function*(options?: Parameters<Client["hello"]>[0]) {
  const host = yield* start()
  const client = new Client(host.child.stdout, host.child.stdin)
  yield* client.hello(options)
  return { ...host, client }
})

/** A folder that goes with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "code-mode-host-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Connects to a host's socket. */
export const connect = (path: string): Effect.Effect<Client, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket, Error>((resume) => {
      const socket = Net.connect(path)
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("error", (error) => resume(Effect.fail(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map((socket) => new Client(socket, socket)))

/** Waits until a host on a socket takes connections. */
export const listening = ({ child }: HostProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    child.stdout.once("data", () => resume(Effect.void))
  })

/** Starts a host on a socket in a folder of its own. */
export const startUnix = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const path = join(yield* folder, "host.sock")
  const host = yield* start("--listen", `unix://${path}`, ...args)
  yield* listening(host)
  return { ...host, path, connect: connect(path) }
})
