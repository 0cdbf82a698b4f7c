import { afterAll, beforeAll, beforeEach, describe } from "@effect/vitest"
import type * as Delegate from "effect-code-mode/Delegate"
import * as RemoteRuntime from "effect-code-mode/host/RemoteRuntime"
import * as RemoteTransport from "effect-code-mode/host/RemoteTransport"
import * as Remote from "effect-code-mode/Remote"
import { SessionRuntime } from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import * as HostProcess from "../host/HostProcess.ts"
import * as BuiltHost from "../remote/BuiltHost.ts"
import { contract } from "./Contract.ts"

const scope = Scope.makeUnsafe()
let socket = ""
let remoteSocket = ""

beforeAll(() =>
  Effect.runPromise(
    Effect.all([HostProcess.startUnix(), BuiltHost.listenSomewhere()], { concurrency: 2 }).pipe(
      Scope.provide(scope),
      Effect.map(([host, remoteHost]) => {
        socket = host.path
        remoteSocket = remoteHost.path
      })
    )
  )
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const sessions = (connection: Layer.Layer<Remote.Connection>) => (delegate: Layer.Layer<Delegate.Delegate>) =>
  Remote.layer().pipe(Layer.provide([delegate, connection]))

contract({
  name: "at a Unix domain socket",
  extended: true,
  layer: sessions(Layer.suspend(() => Remote.layerUnix(remoteSocket)))
})

contract({
  name: "at standard input and output of a process",
  extended: true,
  layer: sessions(BuiltHost.layerProcess(BuiltHost.command))
})

const remote = (transport: RemoteRuntime.Options["transport"], offer: ReadonlyArray<string>) =>
  Layer.effect(
    SessionRuntime,
    RemoteRuntime.make({ transport, offer, limits: undefined, storedValues: undefined })
  )

const ourHost = Effect.suspend(() => RemoteTransport.connectHost(socket))

contract({
  name: "our host",
  extended: true,
  layer: (delegate) => Layer.provide(remote(ourHost, RemoteRuntime.capabilities), delegate)
})

contract({
  name: "our host, version 1",
  extended: false,
  layer: (delegate) => Layer.provide(remote(ourHost, ["yield-observation"]), delegate)
})

/** Codex's host, where it is at hand. */
const publishedHost = join(homedir(), ".cache/codex-oracle-0.169.0/bin/codex-code-mode-host")

/** While it delivers the last notifications of a cell, that host neither yields nor cancels anything. */
const knownDifferences = new Set([
  "a completion waits for its notifications and not for its tools",
  "the yield deadline fires while notifications drain",
  "is not held up by a deaf notification that a finished script waits for",
  "of a cell terminated before its commit are never seen"
])

describe.runIf(existsSync(publishedHost))(`the host at ${publishedHost}, if there is one`, () => {
  beforeEach(({ skip, task }) => skip(knownDifferences.has(task.name), "known to be different there"))

  contract({
    name: "Codex's host 0.169.0",
    extended: false,
    layer: (delegate) =>
      Layer.provide(
        remote(RemoteTransport.spawnHost({ command: publishedHost }), RemoteRuntime.capabilities),
        delegate
      )
  })
})
