/**
 * An MCP server that is reached by streamable HTTP.
 *
 * **Details**
 *
 * The answer to a request comes by that request's own response: as its body, or as an event of it. A stream of events
 * that breaks off is taken up again where its events have ids. A second stream is there for what the server says by
 * itself, where the server has it. A server of the older transport (HTTP with SSE) is known by its refusal of the first
 * request: it answers by one stream, and that says where requests go.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { STATUS_CODES } from "node:http"
import { type Failure, Refused, Unanswered, unanswered } from "./Failure.ts"
import * as HttpAddress from "./HttpAddress.ts"
import * as HttpResponse from "./HttpResponse.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"
import * as Peer from "./Peer.ts"
import type { ServerConnection } from "./ServerConnection.ts"

export interface Address {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const maxRedirects = 5
const permanent: ReadonlySet<number> = new Set([301, 308])
const redirects: ReadonlySet<number> = new Set([...permanent, 302, 307])

/** What servers of the older transport answer to what they do not know. */
const older: ReadonlySet<number> = new Set([400, 404, 405])

const defaultRetry = 1000

/** What is known of a stream of events. */
interface EventStream {
  /** Told where requests go, by servers of the older transport. */
  readonly endpoint: Deferred.Deferred<string>
  /** The request whose response it is. */
  readonly inReplyTo: number | undefined
  lastEventId: string | undefined
  /** The pause before it is taken up again, in milliseconds. */
  retry: number
  /** What came by it and was no answer. */
  odd: string | undefined
}

const eventStream = (inReplyTo: number | undefined): EventStream => ({
  endpoint: Deferred.makeUnsafe(),
  inReplyTo,
  lastEventId: undefined,
  retry: defaultRetry,
  odd: undefined
})

// =============================================================================
// The connection
// =============================================================================

