/** The built host, as another program would start it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Remote from "effect-code-mode/Remote"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as HostProcess from "../host/HostProcess.ts"

const program = join(import.meta.dirname, "../../bin/code-mode-host.js")

/** Starts a host that listens at a path. */
export const listen = Effect.fnUntraced(function*(path: string, ...args: ReadonlyArray<string>) {
  const host = yield* HostProcess.startProgram(program, "--listen", `rpc+unix://${path}`, ...args)
  yield* HostProcess.listening(host)
  return host
})

/** The same, in a folder of its own. */
export const listenSomewhere = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const path = join(yield* HostProcess.folder, "host.sock")
  return { ...(yield* listen(path, ...args)), path }
})

/** A host at standard input and output. */
export const command: Remote.Command = {
  command: process.execPath,
  args: [program, "--listen", "rpc+stdio://", "--warm-lanes", "0"],
  env: {}
}

export const layerProcess = (host?: Remote.Command) => Layer.provide(Remote.layerProcess({ host }), NodeServices.layer)
