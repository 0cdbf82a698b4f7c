/**
 * The end of one connection that speaks the protocol: Effect's `McpServer`, over a transport that is two functions.
 *
 * @internal
 */
import * as McpProtocol from "effect/ai/McpProtocol"
import * as AiMcpServer from "effect/ai/McpServer"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import * as Scopeless from "../data/Scopeless.ts"
import * as Bounds from "./Bounds.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"

/** Gives a message to the client. It waits while there is no room. */
export type Send = (message: JsonRpcCodec.Outgoing | JsonRpcCodec.Refusal) => Effect.Effect<void>

export interface ProtocolEnd {
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

const tooMany = (id: JsonRpcCodec.Id) =>
  JsonRpcCodec.refusal(-32000, `there are ${Bounds.maxRequests} requests in flight, which is the most`, id)

/** Effect's server says that resources can be subscribed to, and texts completed. Nothing here would do it. */
const honest = (result: unknown): unknown => {
  const { capabilities, ...rest } = result as { readonly capabilities: Record<string, unknown> }
  const { completions: _, ...others } = capabilities
  return {
    ...rest,
    capabilities: others.resources === undefined ? others : { ...others, resources: { listChanged: true } }
  }
}

/** Whether it is to be answered. */
const isRequest = (message: JsonRpcCodec.Incoming): message is Exclude<JsonRpcCodec.Incoming, JsonRpcCodec.Answer> =>
  message._tag === "Request" && message.isNotification !== true

export const make = Effect.fnUntraced(function*(options: {
  readonly server: AiMcpServer.McpServer["Service"]
  readonly info: { readonly name: string; readonly version: string; readonly instructions: string }
  /** What is to be done before a request of this method is answered. */
  readonly before: (method: string) => Effect.Effect<void> | undefined
  readonly send: Send
}): Effect.fn.Return<ProtocolEnd, never, Scope.Scope> {
  const { before, info, send, server } = options
  const scope = yield* Effect.scope
  // That of a request over HTTP is not to be taken for ours: Effect's server would begin a session of its own.
  const context = yield* Scopeless.context<Scope.Scope>()

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

  /** The id of the request that begins the connection, until it is answered. */
  let greeting: JsonRpcCodec.Id | undefined
  const toHonest = (message: JsonRpcCodec.Answer): JsonRpcCodec.Answer => {
    if (message.requestId !== greeting || message.exit._tag !== "Success") {
      return message
    }
    greeting = undefined
    return { ...message, exit: { ...message.exit, value: honest(message.exit.value) } }
  }

  let write: (clientId: number, message: FromClientEncoded) => Effect.Effect<void>
  const disconnects = yield* Queue.make<number>()
  const protocol = yield* RpcServer.Protocol.make((toServer) => {
    write = toServer
    return Effect.succeed({
      disconnects,
      send: (_: number, message: JsonRpcCodec.Outgoing) =>
        message._tag === "Exit"
          ? Effect.ensuring(send(toHonest(message)), Effect.sync(() => end(JsonRpcCodec.keyOf(message.requestId))))
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

  yield* AiMcpServer.run({ ...info, protocols }).pipe(
    Effect.provideService(AiMcpServer.McpServer, server),
    Effect.provideService(RpcServer.Protocol, protocol),
    Effect.orDie,
    Effect.forkScoped
  )

  /** Why a message is not taken. Otherwise, it is counted. */
  const refused = (message: JsonRpcCodec.Incoming): JsonRpcCodec.Refusal | undefined => {
    if (!isRequest(message)) {
      return undefined
    }
    const key = JsonRpcCodec.keyOf(message.id)
    if (requests.has(key)) {
      return JsonRpcCodec.refusal(-32600, "there is a request with this id already", message.id)
    }
    if (requests.size >= Bounds.maxRequests) {
      return tooMany(message.id)
    }
    if (message.tag === "initialize") {
      greeting = message.id
    }
    begin(key)
    return undefined
  }

  const take = (message: JsonRpcCodec.Incoming): Effect.Effect<void> => {
    const refusal = refused(message)
    if (refusal !== undefined) {
      return send(refusal)
    }
    if (message._tag === "Request" && message.tag === "notifications/cancelled") {
      // There will be no answer.
      const { requestId } = (message.payload ?? {}) as { readonly requestId?: unknown }
      end(JSON.stringify(requestId))
    }
    // `write` is another one once the server runs, and the message may be taken only then.
    const taken = Effect.suspend(() => write(clientId, message as FromClientEncoded)).pipe(
      // So it says that a request which was cancelled, and has not ended yet, has the same id.
      Effect.exit,
      Effect.asVoid
    )
    const first = isRequest(message) ? before(message.tag) : undefined
    if (!isRequest(message) || first === undefined) {
      return taken
    }
    const key = JsonRpcCodec.keyOf(message.id)
    // Other messages need not wait. It may be cancelled meanwhile.
    const later = Effect.andThen(first, Effect.suspend(() => requests.has(key) ? taken : Effect.void))
    return Effect.asVoid(Effect.forkIn(later, scope))
  }

  return {
    receive: (message) =>
      Effect.suspend(() => message._tag === "Refusal" ? send(message) : take(message)).pipe(
        Effect.updateContext((_: Context.Context<never>) => context)
      ),
    idle: idle.await
  }
})
