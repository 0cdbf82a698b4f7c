/**
 * The way to a host: a process of our own, or a Unix domain socket.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SocketError } from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Transport from "../wire/Transport.ts"

/** No host could be reached, or it is gone. */
export class HostFailure extends Schema.TaggedError<HostFailure>("effect-code-mode/HostFailure")("HostFailure", {
  message: Schema.String
}) {}

export interface Way {
  readonly transport: Transport.Transport
  /** Is over when the host is gone, whatever its streams say. */
  readonly gone: Effect.Effect<unknown>
  /** Why it is gone, once it is. */
  readonly why: Effect.Effect<string>
}

export interface Command {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  /** The environment of the process; without it, that of this one. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const hostFile = import.meta.url.endsWith(".ts") ? "../bin/code-mode-host.ts" : "../../bin/code-mode-host.js"

/** The host of this package, in the same node as this process and with nothing in its environment. */
export const ownHost: Command = {
  command: process.execPath,
  args: [join(here, hostFile), "--listen", "rpc+stdio://"],
  env: {}
}

const keptStderr = 4096

/** How long a host may take to end once it was told to. */
const leaveWithin = "250 millis"

const howEnded = (exit: Exit.Exit<number, { readonly message: string }>) =>
  Exit.isSuccess(exit)
    ? `with status ${exit.value}`
    : `by ${/SIG\w+/.exec(String(Exit.findErrorOption(exit)))?.[0] ?? "itself"}`

/** Starts a host that is ended with the scope. */
export const start = Effect.fnUntraced(function*(
  { args = [], command, env }: Command
): Effect.fn.Return<Way, HostFailure, ChildProcessSpawner | Scope.Scope> {
  const { spawn } = yield* ChildProcessSpawner
  const child = yield* spawn(ChildProcess.make(command, args, { env, forceKillAfter: leaveWithin })).pipe(
    Effect.mapError(({ message }) =>
      new HostFailure({ message: `cannot start the code-mode host ${command}: ${message}` })
    )
  )
  let stderr = ""
  const ending = yield* Effect.forkScoped(Effect.exit(child.exitCode))
  const saying = yield* Effect.forkScoped(
    Stream.runForEach(Stream.decodeText(child.stderr), (text) =>
      Effect.sync(() => {
        stderr = (stderr + text).slice(-keptStderr)
      }))
  )
  return {
    transport: { input: child.stdout, output: child.stdin },
    gone: Fiber.await(ending),
    why: Effect.andThen(Fiber.await(saying), Fiber.await(ending)).pipe(
      Effect.timeoutOption(leaveWithin),
      Effect.map(() => {
        const exit = ending.pollUnsafe()
        const how = exit !== undefined && Exit.isSuccess(exit) ? `ended ${howEnded(exit.value)}` : "closed its streams"
        const said = stderr.trim()
        return `the code-mode host ${how}${said && `: ${said}`}`
      })
    )
  }
})

// Loaded where it is needed, for it takes long, and a host has this module, too.
const makeNet = (path: string) =>
  Effect.flatMap(Effect.promise(() => import("@effect/platform-node/NodeSocket")), ({ makeNet }) => makeNet({ path }))

/** Connects to a host that listens at a path. The host stays when the scope closes. */
export const connect = (path: string): Effect.Effect<Way> =>
  Effect.map(makeNet(path), (socket) => {
    const { input, output } = Transport.fromSocket(socket)
    let why = "the code-mode host closed the connection"
    return {
      transport: {
        input: Stream.tapError(input as Stream.Stream<Uint8Array, SocketError>, ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag === "SocketOpenError") {
              why = `cannot connect to the code-mode host: ${(reason.cause as Error).message}`
            }
          })),
        output
      },
      gone: Effect.never,
      why: Effect.sync(() => why)
    }
  })