/** Opens a connection; the end of the scope is the end of its session. */
export const make: (
  address: Address,
  handlers: Peer.Handlers
) => Effect.Effect<ServerConnection, string, Scope.Scope> = Effect.fnUntraced(
  function*(address, handlers) {
    const parsed = yield* Effect.fromNullishOr(URL.parse(address.url)).pipe(
      Effect.mapError(() => `${JsonRpc.excerpt(address.url)} is not a URL`)
    )
    if (!/^https?:$/.test(parsed.protocol)) {
      return yield* Effect.fail(`${JsonRpc.excerpt(address.url)} is not a URL of http or https`)
    }
    const ownHeaders = { ...HttpAddress.credentials(parsed), ...address.headers }
    parsed.username = ""
    parsed.password = ""
    const problem = HttpAddress.checkHeaders(ownHeaders)
    if (problem !== undefined) {
      return yield* Effect.fail(problem)
    }
    const client = HttpClient.withScope(yield* HttpClient.HttpClient).pipe(
      HttpClient.transformResponse((response) =>
        response.pipe(
          Effect.provideService(HttpClient.TracerPropagationEnabled, false),
          // They would have addresses and headers in them, which hold secrets.
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
        )
      )
    )
    const scope = yield* Effect.scope
    let url = parsed
    let session: string | undefined
    let version: string | undefined
    /** Where requests go, if that is not the address: so it is with the older transport. */
    let endpoint: URL | undefined
    /** Done once the server says nothing by itself, or there is no listener any more. */
    const unheard = Deferred.makeUnsafe<void>()

    const headers = (extra: Record<string, string> = {}) => ({
      ...ownHeaders,
      accept: "application/json, text/event-stream",
      ...(version === undefined ? {} : { "mcp-protocol-version": version }),
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      ...extra
    })

    const unreachable = (error: unknown) => {
      const reason = HttpResponse.reasonOf(error)
      return unanswered(
        reason === "UND_ERR_HEADERS_TIMEOUT"
          ? silent("5 minutes")
          : `${HttpAddress.shown(url)} cannot be reached (${reason}): is the server running?`
      )
    }

    /** Sends a request, and goes after redirects that stay with the server: another one must not see our headers. */
    const execute = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, to: URL = url) {
      let at = to
      for (let hops = 0; hops <= maxRedirects; hops++) {
        const response = yield* client.execute(HttpClientRequest.setUrl(request, at)).pipe(Effect.mapError(unreachable))
        const { location } = response.headers
        if (!redirects.has(response.status) || location === undefined) {
          return response
        }
        const target = URL.canParse(location, at.href) ? new URL(location, at) : undefined
        if (target?.origin !== url.origin) {
          const where = target === undefined || target.origin === "null"
            ? "what is no address"
            : HttpAddress.shown(target)
          return yield* unanswered(
            `${HttpAddress.shown(at)} sends us on to ${where}: if that is right, use that address`
          )
        }
        at = target
        if (permanent.has(response.status) && to === url) {
          url = target
        }
      }
      return yield* unanswered(`${HttpAddress.shown(url)} sends us on and on`)
    })

    const isExpired = (status: number, text: string) =>
      session !== undefined && (status === 404 || status === 400 && /session/i.test(text))

    const answered = (status: number) =>
      `${HttpAddress.shown(url)} answered ${status} ${STATUS_CODES[status] ?? ""}`.trimEnd()

    /** What an answer with a status of failure means. */
    const refused = Effect.fnUntraced(function*(response: HttpResponse.HttpResponse): Effect.fn.Return<never, Failure> {
      const { status } = response
      const text = yield* HttpResponse.readExcerpt(response)
      const body = HttpResponse.withoutTags(text)
      const said = `${answered(status)}${body === "" ? "" : `: ${body}`}`
      if (isExpired(status, text)) {
        return yield* new Unanswered({ message: `its session has expired: ${said}`, connection: "expired" })
      }
      const value = JsonRpc.parse(text)
      const message = Predicate.hasProperty(value, "jsonrpc") ? JsonRpc.fromValue(value) : undefined
      if (message?._tag === "Answer" && message.outcome._tag === "Error" && !HttpResponse.advised.has(status)) {
        const { outcome } = message
        return yield* new Refused({ code: outcome.code, message: JsonRpc.errorText(outcome), data: outcome.data })
      }
      return yield* unanswered(`${said}${HttpResponse.advice(status, response.headers["retry-after"])}`)
    })

    // -------------------------------------------------------------------------
    // Streams of events
    // -------------------------------------------------------------------------

    const silent = (duration: string) => `nothing was heard from ${url.origin} for ${duration}`

    /** Takes the events of a stream to its end, in whatever way it ends. */
    const readEvents = (response: HttpResponse.HttpResponse, stream: EventStream, silence?: string) =>
      Effect.suspend(() => {
        const events: Array<Sse.AnyEvent> = []
        const parser = Sse.makeParser((event) => {
          events.push(event)
        }, { maxEventSize: Limits.maxMessageBytes })
        const take = (event: Sse.AnyEvent) => {
          stream.lastEventId = event._tag === "Retry"
            ? event.lastEventId ?? stream.lastEventId
            : event.id ?? stream.lastEventId
          if (event._tag === "Retry") {
            stream.retry = Math.min(Math.max(Duration.toMillis(event.duration), Limits.minRetry), Limits.maxRetry)
            return Effect.void
          }
          return event.event === "endpoint"
            ? Deferred.succeed(stream.endpoint, event.data)
            : event.data === ""
            ? Effect.void
            : receive(event.data, stream)
        }
        const bytes = silence === undefined
          ? response.stream
          : response.stream.pipe(Stream.timeoutOrElse({
            duration: silence as Duration.Input,
            orElse: () => Stream.fail(unanswered(silent(silence)))
          }))
        return bytes.pipe(
          Stream.decodeText(),
          Stream.runForEach((chunk) => {
            const isTooLong = parser.feed(chunk) !== undefined
            return Effect.forEach(events.splice(0), take, { discard: true }).pipe(
              Effect.andThen(isTooLong ? HttpResponse.tooLong : Effect.void)
            )
          }),
          Effect.catch((error) => error instanceof Unanswered ? Effect.fail(error) : Effect.void)
        )
      })

    const openStream = ({ lastEventId }: EventStream) =>
      execute(
        HttpClientRequest.get(url).pipe(HttpClientRequest.setHeaders(headers({
          accept: "text/event-stream",
          ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
        })))
      )

    /** Takes up the stream of a request again, until there is an answer or there can be none. */
    const resume = Effect.fnUntraced(function*(id: number, stream: EventStream) {
      const broke = `${url.origin} ended the connection before it had answered`
      let attempts = 0
      while (peer.isPending(id)) {
        const before = stream.lastEventId
        if (before === undefined || attempts === Limits.maxResumptions) {
          return yield* stream.odd === undefined ? unanswered(broke) : unanswered(stream.odd)
        }
        yield* Effect.sleep(stream.retry)
        const response = yield* Effect.option(openStream(stream)).pipe(
          Effect.timeoutOrElse({ duration: Limits.maxSilence, orElse: () => unanswered(silent(Limits.maxSilence)) })
        )
        if (Option.isSome(response)) {
          const { status } = response.value
          if (!HttpResponse.isEventStream(response.value)) {
            return yield* unanswered(`${broke}, and does not take it up again: it answered ${status} to that`)
          }
          yield* readEvents(response.value, stream, Limits.maxSilence)
        } else if (attempts + 1 === Limits.maxResumptions) {
          return yield* unanswered(`${url.origin} cannot be reached any more`)
        }
        attempts = stream.lastEventId === before ? attempts + 1 : 0
      }
    })

    // -------------------------------------------------------------------------
    // Requests
    // -------------------------------------------------------------------------

    /** What is wrong with something that came by a response and is not an answer to its request. */
    const oddity = (text: string, value: unknown) => {
      const message = JsonRpc.fromValue(value)
      return value === undefined
        ? `${HttpAddress.shown(url)} answered with something that is not JSON: ${HttpResponse.withoutTags(text)}`
        : message?._tag === "Answer"
        ? `${HttpAddress.shown(url)} answered another request than ours: ${message.id}`
        : `${HttpAddress.shown(url)} answered with something that is not an answer: ${JsonRpc.excerpt(text)}`
    }

    /** Takes a text that came by a stream, and notes what is wrong with it. */
    const receive = (text: string, stream: EventStream) =>
      Effect.suspend(() => {
        const excess = JsonRpc.excess(text)
        if (excess !== undefined) {
          const id = stream.inReplyTo ?? peer.answeredBy(text.slice(0, JsonRpc.looked)) ??
            peer.answeredBy(text.slice(-JsonRpc.looked))
          return id === undefined ? Effect.void : peer.fail(id, unanswered(excess))
        }
        const value = JsonRpc.parse(text)
        const message = JsonRpc.fromValue(value)
        return peer.receive(value, stream.inReplyTo).pipe(Effect.andThen(Effect.sync(() => {
          if (message === undefined || message._tag === "Answer") {
            stream.odd = oddity(text, value)
          }
        })))
      })

    const post = (line: string) =>
      execute(
        HttpClientRequest.post(url).pipe(
          HttpClientRequest.setHeaders(headers()),
          HttpClientRequest.bodyText(line, "application/json")
        ),
        endpoint
      )

    /**
     * Opens the stream by which servers of the older transport say everything, first of all where requests go. Gives
     * whether the server is such a one.
     */
    const openOlder = Effect.gen(function*() {
      const stream = eventStream(undefined)
      const response = yield* Effect.option(Scope.provide(openStream(stream), scope))
      if (Option.isNone(response) || !HttpResponse.isEventStream(response.value)) {
        return false
      }
      const ended = new Unanswered({ connection: "closed", message: `${url.origin} ended the connection` })
      const reading = yield* Effect.ignore(readEvents(response.value, stream)).pipe(
        Effect.andThen(Effect.suspend(() => peer.close(ended))),
        Effect.forkIn(scope)
      )
      const location = yield* Deferred.await(stream.endpoint).pipe(Effect.timeoutOption(Limits.answerElsewhere))
      const target = Option.isSome(location) ? URL.parse(location.value, url.href) : null
      if (target?.origin !== url.origin) {
        yield* Fiber.interrupt(reading)
        return false
      }
      endpoint = target
      return true
    })

    const exchange = Effect.fnUntraced(function*(
      line: string,
      id: number | undefined
    ): Effect.fn.Return<void, Failure, Scope.Scope> {
      let response = yield* post(line)
      if (endpoint === undefined && version === undefined && older.has(response.status) && (yield* openOlder)) {
        response = yield* post(line)
      }
      const { status } = response
      if (status < 200 || status >= 300) {
        return yield* refused(response)
      }
      session = response.headers["mcp-session-id"] ?? session
      if (id === undefined || endpoint !== undefined) {
        return
      }
      const stream = eventStream(id)
      if (HttpResponse.isEventStream(response)) {
        yield* readEvents(response, stream)
        return yield* resume(id, stream)
      }
      const text = status === 202 || status === 204 ? "" : yield* HttpResponse.readText(response)
      if (text.trim() !== "") {
        yield* receive(text, stream)
      } else {
        yield* Effect.raceFirst(Effect.sleep(Limits.answerElsewhere), Deferred.await(unheard))
      }
      if (peer.isPending(id)) {
        return yield* unanswered(stream.odd ?? `${answered(status)} and nothing more`)
      }
    }, Effect.scoped)

    const peer: Peer.Peer = yield* Peer.make({ send: exchange }, handlers)

    yield* Effect.addFinalizer(() =>
      session === undefined
        ? Effect.void
        : client.execute(HttpClientRequest.delete(url).pipe(HttpClientRequest.setHeaders(headers()))).pipe(
          Effect.scoped,
          Effect.timeoutOption(Limits.farewell),
          Effect.ignore
        )
    )

    /** Hears what the server says by itself, until it refuses that. */
    const listen = Effect.gen(function*() {
      const stream = eventStream(undefined)
      for (let pause = defaultRetry;; pause = Math.min(pause * 2, Limits.maxRetry)) {
        const goesOn = yield* Effect.option(openStream(stream)).pipe(
          Effect.flatMap(Option.match({
            onNone: () => Effect.succeed(true),
            onSome: (response) =>
              HttpResponse.isEventStream(response)
                ? Effect.isSuccess(readEvents(response, stream))
                : Effect.succeed(false)
          })),
          Effect.scoped
        )
        if (!goesOn) {
          return
        }
        yield* Effect.sleep(Math.max(pause, stream.retry))
      }
    }).pipe(Effect.ensuring(Deferred.succeed(unheard, undefined)))

    return {
      peer,
      lastWords: () => "",
      established: Effect.fnUntraced(function*(negotiated) {
        version = negotiated
        if (endpoint === undefined) {
          yield* Effect.forkIn(listen, scope)
        }
      })
    }
  },
  Effect.provide(FetchHttpClient.layer)
)
