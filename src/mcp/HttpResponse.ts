/**
 * What an MCP server answers by HTTP: its body within bounds, and what to say where it is not an answer.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Utf8 from "../text/Utf8.ts"
import { unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"

export type HttpResponse = HttpClientResponse.HttpClientResponse

const mediaType = (response: HttpResponse) =>
  (response.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase()

export const isEventStream = (response: HttpResponse) =>
  response.status >= 200 && response.status < 300 && mediaType(response) === "text/event-stream"

/** What lies at the bottom of a failed request, in few words. */
export const reasonOf = (error: unknown): string => {
  let cause = error
  for (let depth = 0; depth < 8; depth++) {
    if (Predicate.hasProperty(cause, "code") && typeof cause.code === "string") {
      return cause.code
    }
    const next = Predicate.hasProperty(cause, "cause") && cause.cause !== undefined
      ? cause.cause
      : Predicate.hasProperty(cause, "reason")
      ? cause.reason
      : undefined
    if (next === undefined) {
      break
    }
    cause = next
  }
  return cause instanceof Error ? cause.message : String(cause)
}

export const tooLong = unanswered(
  `its answer is longer than ${Limits.maxMessageBytes / 1024 / 1024} MiB, which is the most that a message may have`
)

const textOf = (bytes: Uint8Array) => Utf8.view(bytes).toString()

export const readText = (response: HttpResponse) =>
  response.stream.pipe(
    Stream.mapError((error) => unanswered(`the connection broke before the answer was complete (${reasonOf(error)})`)),
    Stream.limitBytes(Limits.maxMessageBytes, () => Stream.fail(tooLong)),
    Stream.mkUint8Array,
    Effect.map(textOf)
  )

/** The beginning of the body of an error. */
export const readExcerpt = (response: HttpResponse) => {
  let length = 0
  return response.stream.pipe(
    Stream.takeUntil((chunk) => (length += chunk.length) >= Limits.maxErrorText),
    Stream.mkUint8Array,
    Effect.map((bytes) => textOf(bytes.subarray(0, Limits.maxErrorText))),
    Effect.timeoutOrElse({ duration: Limits.grace, orElse: () => Effect.succeed("") }),
    Effect.catch(() => Effect.succeed(""))
  )
}

export const withoutTags = (text: string) => JsonRpc.excerpt(text.replace(/<[^>]*>/g, " "))

/** For these, what to do says more than what the server does. */
export const advised: ReadonlySet<number> = new Set([401, 403, 404])

export const advice = (status: number, retryAfter: string | undefined): string =>
  status === 401 || status === 403
    ? "; it may want an Authorization header, which a config file can give under \"headers\""
    : status === 404
    ? "; is this the path of its MCP endpoint?"
    : retryAfter !== undefined
    ? `; it asks to wait ${/^\d+$/.test(retryAfter) ? `${retryAfter} s` : `until ${JsonRpc.excerpt(retryAfter)}`}`
    : ""
