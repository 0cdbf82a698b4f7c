/**
 * We, as one side of a connection to an MCP server: requests and their answers, and what the server asks and tells.
 *
 * **Details**
 *
 * How messages travel is a `Carrier`'s business. It hands every value that comes to `receive`, and fails a `send` once
 * the answer can no longer come.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as JsonLine from "../text/JsonLine.ts"
import { type Failure, Refused, Unanswered, unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"

export interface Carrier {
  /**
   * Sends a line. That of a request has an `id`: sending it may take as long as its answer, and fails where none can come
   * any more.
   */
  readonly send: (line: string, id: number | undefined) => Effect.Effect<void, Failure>
}

/** What the server may ask of us, and tell us. */
export interface Handlers {
  /** Answers a request, or fails with the text of the error. Without a handler for a method, there is none. */
  readonly onRequest: (method: string, params: Schema.JsonObject) => Effect.Effect<Schema.JsonObject, Refused>
  readonly onNotification: (method: string, params: Schema.JsonObject) => Effect.Effect<void>
  /** Hears why requests of the server have no answer, over and over again. */
  readonly onUnanswered: (text: string) => Effect.Effect<void>
}

export interface RequestOptions {
  /** Hears of progress: with it, the server is asked to tell. */
  readonly onProgress?: ((params: Schema.JsonObject) => Effect.Effect<void>) | undefined
  /** What else is said of the request. */
  readonly meta?: Schema.JsonObject | undefined
}

export interface Peer {
  /** Waits for the answer, as long as one can come. Interrupting it cancels the request on the server. */
  readonly request: (
    method: string,
    params: Schema.JsonObject,
    options?: RequestOptions
  ) => Effect.Effect<Schema.Json, Failure>
  readonly notify: (method: string, params?: Schema.JsonObject) => Effect.Effect<void, Failure>
  /** Takes a value that came. `inReplyTo` is the request whose own channel it came by, where it has one. */
  readonly receive: (value: unknown, inReplyTo?: number) => Effect.Effect<void>
  /** Takes a text that came and is not a message. One in which there is an answer to a request makes that fail in the end. */
  readonly receiveNoise: (text: string) => Effect.Effect<void>
  /** The request that a message answers of which this is a part. */
  readonly answeredBy: (part: string) => number | undefined
  /** Fails one request, if it still waits. */
  readonly fail: (id: number, failure: Failure) => Effect.Effect<void>
  /** Fails every request that waits, and every later one, with the failure that came first. */
  readonly close: (failure: Unanswered) => Effect.Effect<void>
  /** The failure that every request has, once the connection is closed. */
  readonly closed: () => Unanswered | undefined
  /** Whether a request still waits. */
  readonly isPending: (id: number) => boolean
}

interface Pending {
  readonly answer: Deferred.Deferred<Schema.Json, Failure>
  readonly onProgress: RequestOptions["onProgress"]
  /** Something came that may have been the answer: the time for the true one is running. */
  isDoubted: boolean
}

/** The code of errors that a server has no other for. */
const serverError = -32_000

const tooMany = `it asked more at a time than the ${Limits.maxServerRequests} requests that are answered`

/** The id in a part of a message. */
const idIn = (text: string): number | undefined => {
  const id = /"id"\s*:\s*"?(\d+)/.exec(text)?.[1]
  return id === undefined ? undefined : Number(id)
}

/** The id of the request that a text answers, were it a message. */
const answeredIn = (text: string): number | undefined =>
  /"jsonrpc"\s*:/.test(text) && !/"method"\s*:/.test(text) ? idIn(text) : undefined

