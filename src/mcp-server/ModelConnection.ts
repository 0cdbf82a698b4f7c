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
import { memoize } from "effect/Function"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Scope from "effect/Scope"
import { Approver } from "../Approver.ts"
import * as CodeMode from "../CodeMode.ts"
import { Delegate, withApproval } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import type { IsolateFailure, LimitsInput, NestedToolCall, ToolDefinition } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Package from "../system/Package.ts"
import * as Bounds from "./Bounds.ts"
import { Clients } from "./Clients.ts"
import * as ElicitedApprovals from "./ElicitedApprovals.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"
import * as ModelTools from "./ModelTools.ts"
import * as PassedResources from "./PassedResources.ts"
import { Telling } from "./Telling.ts"
import * as ToolSearch from "./ToolSearch.ts"

export interface Options {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly instructions?: string | undefined
  readonly codeMode?: CodeMode.Options | undefined
  readonly check?: CodeMode.Checker | undefined
  readonly limits?: LimitsInput | undefined
  readonly structured?: boolean | undefined
  readonly needsApproval?: ((call: NestedToolCall, tool: ToolDefinition | undefined) => boolean) | undefined
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

/** What a client tells its model of this server, before that has seen any of it. */
const instructionsFor = (tools: ReadonlyArray<ToolDefinition>): string => {
  const servers = Array.from(new Set(tools.flatMap(({ toolName }) => toolName.namespace ?? [])))
  const shown = servers.slice(0, Bounds.maxNamed).map((namespace) => namespace.replace(/^mcp__(.+)__$/, "$1"))
  return servers.length === 0
    ? howToUse
    : `${howToUse}\nThe servers: ${shown.join(", ")}${servers.length > shown.length ? ", …" : ""}.`
}

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

/** What cells may call: one list for each list, as the index of a search is kept with it. */
const callable = memoize((tools: ReadonlyArray<ToolDefinition>) =>
  tools.filter(({ annotations }) => annotations?.callers !== "model")
)

let connections = 0

/** The delegate of a connection: its calls are counted, its notifications go to its client. */
const own = (delegate: Delegate["Service"], telling: Telling, calling: Map<string, number>): Delegate["Service"] => {
  const count = (namespace: string, by: number) => {
    const now = (calling.get(namespace) ?? 0) + by
    if (now === 0) {
      calling.delete(namespace)
    } else {
      calling.set(namespace, now)
    }
  }
  return Delegate.of({
    get tools() {
      return delegate.tools
    },
    get instructions() {
      return delegate.instructions ?? new Map()
    },
    invokeTool: (call) =>
      Effect.suspend(() => {
        const namespace = call.toolName.namespace ?? ""
        count(namespace, 1)
        return Effect.ensuring(delegate.invokeTool(call), Effect.sync(() => count(namespace, -1)))
      }),
    notify: (notification) => Effect.andThen(telling.notification(notification), delegate.notify(notification))
  })
}

export const make = Effect.fnUntraced(function*(
  options: Options,
  send: Send
): Effect.fn.Return<ModelConnection, IsolateFailure, Delegate | Isolate | Scope.Scope> {
  // That of a request over HTTP is not to be taken for ours: Effect's server would begin a session of its own.
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>()) as Context.Context<never>
  const server = yield* AiMcpServer.McpServer.make
  const scope = yield* Effect.scope
  const telling = new Telling(server, scope)
  const calling = new Map<string, number>()
  const { needsApproval } = options
  const given = yield* Delegate
  const approver = ElicitedApprovals.make((question) => telling.ask(question))
  const delegate = own(
    needsApproval === undefined
      ? given
      : yield* Effect.provideService(withApproval(given, needsApproval), Approver, approver),
    telling,
    calling
  )
  const sessionId = `mcp-${++connections}`
  const session = yield* Runtime.make({ limits: options.limits, sessionId }).pipe(
    Effect.provideService(Delegate, delegate)
  )
  const codeMode = CodeMode.make(session, { maxWait: Bounds.maxWait, ...options.codeMode }, options.check)
  let executions = 0

  const toolsOf = ModelTools.make({
    exec: (source, caller) => {
      const callId = `exec-${++executions}`
      return telling.during(caller, { callId }, codeMode.exec({ source, callId }))
    },
    wait: (request, caller) => telling.during(caller, { cellId: request.cellId }, codeMode.wait(request)),
    search: (request) => Effect.map(session.tools, (tools) => ToolSearch.answer(callable(tools), request))
  }, options.structured === true)

  let listed = ""
  /** Adds the tools with the descriptions of the moment, if they have changed. Clients hear of that. */
  const describe = Effect.gen(function*() {
    const { exec, wait } = yield* codeMode.descriptions
    const descriptions = {
      exec: ModelTools.withSearch(exec),
      wait,
      search: ToolSearch.description(yield* session.tools)
    }
    const now = JSON.stringify(descriptions)
    if (now !== listed) {
      listed = now
      yield* Effect.forEach(toolsOf(descriptions), server.addTool, { discard: true })
    }
  })
  yield* describe
  const resources = yield* PassedResources.make(server, delegate)

  const clients = yield* Effect.serviceOption(Clients)
  if (clients._tag === "Some") {
    yield* clients.value.join({
      sessionId,
      telling,
      describe,
      isCalling: (namespace) => namespace === undefined ? calling.size > 0 : calling.has(namespace)
    })
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

  yield* AiMcpServer.run({
    name: options.name ?? Package.name,
    version: options.version ?? Package.version,
    instructions: options.instructions ?? instructionsFor(yield* session.tools),
    protocols
  }).pipe(
    Effect.provideService(AiMcpServer.McpServer, server),
    Effect.provideService(RpcServer.Protocol, protocol),
    Effect.orDie,
    Effect.forkScoped
  )

  /** Why a message is not taken. Otherwise, it is counted. */
  const refused = (message: JsonRpcCodec.Incoming): JsonRpcCodec.Refusal | undefined => {
    if (message._tag !== "Request") {
      return undefined
    }
    if (message.isNotification === true) {
      if (message.tag === "notifications/cancelled") {
        // There will be no answer.
        const { requestId } = (message.payload ?? {}) as { readonly requestId?: unknown }
        end(JSON.stringify(requestId))
      }
      return undefined
    }
    if (requests.has(JsonRpcCodec.keyOf(message.id))) {
      return JsonRpcCodec.refusal(-32600, "there is a request with this id already", message.id)
    }
    if (requests.size >= Bounds.maxRequests) {
      return tooMany(message.id)
    }
    begin(JsonRpcCodec.keyOf(message.id))
    return undefined
  }

  /** What is to be known before a request is answered. */
  const preparing = (message: JsonRpcCodec.Incoming): Effect.Effect<void> | undefined => {
    if (message._tag !== "Request" || message.isNotification === true) {
      return undefined
    }
    switch (message.tag) {
      case "initialize":
        greeting = message.id
        return undefined
      case "tools/list":
        return describe
      case "resources/list":
      case "resources/templates/list":
        return resources.refresh
      default:
        return undefined
    }
  }

  const take = (message: JsonRpcCodec.Incoming): Effect.Effect<void> => {
    const refusal = refused(message)
    if (refusal !== undefined) {
      return send(refusal)
    }
    const taken = write(clientId, message as FromClientEncoded).pipe(
      // So it says that a request which was cancelled, and has not ended yet, has the same id.
      Effect.exit,
      Effect.asVoid
    )
    const first = preparing(message)
    // Other messages need not wait.
    return first === undefined ? taken : Effect.asVoid(Effect.forkIn(Effect.andThen(first, taken), scope))
  }

  return {
    receive: (message) =>
      Effect.suspend(() => message._tag === "Refusal" ? send(message) : take(message)).pipe(
        Effect.updateContext((_: Context.Context<never>) => context)
      ),
    idle: idle.await
  }
})
