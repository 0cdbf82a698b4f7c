/**
 * One connection of a client to the MCP server: a session of its own, and an `McpServer` of its own in front of it.
 *
 * **Details**
 *
 * Effect's `McpServer` speaks the protocol: versions, schemas, cancellation, requests to the client. It has one registry
 * for all of its connections and tells nothing of when one begins or ends, so that a session could not be tied to one.
 * Here each connection has a whole server, over a protocol that is no more than two functions; how messages travel is up
 * to `StdioService` and `HttpService`.
 *
 * @internal
 */
import * as McpProtocol from "effect/ai/McpProtocol"
import * as AiMcpServer from "effect/ai/McpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Scope from "effect/Scope"
import * as CodeMode from "../CodeMode.ts"
import type { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import type { IsolateFailure, LimitsInput } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Package from "../system/Package.ts"
import * as Bounds from "./Bounds.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"
import * as ModelTools from "./ModelTools.ts"
import * as ToolSearch from "./ToolSearch.ts"

export interface Options {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly instructions?: string | undefined
  readonly codeMode?: CodeMode.Options | undefined
  readonly check?: CodeMode.Checker | undefined
  readonly limits?: LimitsInput | undefined
  readonly structured?: boolean | undefined
}

/** Gives a message to the client. It waits while there is no room. */
export type Send = (message: JsonRpcCodec.Outgoing | JsonRpcCodec.Refusal) => Effect.Effect<void>

export interface ModelConnection {
  /** Takes a message, or what is in the place of one. */
  readonly receive: (message: JsonRpcCodec.Incoming | JsonRpcCodec.Refusal) => Effect.Effect<void>
  /** Waits until every request of the client has its answer. */
  readonly idle: Effect.Effect<void>
}

/** The versions that have sessions. The one without them (2026-07-28) leaves nothing to tie a session to. */
const protocols = [
  McpProtocol.v2025_11_25,
  McpProtocol.v2025_06_18,
  McpProtocol.v2025_03_26,
  McpProtocol.v2024_11_05
] as const

export const versions: ReadonlyArray<string> = protocols.map(({ protocolVersion }) => protocolVersion)

/** A connection is the only client of its server. */
const clientId = 0

const howToUse =
  "`exec` runs JavaScript that calls the tools of the servers behind this one, many at a time, and gives " +
  "what it puts out. `search` finds tools and shows how to call them. `wait` goes on with a cell that takes longer."

const tooMany = (id: JsonRpcCodec.Id) =>
  JsonRpcCodec.refusal(-32000, `there are ${Bounds.maxRequests} requests in flight, which is the most`, id)

export const make = Effect.fnUntraced(function*(
  options: Options,
  send: Send
): Effect.fn.Return<ModelConnection, IsolateFailure, Delegate | Isolate | Scope.Scope> {
  // That of a request over HTTP is not to be taken for ours: Effect's server would begin a session of its own.
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>()) as Context.Context<never>
  const session = yield* Runtime.make({ limits: options.limits })
  const codeMode = CodeMode.make(session, options.codeMode, options.check)
  let executions = 0

  const toolsOf = ModelTools.make({
    exec: (source) => codeMode.exec({ source, callId: `exec-${++executions}` }),
    wait: codeMode.wait,
    search: (request) => Effect.map(session.tools, (tools) => ToolSearch.answer(tools, request))
  }, options.structured === true)

  const server = yield* AiMcpServer.McpServer.make
  let listed = ""
  /** Adds the tools with the descriptions of the moment, if they have changed. Clients hear of that. */
  const describe = Effect.gen(function*() {
    const { exec, wait } = yield* codeMode.descriptions
    const descriptions = { exec, wait, search: ToolSearch.description(yield* session.tools) }
    const now = JSON.stringify(descriptions)
    if (now !== listed) {
      listed = now
      yield* Effect.forEach(toolsOf(descriptions), server.addTool, { discard: true })
    }
  })
  yield* describe

  let write: (clientId: number, message: FromClientEncoded) => Effect.Effect<void>
  const requests = new Set<string>()
  const idle = Latch.makeUnsafe(true)
  const begin = (key: string) => {
    requests.add(key)
    idle.closeUnsafe()
  }
  const end = (key: string) => {
    requests.delete(key)
    if (requests.size === 0) {
      idle.openUnsafe()
    }
  }
  const disconnects = yield* Queue.make<number>()
  const protocol = yield* RpcServer.Protocol.make((toServer) => {
    write = toServer
    return Effect.succeed({
      disconnects,
      send: (_: number, message: JsonRpcCodec.Outgoing) =>
        message._tag === "Exit"
          ? Effect.ensuring(send(message), Effect.sync(() => end(JsonRpcCodec.keyOf(message.requestId))))
          : send(message),
      end: () => Effect.void,
      clientIds: Effect.succeed(new Set([clientId])),
      initialMessage: Effect.succeedNone,
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: true,
      codecFor: RpcSerialization.json.codecFor
    })
  })

  yield* AiMcpServer.run({
    name: options.name ?? Package.name,
    version: options.version ?? Package.version,
    instructions: options.instructions ?? howToUse,
    protocols
  }).pipe(
    Effect.provideService(AiMcpServer.McpServer, server),
    Effect.provideService(RpcServer.Protocol, protocol),
    Effect.orDie,
    Effect.forkScoped
  )

  const admit = (message: JsonRpcCodec.Incoming): Effect.Effect<void> => {
    if (message._tag === "Request" && message.isNotification !== true) {
      if (requests.has(JsonRpcCodec.keyOf(message.id))) {
        return send(JsonRpcCodec.refusal(-32600, "there is a request with this id already", message.id))
      }
      if (requests.size >= Bounds.maxRequests) {
        return send(tooMany(message.id))
      }
      begin(JsonRpcCodec.keyOf(message.id))
    } else if (message._tag === "Request" && message.tag === "notifications/cancelled") {
      // There will be no answer.
      const { requestId } = (message.payload ?? {}) as { readonly requestId?: unknown }
      end(JSON.stringify(requestId))
    }
    return write(clientId, message as FromClientEncoded).pipe(
      Effect.updateContext((_: Context.Context<never>) => context),
      // So it says that a request which was cancelled, and has not ended yet, has the same id.
      Effect.exit,
      Effect.asVoid
    )
  }

  return {
    receive: (message) =>
      Effect.suspend(() =>
        message._tag === "Refusal"
          ? send(message)
          : message._tag === "Request" && message.tag === "tools/list"
          ? Effect.andThen(describe, admit(message))
          : admit(message)
      ),
    idle: idle.await
  }
})
