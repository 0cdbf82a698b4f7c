/**
 * What we ask of an MCP server: who it is, which tools it has, and to run them.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Package from "../system/Package.ts"
import * as Trace from "../telemetry/Trace.ts"
import * as Cut from "../text/Cut.ts"
import { isObject } from "../text/JsonValue.ts"
import { type Failure, unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"
import type { Peer, RequestOptions } from "./Peer.ts"
import type { ServerConnection } from "./ServerConnection.ts"
import * as ToolList from "./ToolList.ts"

/** The newest version of the protocol that we know. A server that has another one says so, and is taken as it is. */
const protocolVersion = "2025-11-25"

/** What a server says of itself. */
export interface Identity {
  readonly name: string | undefined
  readonly instructions: string | undefined
  readonly hasTools: boolean
  readonly hasResources: boolean
}

const textOf = (value: Schema.Json | undefined) => typeof value === "string" && value !== "" ? value : undefined

/** A version that the server has named in its refusal of ours. */
const offered = (failure: Failure): string | undefined => {
  const supported = failure._tag === "Refused" && isObject(failure.data) ? failure.data.supported : undefined
  return Array.isArray(supported)
    ? supported.find((version): version is string => typeof version === "string" && version !== protocolVersion)
    : undefined
}

const askToInitialize = (peer: Peer, version: string, capabilities: Schema.JsonObject) =>
  peer.request("initialize", {
    protocolVersion: version,
    capabilities,
    clientInfo: { name: Package.name, version: Package.version }
  })

const isOffered = (capability: Schema.Json | undefined) => capability !== undefined && capability !== false

/** The handshake. `offers` are our own capabilities. */
export const initialize = Effect.fnUntraced(function*(
  { established, peer }: ServerConnection,
  offers: Schema.JsonObject
) {
  const result = yield* askToInitialize(peer, protocolVersion, offers).pipe(
    Effect.catch((failure) => {
      const version = offered(failure)
      return version === undefined ? Effect.fail(failure) : askToInitialize(peer, version, offers)
    })
  )
  if (!isObject(result)) {
    return yield* unanswered(`it did not say who it is, but ${JsonRpc.excerpt(JsonRpc.describe(result))}`)
  }
  const capabilities = isObject(result.capabilities) ? result.capabilities : {}
  const info = isObject(result.serverInfo) ? result.serverInfo : {}
  yield* established(textOf(result.protocolVersion) ?? protocolVersion)
  // A server that does not want to hear of it will say what it wants next.
  yield* Effect.ignore(peer.notify("notifications/initialized"))
  const instructions = textOf(result.instructions)
  return {
    name: textOf(info.name),
    instructions: instructions === undefined ? undefined : Cut.marked(instructions, Limits.maxDescriptionLength),
    hasTools: isOffered(capabilities.tools),
    hasResources: isOffered(capabilities.resources)
  } satisfies Identity
})

/**
 * Takes a listing page by page, to its end or until `take` has a reason to fail. Where a later page cannot be had, those
 * of the earlier ones are what there is, and `stop` hears why.
 */
const takePages = Effect.fnUntraced(function*(
  peer: Peer,
  { key, method, stop, take }: {
    readonly method: string
    readonly key: string
    readonly take: (values: ReadonlyArray<Schema.Json>) => string | undefined
    readonly stop: (reason: string) => void
  }
): Effect.fn.Return<void, Failure> {
  const cursors = new Set<string>()
  let cursor: string | undefined
  for (let pages = 0;; pages++) {
    const page = yield* peer.request(method, cursor === undefined ? {} : { cursor }).pipe(
      Effect.filterOrFail(
        (page): page is Schema.JsonObject => isObject(page) && Array.isArray(page[key]),
        (page) => unanswered(`no list of ${key} came, but ${JsonRpc.excerpt(JsonRpc.describe(page))}`)
      ),
      Effect.catch((failure) => pages === 0 ? Effect.fail(failure) : Effect.sync(() => stop(failure.message)))
    )
    if (page === undefined) {
      return
    }
    const excess = take(page[key] as ReadonlyArray<Schema.Json>)
    if (excess !== undefined) {
      return yield* unanswered(excess)
    }
    const next = page.nextCursor
    if (typeof next !== "string") {
      return
    }
    if (cursors.has(next)) {
      return stop("it comes back to the same page")
    }
    if (pages + 1 === Limits.maxPages) {
      return stop(`it has more than ${Limits.maxPages} pages`)
    }
    cursors.add(next)
    cursor = next
  }
})

/** The tools of all pages. */
export const listTools = Effect.fnUntraced(function*(peer: Peer) {
  const list = ToolList.make()
  yield* takePages(peer, {
    method: "tools/list",
    key: "tools",
    take: (values) => ToolList.add(list, values),
    stop: (reason) => {
      list.warnings.push(`its listing is taken to be complete, although there may be more: ${reason}`)
    }
  })
  return list
})

const listResourcesOf = Effect.fnUntraced(function*(peer: Peer, method: string, key: string) {
  const found: Array<Schema.Json> = []
  yield* takePages(peer, {
    method,
    key,
    take: (values) => {
      found.push(...values.filter((value) => !JsonRpc.isDeeperThan(value, Limits.maxResultDepth - 2)))
      return found.length > Limits.maxTools
        ? `it has more than ${Limits.maxTools.toLocaleString("en")} ${key}`
        : undefined
    },
    stop: () => {}
  })
  return found
})

/** What a server has to read, and what else it could. */
export const listResources = Effect.fnUntraced(function*(peer: Peer) {
  const resources = yield* listResourcesOf(peer, "resources/list", "resources")
  // Not every server has some.
  const resourceTemplates = yield* listResourcesOf(peer, "resources/templates/list", "resourceTemplates").pipe(
    Effect.catchTag("Refused", () => Effect.succeed([]))
  )
  return { resources, resourceTemplates }
})

/** Asks for a result, and gives the whole of it as the server sent it. */
const ask = Effect.fnUntraced(function*(
  peer: Peer,
  method: string,
  params: Schema.JsonObject,
  options?: RequestOptions
): Effect.fn.Return<Schema.JsonObject, Failure> {
  const result = yield* peer.request(method, params, options)
  if (!isObject(result)) {
    return yield* unanswered(`its answer is not a result: ${JsonRpc.excerpt(JsonRpc.describe(result))}`)
  }
  if (JsonRpc.isDeeperThan(result, Limits.maxResultDepth)) {
    return yield* unanswered(
      `its result is nested more than ${Limits.maxResultDepth} levels deep, which is the most that a value may be`
    )
  }
  return result
})

/** The server hears where the call stands in a trace, if it stands in one. */
export const callTool = (peer: Peer, name: string, input: Schema.JsonObject, options?: RequestOptions) =>
  Effect.contextWith((context: Context.Context<never>) =>
    ask(peer, "tools/call", { name, arguments: input }, { ...options, meta: { ...Trace.member(context) } })
  )

export const readResource = (peer: Peer, uri: string) => ask(peer, "resources/read", { uri })
