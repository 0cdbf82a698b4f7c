/** A host whose isolates a test plays, and clients' connections to it. */
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as HostConnection from "effect-code-mode/remote/HostConnection"
import * as RemoteSession from "effect-code-mode/remote/RemoteSession"
import * as Server from "effect-code-mode/remote/Server"
import * as Frame from "effect-code-mode/wire/Frame"
import { LiveCells } from "effect-code-mode/wire/LiveCells"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { toolDefinition } from "../session/TestSession.ts"
import * as Wire from "./Wire.ts"

export type Invoke = Delegate.Delegate["Service"]["invokeTool"]

/** A host and a client's connection to it. */
export const connect = Effect.fnUntraced(function*(options?: {
  readonly limits?: Protocol.Limits
  readonly maxFrameBytes?: number
}) {
  const wire = yield* Wire.make
  const maxFrameBytes = Frame.maxPayloadOf(options?.maxFrameBytes)
  const limits = options?.limits ?? Protocol.Limits.make({})
  const serving = yield* Effect.forkScoped(
    Effect.scoped(
      Server.serve({
        limits,
        maxFrameBytes,
        liveCells: new LiveCells(limits.maxLiveCells)
      }, wire.host)
    ),
    { startImmediately: true }
  )
  const connections = yield* HostConnection.makeConnections(Effect.succeed(wire.way), options?.maxFrameBytes)
  const open = (
    options?: RemoteSession.Options & { readonly invokeTool?: Invoke; readonly notified?: Array<string> }
  ) =>
    RemoteSession.make(connections, options).pipe(Effect.provide(Delegate.layer({
      tools: [toolDefinition("tool")],
      invokeTool: options?.invokeTool ?? (() => Effect.never),
      notify: ({ text }) => Effect.sync(() => options?.notified?.push(text))
    })))
  return { ...wire, connections, open, ended: Fiber.await(serving) }
})

/** The same, with a session. */
export const open = Effect.fnUntraced(function*(
  options?: Parameters<typeof connect>[0] & { readonly invokeTool?: Invoke; readonly notified?: Array<string> }
) {
  const connected = yield* connect(options)
  return { ...connected, session: yield* connected.open(options) }
})
