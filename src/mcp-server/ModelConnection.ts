/**
 * One connection of a client to the MCP server: a session of its own, and an `McpServer` of its own in front of it.
 *
 * **Details**
 *
 * Effect's `McpServer` speaks the protocol: versions, schemas, cancellation, requests to the client. It has one registry
 * for all of its connections and tells nothing of when one begins or ends, so that a session could not be tied to one.
 * Here each connection has a whole server. `ProtocolEnd` is that server, and how messages travel is up to `StdioService` and
 * `HttpService`.
 *
 * @internal
 */
import * as AiMcpServer from "effect/ai/McpServer"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Approver } from "../Approver.ts"
import * as CodeMode from "../CodeMode.ts"
import { Delegate, withApproval } from "../Delegate.ts"
import * as Shape from "../delegate/Shape.ts"
import type { Isolate } from "../Isolate.ts"
import type { IsolateFailure, LimitsInput, NestedToolCall, ToolDefinition } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Package from "../system/Package.ts"
import * as Bounds from "./Bounds.ts"
import { Clients } from "./Clients.ts"
import * as ConnectionDelegate from "./ConnectionDelegate.ts"
import * as ElicitedApprovals from "./ElicitedApprovals.ts"
import * as ModelTools from "./ModelTools.ts"
import * as PassedResources from "./PassedResources.ts"
import * as ProtocolEnd from "./ProtocolEnd.ts"
import { Telling } from "./Telling.ts"
import * as ToolSearch from "./ToolSearch.ts"

export interface Options {
  /** What it says its name and version are: those of this package, unless given. */
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** What clients tell their models of it. */
  readonly instructions?: string | undefined
  /** How `exec` and `wait` differ from the default ones. `maxWait` is 50 seconds, unless given: clients give up. */
  readonly codeMode?: CodeMode.Options | undefined
  /** What checks sources before they run: nothing, unless given. */
  readonly check?: CodeMode.Checker | undefined
  /** The bounds of each session. */
  readonly limits?: LimitsInput | undefined
  /**
   * Whether `exec` and `wait` give `structuredContent`, and say so in an output schema. Not unless this is `true`: some
   * clients, Codex among them, show a model that content in the place of everything else, and so no image.
   */
  readonly structured?: boolean | undefined
  /**
   * Which calls the client is asked about before they have an effect, by elicitation: those of tools that are annotated
   * `needsApproval`, unless given. Where the client cannot ask its user, such a call is denied.
   */
  readonly needsApproval?: ((call: NestedToolCall, tool: ToolDefinition | undefined) => boolean) | undefined
}

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

let connections = 0

/** A connection whose delegate may come later: what needs its tools waits for it. */
export const makeLate = (
  options: Options,
  send: ProtocolEnd.Send,
  ready: ConnectionDelegate.Ready
): Effect.Effect<ProtocolEnd.ProtocolEnd, IsolateFailure, Isolate | Scope.Scope> =>
  Effect.provideService(
    makeWith(options, send, ready.delegate() === undefined ? ready.wait : undefined),
    Delegate,
    ConnectionDelegate.late(ready)
  )

/** A connection of a client, with a session of its own over the delegate. */
export const make = (
  options: Options,
  send: ProtocolEnd.Send
): Effect.Effect<ProtocolEnd.ProtocolEnd, IsolateFailure, Delegate | Isolate | Scope.Scope> =>
  makeWith(options, send, undefined)

const makeWith = Effect.fnUntraced(function*(
  options: Options,
  send: ProtocolEnd.Send,
  ready: Effect.Effect<void> | undefined
): Effect.fn.Return<ProtocolEnd.ProtocolEnd, IsolateFailure, Delegate | Isolate | Scope.Scope> {
  const server = yield* AiMcpServer.McpServer.make
  const telling = new Telling(server, yield* Effect.scope)
  const approver = ElicitedApprovals.make((question) => telling.ask(question))
  const approved = yield* Effect.provideService(
    withApproval(yield* Delegate, options.needsApproval),
    Approver,
    approver
  )
  const { delegate, isCalling } = ConnectionDelegate.make(approved, telling)
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
    search: (request) => Effect.map(session.tools, (tools) => ToolSearch.answer(Shape.forCells(tools), request))
  }, options.structured === true)

  let listed = ""
  /** Adds the tools with the descriptions of the moment, if they have changed. Clients hear of that. */
  const describe = Effect.gen(function*() {
    const { exec, wait } = yield* codeMode.descriptions
    const search = ToolSearch.description(Shape.forCells(yield* session.tools))
    const descriptions = { exec: ModelTools.withSearch(exec), wait, search }
    const now = JSON.stringify(descriptions)
    if (now !== listed) {
      listed = now
      yield* Effect.forEach(toolsOf(descriptions), server.addTool, { discard: true })
    }
  })
  yield* describe
  const resources = yield* PassedResources.make(server, delegate, ready !== undefined)

  const clients = yield* Effect.serviceOption(Clients)
  if (clients._tag === "Some") {
    yield* clients.value.join({ sessionId, telling, describe, isCalling })
  }

  const waiting = ready ?? Effect.void
  const before = (method: string): Effect.Effect<void> | undefined => {
    switch (method) {
      case "tools/list":
        return Effect.andThen(waiting, describe)
      case "resources/list":
      case "resources/templates/list":
        return Effect.andThen(waiting, resources.refresh)
      case "tools/call":
      case "resources/read":
        return ready
      default:
        return undefined
    }
  }

  return yield* ProtocolEnd.make({
    server,
    info: {
      name: options.name ?? Package.name,
      version: options.version ?? Package.version,
      instructions: options.instructions ?? instructionsFor(yield* session.tools)
    },
    before,
    send
  })
})
