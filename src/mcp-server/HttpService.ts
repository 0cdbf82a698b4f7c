/**
 * The MCP server over HTTP: sessions by their ids, and who may have one.
 *
 * **Details**
 *
 * Effect's `layerHttp` has one registry for all of its sessions, no stream for what is said besides answers, no bound on
 * sessions and no end of unused ones. So the transport is made here, by the specification of 2025-11-25, and
 * each of its sessions has an `McpServer` of its own.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import * as WebGate from "../wire/WebGate.ts"
import * as Bounds from "./Bounds.ts"
import { HttpSession } from "./HttpSession.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"
import type * as ModelConnection from "./ModelConnection.ts"
import * as ProtocolEnd from "./ProtocolEnd.ts"

export interface Options extends ModelConnection.Options {
  /** Where it is: `/mcp`, unless given. */
  readonly path?: HttpRouter.PathInput | undefined
  /** The origins of pages that may be its clients, such as `https://inspector.example`: none, unless given. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /**
   * The names under which it may be asked, without ports: those of the loopback, unless given. A name that another site
   * owns could lead a browser here.
   */
  readonly allowedHosts?: ReadonlyArray<string> | "any" | undefined
  /** What clients have to send as bearer token. */
  readonly token?: Redacted.Redacted<string> | undefined
  /** How many sessions there may be: 64, unless given. Another client is refused. */
  readonly maxSessions?: number | undefined
  /** How long a session may have nothing open before it is ended: 30 minutes, unless given. A number is milliseconds. */
  readonly maxIdle?: Duration.Input | undefined
}

type Response = HttpServerResponse.HttpServerResponse

// =============================================================================
// Responses
// =============================================================================

const sessionHeader = "mcp-session-id"
const versionHeader = "mcp-protocol-version"

const json = (text: string, status = 200, headers: Record<string, string> = {}): Response =>
  HttpServerResponse.text(text, { status, headers, contentType: "application/json" })

const refuse = (status: number, message: string, code = -32000, id: JsonRpcCodec.Id | null = null): Response =>
  json(JsonRpcCodec.encode(JsonRpcCodec.refusal(code, message, id))!, status)

const encoder = new TextEncoder()
const comment = encoder.encode(": still here\n\n")

/** Messages as events. Comments keep the stream open. */
const events = (messages: Stream.Stream<JsonRpcCodec.Outgoing | JsonRpcCodec.Refusal>): Response => {
  const told = messages.pipe(
    Stream.map(JsonRpcCodec.encode),
    Stream.filter((text) => text !== undefined),
    Stream.map((text) => encoder.encode(`event: message\ndata: ${text}\n\n`))
  )
  const alive = Stream.as(Stream.tick(Bounds.keepAlive), comment)
  return HttpServerResponse.stream(Stream.merge(told, alive, { haltStrategy: "left" }), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }
  })
}

// =============================================================================
// Who may ask
// =============================================================================

/** Why a request is not heard at all. */
const barred = (
  { allowedHosts = WebGate.loopbackNames, allowedOrigins = [], token }: Options,
  { headers }: HttpServerRequest
): Response | undefined => {
  const { authorization = "", host = "", origin } = headers
  // A page may be one that the user of a browser happens to visit, under its own name or one that leads here. Ours would
  // have a host that is known to be ours.
  const isOurs = allowedHosts !== "any" && origin !== undefined && WebGate.isSame(origin, host)
  if (origin !== undefined && !isOurs && !allowedOrigins.includes(origin)) {
    return refuse(403, "pages of this origin are not allowed here")
  }
  if (!WebGate.isNamed(host, allowedHosts)) {
    return refuse(403, "this host is not allowed here")
  }
  return token === undefined || WebGate.isEqual(authorization, `Bearer ${Redacted.value(token)}`)
    ? undefined
    : HttpServerResponse.setHeader(refuse(401, "a bearer token is needed"), "www-authenticate", "Bearer")
}

const withCors = (response: Response, origin: string | undefined): Response =>
  origin === undefined ? response : HttpServerResponse.setHeaders(response, {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
    "access-control-allow-headers":
      `accept, authorization, content-type, last-event-id, ${sessionHeader}, ${versionHeader}`,
    "access-control-expose-headers": sessionHeader,
    vary: "origin"
  })

const accepts = ({ headers }: HttpServerRequest, type: string) =>
  (headers.accept ?? "").split(",").some((each) => {
    const [range = ""] = each.trim().toLowerCase().split(/\s*;/)
    return range === type || range === "*/*" || range === `${type.split("/")[0]}/*`
  })

