import { afterAll, beforeAll, beforeEach, describe } from "@effect/vitest"
import type * as Delegate from "effect-code-mode/Delegate"
import * as Remote from "effect-code-mode/Remote"
import { SessionRuntime } from "effect-code-mode/Runtime"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { atPort } from "../grpc/Client.ts"
import * as HostAt from "../grpc/HostAt.ts"
import { Client, decodeTolerantly } from "../host/Client.ts"
import * as HostProcess from "../host/HostProcess.ts"
import * as BuiltHost from "../remote/BuiltHost.ts"
import { contract } from "./Contract.ts"
import { OverGrpc } from "./OverGrpc.ts"
import * as Version1 from "./Version1.ts"

const scope = Scope.makeUnsafe()
let socket = ""
let port = 0
let remoteSocket = ""
let ownHost = Context.empty() as Context.Context<Remote.Connection>

beforeAll(() =>
  Effect.runPromise(
    Effect.all([
      HostProcess.startUnix(),
      HostAt.tcp(),
      BuiltHost.listenSomewhere(),
      Layer.buildWithScope(BuiltHost.layerProcess(BuiltHost.command), scope)
    ], { concurrency: 2 }).pipe(
      Scope.provide(scope),
      Effect.map(([host, grpcHost, remoteHost, connection]) => {
        socket = host.path
        port = grpcHost.port
        remoteSocket = remoteHost.path
        ownHost = connection
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
  layer: sessions(Layer.suspend(() => Layer.succeedContext(ownHost)))
})

/** A session at a host that speaks version 1 alone. */
const version1 = (connect: Effect.Effect<Client, Error, Scope.Scope>) => (delegate: Layer.Layer<Delegate.Delegate>) =>
  Layer.effect(
    SessionRuntime,
    Effect.flatMap(
      connect,
      (client) => Effect.andThen(client.hello({ optional: ["delegate-capacity-4096"] }), Version1.make(client))
    )
  ).pipe(Layer.provide(delegate))

contract({
  name: "our host, version 1",
  extended: false,
  layer: version1(Effect.suspend(() => HostProcess.connect(socket)))
})

/** Over gRPC a notification is delivered once it was sent, and the end of a session takes back what waits for a cell. */
const otherOverGrpc = new Set([
  "a completion waits for its notifications and not for its tools",
  "the yield deadline fires while notifications drain",
  "of a cell terminated before its commit are never seen",
  "callbacks have ended when terminate answers",
  "is not held up by a deaf notification that a finished script waits for",
  "ends busy cells, answers observers, and refuses new cells"
])

describe("over gRPC", () => {
  beforeEach(({ skip, task }) => skip(otherOverGrpc.has(task.name), "the protocol is another one there"))

  contract({
    name: "our host, gRPC",
    extended: false,
    layer: (delegate) =>
      Layer.effect(
        SessionRuntime,
        Effect.flatMap(
          Effect.suspend(() => atPort(port)),
          (client) => Version1.make(new OverGrpc(client))
        )
      ).pipe(Layer.provide(delegate))
  })
})

/** Codex's host, where it is at hand. */
const publishedHost = join(homedir(), ".cache/codex-oracle-0.169.0/bin/codex-code-mode-host")

/**
 * While it delivers the last notifications of a cell, that host neither yields nor cancels anything. It takes up a wait and
 * a shutdown behind it in any order.
 */
const knownDifferences = new Set([
  "ends busy cells, answers observers, and refuses new cells",
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
    layer: version1(
      Effect.map(
        HostProcess.startAs({ command: [publishedHost] }),
        ({ child }) => new Client(child.stdout, child.stdin, decodeTolerantly)
      )
    )
  })
})
