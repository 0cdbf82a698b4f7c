/**
 * The clients that are connected, for servers that are shared by all of them: whom a server's question goes to, and who
 * hears of its tools and its log.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Mcp from "../Mcp.ts"
import * as Names from "../mcp/Names.ts"
import type { NestedToolCall } from "../Protocol.ts"
import * as Visible from "../text/Visible.ts"
import type { Telling } from "./Telling.ts"

/** A connection, as servers see it. */
export interface Connected {
  readonly sessionId: string
  readonly telling: Telling
  /** Whether a cell of it waits for an answer: of any person or tool, or of this server. */
  readonly isCalling: (namespace?: string) => boolean
  /** The tools are others. */
  readonly describe: Effect.Effect<void>
}

const declined: Mcp.ElicitationAnswer = { action: "decline" }

export interface Shape {
  /** Of `Mcp.layer`. */
  readonly options: {
    readonly elicit: NonNullable<Mcp.Options["elicit"]>
    readonly observer: Mcp.Observer
  }
  /** For each connection, as long as it is there. */
  readonly join: (connected: Connected) => Effect.Effect<void, never, Scope.Scope>
}

const make = (): Shape => {
  const all = new Set<Connected>()

  /** The one that a server can mean: the only one, the only one that waits for something, or for this server. */
  const meant = (server: string): Connected | undefined => {
    const connected = Array.from(all)
    return [
      connected,
      connected.filter(({ isCalling }) => isCalling()),
      connected.filter(({ isCalling }) => isCalling(Names.namespace(server)))
    ].find(({ length }) => length === 1)?.[0]
  }

  const ofCall = ({ sessionId }: NestedToolCall) => Array.from(all).find((each) => each.sessionId === sessionId)

  return {
    options: {
      elicit: ({ message, schema, server }) =>
        Effect.suspend(() => {
          const asked = meant(server)
          const problem = (why: string) =>
            Effect.as(
              Effect.logWarning(Visible.line(`a question of MCP server ${server} is declined: ${why}`)),
              declined
            )
          return asked === undefined
            ? problem("it is not clear whom it is for")
            : Effect.catch(
              asked.telling.ask({ message: `${Visible.line(server)} asks: ${message}`, schema }),
              ({ why }) => problem(why)
            )
        }),
      observer: {
        onToolsChanged: () => Effect.suspend(() => Effect.forEach(all, ({ describe }) => describe, { discard: true })),
        onProgress: (call, progress) =>
          Effect.suspend(() => ofCall(call)?.telling.progress(call, progress) ?? Effect.void),
        onLog: (server, level, text) =>
          Effect.suspend(() => meant(server)?.telling.serverSaid(level, server, text) ?? Effect.void)
      }
    },
    join: (connected) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          all.add(connected)
        }),
        () => Effect.sync(() => all.delete(connected))
      )
  }
}

export class Clients extends Context.Service<Clients, Shape>()("effect-code-mode/McpServer/Clients") {}

export const layer: Layer.Layer<Clients> = Layer.sync(Clients, make)
