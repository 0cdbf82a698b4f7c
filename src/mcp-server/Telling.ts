/**
 * What a connection tells its client besides answers: notifications of cells, logs of servers, how far calls have come;
 * and what it asks of the person there.
 *
 * **Details**
 *
 * None of it belongs to the request that is handled at the moment: it comes from the fibers of cells. So the latest request
 * is remembered, for who the client is.
 *
 * @internal
 */
import * as McpSchema from "effect/ai/McpSchema"
import type * as AiMcpServer from "effect/ai/McpServer"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Elicitation, ElicitationAnswer, Progress } from "../Mcp.ts"
import * as JsonRpc from "../mcp/JsonRpc.ts"
import type { NestedToolCall, Notification } from "../Protocol.ts"
import * as Visible from "../text/Visible.ts"
import * as Bounds from "./Bounds.ts"
import type { Caller } from "./ModelTools.ts"
import * as QuestionForm from "./QuestionForm.ts"

/** A request that hears of the progress of what it waits for. */
interface Listener {
  readonly token: string | number
  readonly callId: string | undefined
  readonly cellId: string | undefined
  steps: number
}

interface About {
  readonly callId: string
  readonly cellId: string
}

const isLevel = Schema.is(McpSchema.LoggingLevel)

const decodeQuestion = Schema.decodeUnknownEffect(McpSchema.ElicitRequestFormParams)

/** What the client has against a question, in its own words, as far as it has some. */
const reason = (error: { readonly _tag: string; readonly reason?: string; readonly cause?: unknown }): string => {
  const said = error._tag === "McpReverseOperationUnsupported"
    ? error.reason
    : Predicate.hasProperty(error.cause, "message")
    ? error.cause.message
    : undefined
  return typeof said === "string" && said !== "" ? Visible.line(JsonRpc.excerpt(said)) : "it gave no reason"
}

/** The client has no way to ask, or has failed to. */
class CannotAsk extends Schema.TaggedError<CannotAsk>("effect-code-mode/CannotAsk")("CannotAsk", {
  why: Schema.String
}) {}

export class Telling {
  private latest: Caller | undefined
  private readonly listeners = new Set<Listener>()
  /** How much is on its way of what nothing waits for. */
  private aside = 0
  private readonly server: AiMcpServer.McpServer["Service"]
  private readonly scope: Scope.Scope

  constructor(server: AiMcpServer.McpServer["Service"], scope: Scope.Scope) {
    this.server = server
    this.scope = scope
  }

  /** Runs what a request asks for, which hears of a cell meanwhile if it wants to. */
  during<A>(
    caller: Caller | undefined,
    about: { readonly callId?: string; readonly cellId?: string },
    effect: Effect.Effect<A>
  ): Effect.Effect<A> {
    return Effect.suspend(() => {
      this.latest = caller ?? this.latest
      if (caller?.progressToken === undefined) {
        return effect
      }
      const listener: Listener = {
        token: caller.progressToken,
        callId: about.callId,
        cellId: about.cellId,
        steps: 0
      }
      this.listeners.add(listener)
      return Effect.ensuring(effect, Effect.sync(() => this.listeners.delete(listener)))
    })
  }

  /** A cell has said something. */
  notification({ callId, cellId, text }: Notification): Effect.Effect<void> {
    return Effect.andThen(this.log("info", `cell ${cellId}`, text), this.progressed({ callId, cellId }, text))
  }

  /** A call says how far it has come. */
  progress({ callId, cellId, tool }: NestedToolCall, { message, progress, total }: Progress): Effect.Effect<void> {
    const done = total === undefined ? String(progress) : `${progress} of ${total}`
    return this.inPassing(
      this.progressed({ callId, cellId }, `${tool}: ${done}${message === undefined ? "" : `, ${message}`}`)
    )
  }

  /** A server says something for its log. */
  serverSaid(level: string, server: string, text: string): Effect.Effect<void> {
    return this.inPassing(this.log(level, server, text))
  }

  /**
   * What servers say waits for no client, and is lost where one does not keep up: other clients wait for answers of the
   * same server, which come after it.
   */
  private inPassing(effect: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.aside >= Bounds.maxAside) {
        return Effect.void
      }
      this.aside++
      const counted = Effect.ensuring(effect, Effect.sync(() => this.aside--))
      return Effect.asVoid(Effect.forkIn(counted, this.scope, { startImmediately: true }))
    })
  }

  private log(level: string, logger: string, data: string): Effect.Effect<void> {
    return this.sending((notifications) =>
      notifications["notifications/message"]({ level: isLevel(level) ? level : "info", logger, data })
    )
  }

  private progressed(about: About, message: string): Effect.Effect<void> {
    return Effect.forEach(
      this.listeners,
      (listener) =>
        listener.callId === about.callId || listener.cellId === about.cellId
          ? this.sending((notifications) =>
            notifications["notifications/progress"]({
              progressToken: listener.token,
              progress: ++listener.steps,
              message
            })
          )
          : Effect.void,
      { discard: true }
    )
  }

  /** Waits until the notification is on its way: as part of a request, it has a client to wait for. */
  private sending(
    send: (notifications: AiMcpServer.McpServer["Service"]["notifications"]) => Effect.Effect<void, unknown>
  ): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.latest === undefined
        ? Effect.void
        : Effect.ignore(Effect.provideService(
          send(this.server.notifications),
          McpSchema.McpRequestContext,
          this.latest.context
        ))
    )
  }

  /** Asks the person there. An interruption takes the question back. */
  readonly ask = Effect.fnUntraced(function*(
    this: Telling,
    { message, schema }: Pick<Elicitation, "message" | "schema">
  ): Effect.fn.Return<ElicitationAnswer, CannotAsk> {
    const { client } = this.latest ?? {}
    if (client?.clientCapabilities.elicitation === undefined) {
      return yield* new CannotAsk({ why: "the client of this session cannot ask its user: it has no elicitation" })
    }
    const answer = yield* Effect.scoped(Effect.gen(function*() {
      const question = yield* decodeQuestion({
        mode: "form",
        message,
        requestedSchema: QuestionForm.forVersion(schema, client.protocolVersion)
      })
      return yield* (yield* client.getClient).elicit(question)
    })).pipe(
      Effect.mapError((error) => new CannotAsk({ why: `the client of this session could not ask: ${reason(error)}` }))
    )
    return answer.action === "accept"
      ? { action: "accept", content: (answer.content ?? {}) as Schema.JsonObject }
      : { action: answer.action }
  })
}
