/**
 * An MCP server that is reached by streamable HTTP.
 *
 * **Details**
 *
 * The SDK's transport leaves a request without an answer where the server is lost in the middle of one. Here it gets
 * an error: when the stream that was to carry the answer ends and cannot be taken up again, and when the server cannot
 * be reached any more.
 *
 * @internal
 */
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { FetchLike, Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { isJSONRPCRequest, type JSONRPCMessage, type RequestId } from "@modelcontextprotocol/sdk/types.js"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.ts"

export interface Address {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** How long the server may take to hear that the session is over. */
const farewell = "500 millis"

/** How long the end of a stream waits for what came before it to be read. */
const settle = "100 millis"

const maxErrorText = 300

// =============================================================================
// Errors
// =============================================================================

const unreachable = (url: string, error: unknown): Error => {
  const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
  const detail = Predicate.hasProperty(cause, "code") ? String(cause.code) : String(cause ?? error)
  return new Error(`${url} cannot be reached (${detail}): is the server running?`)
}

const refused = (url: string, { status, statusText }: Response, text: string): Error => {
  const body = text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, maxErrorText)
  const answer = `${url} answered ${status} ${statusText}${body === "" ? "" : `: ${body}`}`
  return new Error(
    status === 401 || status === 403
      ? `${answer}; it may want an Authorization header, which a config file can give under "headers"`
      : status === 404
      ? `${answer}; is this the path of its MCP endpoint?`
      : answer
  )
}

// =============================================================================
// Streams
// =============================================================================

/** An event with an id is a place from which the transport takes a broken stream up again. */
const resumable = /^id:/m

/** The response; and where it is a stream of events, a word when that has ended, in whatever way. */
const watch = (response: Response, onEnd: (canResume: boolean) => void): Response => {
  const type = response.headers.get("content-type") ?? ""
  if (response.body === null || !type.startsWith("text/event-stream")) {
    return response
  }
  const reader = response.body.getReader()
  let canResume = false
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) =>
      reader.read().then(
        ({ done, value }) => {
          if (done) {
            controller.close()
            return onEnd(canResume)
          }
          canResume ||= resumable.test(Buffer.from(value).toString("latin1"))
          controller.enqueue(value)
        },
        (error) => {
          controller.error(error)
          onEnd(canResume)
        }
      ),
    cancel: (reason) => reader.cancel(reason)
  })
  return new Response(body, response)
}

const requestOf = (body: unknown): RequestId | undefined => {
  const message: unknown = typeof body === "string" ? JSON.parse(body) : undefined
  return isJSONRPCRequest(message) ? message.id : undefined
}

// =============================================================================
// The connection
// =============================================================================

/** Opens a connection; the end of the scope is the end of its session. */
export const make: (address: Address) => Effect.Effect<Connection, string, Scope.Scope> = Effect.fnUntraced(
  function*(address) {
    const url = yield* Effect.try({
      try: () => new URL(address.url),
      catch: () => `${address.url} is no URL`
    })
    if (!/^https?:$/.test(url.protocol)) {
      return yield* Effect.fail(`${address.url} is no URL of http or https`)
    }
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const pending = new Set<RequestId>()

    const fail = (ids: Iterable<RequestId>, message: string) => {
      for (const id of ids) {
        if (pending.delete(id)) {
          transport.onmessage?.({ jsonrpc: "2.0", id, error: { code: -32000, message } })
        }
      }
    }

    const onStreamEnd = (id: RequestId, canResume: boolean) => {
      if (!canResume && pending.has(id)) {
        runFork(Effect.andThen(
          Effect.sleep(settle),
          Effect.sync(() => fail([id], `${url.origin} ended the connection before it had answered`))
        ))
      }
    }

    const send: FetchLike = (to, init) =>
      globalThis.fetch(to, init).then(
        (response) => {
          if (init?.method !== "POST") {
            return response
          }
          if (response.status >= 400) {
            return response.text().then((text) => {
              throw refused(address.url, response, text)
            })
          }
          const id = requestOf(init.body)
          return id === undefined ? response : watch(response, (canResume) => onStreamEnd(id, canResume))
        },
        (error) => {
          throw init?.signal?.aborted === true ? error : unreachable(address.url, error)
        }
      )

    const http = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new StreamableHTTPClientTransport(url, {
          fetch: send,
          ...(address.headers === undefined ? {} : { requestInit: { headers: address.headers } })
        })
      ),
      (http) =>
        Effect.tryPromise(() => http.terminateSession()).pipe(
          Effect.timeoutOption(farewell),
          Effect.ignore,
          Effect.andThen(Effect.promise(() => http.close()))
        )
    )

    const transport: Transport = {
      start: () => {
        Object.assign(http, {
          onmessage: (message: JSONRPCMessage) => {
            if (!("method" in message) && message.id !== undefined) {
              pending.delete(message.id)
            }
            transport.onmessage?.(message)
          },
          onerror: ({ message }: Error) => {
            // The transport's own word for having given up.
            if (message.startsWith("Maximum reconnection attempts")) {
              fail(pending, `${url.origin} cannot be reached any more`)
            }
          }
        })
        return http.start()
      },
      send: (message) => {
        if (isJSONRPCRequest(message)) {
          pending.add(message.id)
        }
        return http.send(message)
      },
      setProtocolVersion: (version) => http.setProtocolVersion(version),
      close: () => http.close()
    }

    return {
      transport,
      isOpen: () => true,
      lastWords: () => "",
      ending: Effect.succeed("it is gone")
    }
  }
)
