/**
 * What we ask of an MCP server: who it is, which tools it has, and to run them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Package from "../internal/Package.ts"
import type { Connection } from "./Connection.ts"
import { type Failure, unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"
import type { Peer, RequestOptions } from "./Peer.ts"
import * as ToolList from "./ToolList.ts"

/** The newest version of the protocol that we know. A server that has another one says so, and is taken as it is. */
const protocolVersion = "2025-11-25"

/** What a server says of itself. */
export interface Identity {
  readonly name: string | undefined
  readonly instructions: string | undefined
  readonly hasTools: boolean
}

const isObject = (value: unknown): value is Schema.JsonObject => Predicate.isObject(value)

const textOf = (value: Schema.Json | undefined) => typeof value === "string" && value !== "" ? value : undefined

/** A version that the server has named in its refusal of ours. */
const offered = (failure: Failure): string | undefined => {
  const supported = failure._tag === "Refused" && isObject(failure.data) ? failure.data.supported : undefined
  return Array.isArray(supported)
    ? supported.find((version): version is string => typeof version === "string" && version !== protocolVersion)
    : undefined
}

const askToInitialize = (peer: Peer, version: string) =>
  peer.request("initialize", {
    protocolVersion: version,
    capabilities: {},
    clientInfo: { name: Package.name, version: Package.version }
  })

/** The handshake. */
export const initialize = Effect.fnUntraced(function*({ established, peer }: Connection) {
  const result = yield* askToInitialize(peer, protocolVersion).pipe(
    Effect.catch((failure) => {
      const version = offered(failure)
      return version === undefined ? Effect.fail(failure) : askToInitialize(peer, version)
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
    instructions: instructions === undefined ? undefined : JsonRpc.cut(instructions, Limits.maxDescriptionLength),
    hasTools: capabilities.tools !== undefined && capabilities.tools !== false
  } satisfies Identity
})

/** The tools of all pages. Where a later page cannot be had, those of the earlier ones are. */
export const listTools = Effect.fnUntraced(function*(peer: Peer) {
  const list = ToolList.make()
  const cursors = new Set<string>()
  let cursor: string | undefined
  const stop = (reason: string) => {
    list.warnings.push(`its listing is taken to be complete, although there may be more: ${reason}`)
  }
  for (let pages = 0;; pages++) {
    const page = yield* peer.request("tools/list", cursor === undefined ? {} : { cursor }).pipe(
      Effect.filterOrFail(
        (page): page is Schema.JsonObject & { readonly tools: ReadonlyArray<Schema.Json> } =>
          isObject(page) && Array.isArray(page.tools),
        (page) => unanswered(`no list of tools came, but ${JsonRpc.excerpt(JsonRpc.describe(page))}`)
      ),
      Effect.catch((failure) => pages === 0 ? Effect.fail(failure) : Effect.sync(() => stop(failure.text)))
    )
    if (page === undefined) {
      return list
    }
    const excess = ToolList.add(list, page.tools)
    if (excess !== undefined) {
      return yield* unanswered(excess)
    }
    const next = page.nextCursor
    if (typeof next !== "string") {
      return list
    }
    if (cursors.has(next)) {
      stop("it comes back to the same page")
      return list
    }
    if (pages + 1 === Limits.maxPages) {
      stop(`it has more than ${Limits.maxPages} pages`)
      return list
    }
    cursors.add(next)
    cursor = next
  }
})

/** Runs a tool and gives its whole result, as the server sent it. */
export const callTool = Effect.fnUntraced(function*(
  peer: Peer,
  name: string,
  input: Schema.JsonObject,
  options?: RequestOptions
): Effect.fn.Return<Schema.JsonObject, Failure> {
  const result = yield* peer.request("tools/call", { name, arguments: input }, options)
  if (!isObject(result)) {
    return yield* unanswered(`its answer is no result: ${JsonRpc.excerpt(JsonRpc.describe(result))}`)
  }
  if (JsonRpc.isDeeperThan(result, Limits.maxResultDepth)) {
    return yield* unanswered(
      `its result is nested more than ${Limits.maxResultDepth} levels deep, which is the most that a value may be`
    )
  }
  return result
})