export const make = Effect.fnUntraced(function*(
  carrier: Carrier,
  handlers: Handlers
): Effect.fn.Return<Peer, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const pending = new Map<number, Pending>()
  let nextId = 1
  /** Those of the server that are being answered, and how many are being refused. */
  const serverRequests = new Map<JsonRpc.ServerRequest["id"], Fiber.Fiber<void>>()
  let answering = 0
  let refusing = 0
  let closed: Unanswered | undefined

  /** Ends the wait of a request, if it still waits. */
  const settle = (id: number, outcome: Exit.Exit<Schema.Json, Failure>) =>
    Effect.sync(() => {
      const waiting = pending.get(id)
      if (waiting !== undefined) {
        pending.delete(id)
        Deferred.doneUnsafe(waiting.answer, outcome)
      }
    })

  const fail = (id: number, failure: Failure) => settle(id, Exit.fail(failure))

  const close = (failure: Unanswered) =>
    Effect.suspend(() => {
      closed ??= failure
      return Effect.forEach(Array.from(pending.keys()), (id) => fail(id, failure), { discard: true })
    })
  yield* Effect.addFinalizer(() => close(new Unanswered({ message: "the connection is closed", connection: "closed" })))

  const onlyPending = () => {
    const [first, second] = Array.from(pending.keys())
    return second === undefined ? first : undefined
  }

  /** Fails a request, unless its true answer comes within the grace. */
  const doubt = (id: number | undefined, failure: Failure) =>
    Effect.suspend(() => {
      const waiting = id === undefined ? undefined : pending.get(id)
      if (waiting === undefined || waiting.isDoubted) {
        return Effect.void
      }
      waiting.isDoubted = true
      return Effect.sleep(Limits.grace).pipe(
        Effect.andThen(fail(id!, failure)),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })

  const send = (message: object, id?: number) => carrier.send(JsonLine.stringify({ jsonrpc: "2.0", ...message }), id)

  const notify = (method: string, params: Schema.JsonObject = {}) => send({ method, params })

  const request = Effect.fnUntraced(function*(
    method: string,
    params: Schema.JsonObject,
    options: RequestOptions = {}
  ): Effect.fn.Return<Schema.Json, Failure> {
    if (closed !== undefined) {
      return yield* closed
    }
    const id = nextId++
    const answer = Deferred.makeUnsafe<Schema.Json, Failure>()
    pending.set(id, { answer, onProgress: options.onProgress, isDoubted: false })
    const meta = { ...options.meta, ...(options.onProgress === undefined ? {} : { progressToken: id }) }
    const asked = Object.keys(meta).length === 0 ? params : { ...params, _meta: meta }
    return yield* Effect.raceFirst(
      Deferred.await(answer),
      send({ id, method, params: asked }, id).pipe(Effect.andThen(Effect.never))
    ).pipe(
      Effect.onInterrupt(() =>
        method === "initialize"
          ? Effect.void
          : notify("notifications/cancelled", { requestId: id }).pipe(
            Effect.timeoutOption(Limits.farewell),
            Effect.ignore
          )
      ),
      Effect.ensuring(Effect.sync(() => pending.delete(id)))
    )
  })

  const reply = (message: object) =>
    Effect.catch(send(message), (failure) =>
      failure._tag === "Unanswered" && failure.connection !== "open"
        ? Effect.void
        : handlers.onUnanswered(failure.message))

  const refuseServer = Effect.fnUntraced(function*(id: JsonRpc.ServerRequest["id"]) {
    if (refusing >= Limits.maxServerRequests) {
      return yield* handlers.onUnanswered(tooMany)
    }
    refusing++
    yield* reply({ id, error: { code: serverError, message: tooMany } }).pipe(
      Effect.ensuring(Effect.sync(() => refusing--)),
      Effect.forkIn(scope, { startImmediately: true })
    )
  })

  const answerServer = Effect.fnUntraced(function*({ id, method, params }: JsonRpc.ServerRequest) {
    if (answering >= Limits.maxServerRequests) {
      return yield* refuseServer(id)
    }
    answering++
    const fiber = yield* handlers.onRequest(method, params).pipe(
      Effect.match({
        onFailure: ({ code, message }) => ({ id, error: { code: code ?? JsonRpc.methodNotFound, message } }),
        onSuccess: (result) => ({ id, result })
      }),
      Effect.flatMap(reply),
      Effect.ensuring(Effect.sync(() => {
        answering--
        serverRequests.delete(id)
      })),
      Effect.forkIn(scope, { startImmediately: true })
    )
    if (fiber.pollUnsafe() === undefined) {
      serverRequests.set(id, fiber)
    }
  })

  /** The server has cancelled a request of its own, and wants no answer any more. */
  const cancelAnswer = ({ requestId }: Schema.JsonObject) =>
    Effect.sync(() => serverRequests.get(requestId as JsonRpc.ServerRequest["id"])?.interruptUnsafe())

  const receiveAnswer = (id: number | undefined, { outcome }: JsonRpc.Answer): Effect.Effect<void> => {
    if (outcome._tag === "Result") {
      return id === undefined ? Effect.void : settle(id, Exit.succeed(outcome.value))
    }
    const failure = new Refused({ code: outcome.code, message: JsonRpc.errorText(outcome), data: outcome.data })
    // An error that does not say whose it is may be that of the one request there is.
    return id === undefined ? doubt(onlyPending(), failure) : fail(id, failure)
  }

  const receiveMessage = (message: JsonRpc.Message, inReplyTo: number | undefined): Effect.Effect<void> => {
    switch (message._tag) {
      case "Request":
        return answerServer(message)
      case "Notification":
        return message.method === "notifications/cancelled"
          ? cancelAnswer(message.params)
          : message.method === "notifications/progress"
          ? pending.get(Number(message.params.progressToken))?.onProgress?.(message.params) ?? Effect.void
          : handlers.onNotification(message.method, message.params)
      case "Answer":
        return receiveAnswer(message.id === undefined ? inReplyTo : Number(message.id), message)
    }
  }

  const receive = (value: unknown, inReplyTo?: number): Effect.Effect<void> => {
    if (Array.isArray(value)) {
      // A batch, as older versions of the protocol had them.
      return Effect.forEach(value, (each) => Array.isArray(each) ? Effect.void : receive(each, inReplyTo), {
        discard: true
      })
    }
    const message = JsonRpc.fromValue(value)
    return message === undefined ? Effect.void : receiveMessage(message, inReplyTo)
  }

  const answeredBy = (part: string) => {
    const id = idIn(part)
    return id !== undefined && pending.has(id) ? id : onlyPending()
  }

  const receiveNoise = (text: string) =>
    doubt(answeredIn(text), unanswered(`it answered with something that is not a message: ${JsonRpc.excerpt(text)}`))

  return {
    request,
    notify,
    receive,
    receiveNoise,
    answeredBy,
    fail,
    close,
    closed: () => closed,
    isPending: (id) => pending.has(id)
  }
})