const isJson = ({ headers }: HttpServerRequest) =>
  (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase() === "application/json"

// =============================================================================
// Routes
// =============================================================================

/** Sessions are ended within so many parts of the time that they may be idle. */
const sweeps = 10

export const serve = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<void, never, Delegate | Isolate | HttpRouter.HttpRouter | Scope.Scope> {
  // All sessions end in one grace.
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
  const services = Context.add(yield* Effect.context<Delegate | Isolate>(), Scope.Scope, scope)
  const sessions = new Map<string, HttpSession>()
  const maxSessions = options.maxSessions ?? Bounds.maxSessions
  const maxIdle = Duration.fromInputUnsafe(options.maxIdle ?? Bounds.maxIdle)
  /** Sessions that are being made count, too. */
  let places = 0

  const drop = (session: HttpSession) => Effect.suspend(() => sessions.delete(session.id) ? session.close : Effect.void)

  yield* Effect.sleep(Duration.divideUnsafe(maxIdle, sweeps)).pipe(
    Effect.andThen(Effect.suspend(() => {
      const idle = Array.from(sessions.values()).filter((session) => session.isIdle(Duration.toMillis(maxIdle)))
      return Effect.forEach(idle, drop, { concurrency: "unbounded", discard: true })
    })),
    Effect.forever,
    Effect.forkScoped
  )

  const open = Effect.fnUntraced(function*(message: JsonRpcCodec.Incoming, id: JsonRpcCodec.Id) {
    const session = yield* HttpSession.make(options, () => {
      places--
    }).pipe(Effect.updateContext((_: Context.Context<never>) => services))
    const answer = yield* Effect.onInterrupt(session.ask(message, id), () => session.close)
    if (answer?._tag !== "Exit" || answer.exit._tag !== "Success") {
      yield* session.close
      return json(JsonRpcCodec.encode(answer ?? JsonRpcCodec.refusal(-32603, "Internal error", id))!)
    }
    sessions.set(session.id, session)
    return json(JsonRpcCodec.encode(answer)!, 200, { [sessionHeader]: session.id })
  }, Effect.catchTag("IsolateFailure", ({ message }) => Effect.succeed(refuse(503, message))))

  /** The session of a request, or why there is none. */
  const find = ({ headers }: HttpServerRequest): HttpSession | Response => {
    const { [sessionHeader]: id, [versionHeader]: version } = headers
    if (id === undefined) {
      return refuse(400, "there is no Mcp-Session-Id: send initialize first")
    }
    if (version !== undefined && !ProtocolEnd.versions.includes(version)) {
      return refuse(400, `version ${version.slice(0, 32)} of the protocol is not spoken here`)
    }
    return sessions.get(id) ?? refuse(404, "there is no such session: send initialize again")
  }

  const post = Effect.fnUntraced(function*(request: HttpServerRequest) {
    if (!isJson(request)) {
      return refuse(415, "the body is to be application/json")
    }
    if (!accepts(request, "application/json") || !accepts(request, "text/event-stream")) {
      return refuse(406, "accept both application/json and text/event-stream")
    }
    const body = yield* request.text.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(Bounds.maxMessageBytes)),
      Effect.option
    )
    if (body._tag === "None") {
      return refuse(413, JsonRpcCodec.tooLong.message)
    }
    const message = JsonRpcCodec.decode(body.value)
    if (message._tag === "Refusal") {
      return refuse(400, message.message, message.code, message.id)
    }
    const id = message._tag === "Request" && message.isNotification !== true ? message.id : undefined
    if (message._tag === "Request" && message.tag === "initialize" && id !== undefined) {
      if (request.headers[sessionHeader] !== undefined) {
        return refuse(400, "initialize begins a session, and is not sent in one", -32600, id)
      }
      if (places >= maxSessions) {
        return refuse(503, `there are ${maxSessions} sessions, which is the most`, -32000, id)
      }
      places++
      return yield* open(message, id)
    }
    const session = find(request)
    if (!(session instanceof HttpSession)) {
      return session
    }
    if (id === undefined) {
      return yield* Effect.as(session.receive(message), HttpServerResponse.empty({ status: 202 }))
    }
    if (session.isWaiting(id)) {
      return refuse(400, "there is a request with this id already", -32600, id)
    }
    if (message._tag === "Request" && message.tag === "tools/call") {
      return events(yield* session.call(message, id))
    }
    const answer = yield* session.ask(message, id)
    return answer === undefined ? HttpServerResponse.empty({ status: 202 }) : json(JsonRpcCodec.encode(answer)!)
  })

  const get = Effect.fnUntraced(function*(request: HttpServerRequest) {
    if (!accepts(request, "text/event-stream")) {
      return refuse(406, "accept text/event-stream")
    }
    const session = find(request)
    const messages = session instanceof HttpSession ? yield* session.listen() : session
    return messages === undefined
      ? refuse(409, "there is a stream already")
      : Stream.isStream(messages)
      ? events(messages)
      : messages
  })

  const remove = (request: HttpServerRequest): Effect.Effect<Response> => {
    const session = find(request)
    return session instanceof HttpSession
      ? Effect.as(drop(session), HttpServerResponse.empty({ status: 204 }))
      : Effect.succeed(session)
  }

  const answer = (request: HttpServerRequest): Effect.Effect<Response> => {
    switch (request.method) {
      case "POST":
        return post(request)
      case "GET":
        return get(request)
      case "DELETE":
        return remove(request)
      default:
        return Effect.succeed(
          HttpServerResponse.setHeader(refuse(405, "use POST, GET or DELETE"), "allow", "GET, POST, DELETE")
        )
    }
  }

  const router = yield* HttpRouter.HttpRouter
  yield* router.add("*", options.path ?? "/mcp", (request) => {
    const { origin } = request.headers
    // A browser asks without the token whether it may send it.
    const isPreflight = request.method === "OPTIONS" && origin !== undefined
    const no = barred(isPreflight ? { ...options, token: undefined } : options, request)
    return no !== undefined
      ? Effect.succeed(no)
      : isPreflight
      ? Effect.succeed(withCors(HttpServerResponse.empty({ status: 204 }), origin))
      : Effect.map(answer(request), (response) => withCors(response, origin))
  })
})
