/**
 * The page, what it is told, and what it asks for, over HTTP.
 *
 * **Details**
 *
 * Everything is below a path that is the secret. What cells put out is hostile text, so the page may run its own script and
 * nothing else, load nothing from anywhere, and be shown in no other page.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as CellRef from "../session/CellRef.ts"
import { Delivery } from "../session/Delivery.ts"
import type { Store } from "../Store.ts"
import * as Cut from "../text/Cut.ts"
import * as WebGate from "../wire/WebGate.ts"
import * as FromStore from "./FromStore.ts"
import type * as Model from "./Model.ts"
import type { PageApprovals } from "./PageApprovals.ts"
import type { PageFile } from "./PageFiles.ts"
import type * as PageMessage from "./PageMessage.ts"
import { PageView, toValues } from "./PageView.ts"

// =============================================================================
// Bounds
// =============================================================================

/** Pages that may be open. */
const maxPages = 16
/** How long changes are gathered before a page is told. */
const pace = "40 millis"
/** How often a page that has nothing to hear is told that we are here. */
const keepAlive = "10 seconds"
const maxRequestBytes = 64 * 1024
/** Stored values of a session that are shown, and characters of one. */
const maxStored = 500
const maxStoredValue = 64 * 1024

// =============================================================================
// Responses
// =============================================================================

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "media-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

const headers = {
  "cache-control": "no-store",
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

type Response = HttpServerResponse.HttpServerResponse

const refuse = (status: number, text: string): Response =>
  HttpServerResponse.text(`${text}\n`, { status, headers, contentType: "text/plain; charset=utf-8" })

const json = (value: unknown): Response =>
  HttpServerResponse.text(JSON.stringify(value), { headers, contentType: "application/json" })

const file = ({ bytes, type }: PageFile): Response =>
  HttpServerResponse.uint8Array(bytes, { headers, contentType: type })

const answer = (ok: boolean, text: string): Response => json({ ok, text } satisfies PageMessage.Answer)

const encoder = new TextEncoder()
const encode = (message: PageMessage.Message) => encoder.encode(`data: ${JSON.stringify(message)}\n\n`)
const stillHere = encoder.encode(": still here\n\n")

// =============================================================================
// Requests
// =============================================================================

const Key = Schema.Int

const Request = Schema.fromJsonString(Schema.TaggedUnion({
  LoadKept: {},
  Focus: { viewer: Schema.String, cell: Schema.NullOr(Key) },
  Terminate: { cell: Key },
  Yield: { cell: Key },
  Decide: {
    question: Key,
    approve: Schema.Boolean,
    remember: Schema.Literals(["once", "cell", "session"]),
    reason: Schema.optionalKey(Schema.String),
    input: Schema.optionalKey(Schema.Json)
  }
}))

const decode = Schema.decodeUnknownResult(Request)

export interface Options {
  readonly model: Model.Model
  readonly approvals: PageApprovals
  readonly store: Store["Service"] | undefined
  readonly files: ReadonlyMap<string, PageFile>
  readonly process: PageMessage.ProcessView
  readonly token: Redacted.Redacted<string>
  readonly allowedHosts: ReadonlyArray<string> | "any"
  /** Hears how many pages are open. */
  readonly onPages: (pages: number) => void
}

/** Why a request is not heard at all. */
const barred = (
  { allowedHosts, token }: Options,
  { headers, method }: HttpServerRequest,
  secret: string
): Response | undefined => {
  const { host = "", origin, "sec-fetch-site": site = "none" } = headers
  if (!WebGate.isNamed(host, allowedHosts)) {
    return refuse(403, "this host is not allowed here")
  }
  // What changes something comes from the page, which says so.
  const isOurs = origin === undefined ? method === "GET" : WebGate.isSame(origin, host)
  if (!isOurs || (site !== "none" && site !== "same-origin")) {
    return refuse(403, "pages of other origins are not allowed here")
  }
  return WebGate.isEqual(secret, encodeURIComponent(Redacted.value(token)))
    ? undefined
    : refuse(404, "there is nothing here: the address is to be the one that the process has printed")
}

export const make = (options: Options) => {
  const { approvals, files, model, process } = options
  const pages = new Map<string, PageView>()

  const numbered = (params: URLSearchParams, name: string): number => Number(params.get(name) ?? Number.NaN)

  /** What a page hears, from when it is read until it is not. */
  const events = (cell: Model.Cell | undefined): Stream.Stream<Uint8Array> =>
    Stream.unwrap(Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const news = Latch.makeUnsafe(true)
      const page = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const page = new PageView(model, randomUUID(), process, () => news.openUnsafe())
          page.show(cell)
          pages.set(page.id, page)
          model.viewers.add(page)
          options.onPages(pages.size)
          return page
        }),
        (page) =>
          Effect.sync(() => {
            pages.delete(page.id)
            model.viewers.delete(page)
            options.onPages(pages.size)
          })
      )
      const next = Effect.sync(() => {
        news.closeUnsafe()
        const { hasMore, message } = page.take(clock.currentTimeMillisUnsafe())
        if (hasMore) {
          news.openUnsafe()
        }
        return encode(message)
      })
      // The page is asked for nothing: a message is made when there is room for it.
      const heard = Effect.andThen(news.await, Effect.andThen(Effect.sleep(pace), next))
      return Stream.concat(
        Stream.fromEffect(next),
        Stream.fromEffectRepeat(
          Effect.timeoutOrElse(heard, { duration: keepAlive, orElse: () => Effect.succeed(stillHere) })
        )
      )
    }))

  const listen = (params: URLSearchParams): Response =>
    pages.size >= maxPages
      ? refuse(503, `there are ${maxPages} pages, which is the most`)
      : HttpServerResponse.stream(events(model.cells.get(numbered(params, "cell"))), {
        contentType: "text/event-stream",
        headers: { ...headers, "cache-control": "no-store, no-transform", "x-accel-buffering": "no" }
      })

  /** The values of a call. */
  const values = (params: URLSearchParams): Response => {
    const call = model.cells.get(numbered(params, "cell"))?.calls.get(numbered(params, "call"))
    return call === undefined ? refuse(404, "this call is not kept any more") : json(toValues(call))
  }

  /** What a session has stored. */
  const stored = Effect.fnUntraced(function*(params: URLSearchParams) {
    const session = model.sessions.get(numbered(params, "session"))
    const runtime = session?.live?.runtime
    const all = session?.kept !== undefined
      ? Array.from(session.kept)
      : runtime !== undefined
      ? Object.entries(yield* runtime.storedValues).map(([name, value]) =>
        [name, JSON.stringify(value, null, 2)] as const
      )
      : undefined
    if (all === undefined) {
      return refuse(404, "the session has ended")
    }
    return json(
      {
        values: all.slice(0, maxStored).map(([name, text]) => {
          const kept = Cut.within(text, maxStoredValue)
          return { name, json: { text: kept, omitted: text.length - kept.length } }
        }),
        omitted: Math.max(0, all.length - maxStored)
      } satisfies PageMessage.StoredView
    )
  })

  const withCell = (
    key: number,
    ask: (cell: Model.Cell, runtime: NonNullable<Model.Session["live"]>) => Effect.Effect<Response>
  ) =>
    Effect.suspend(() => {
      const cell = model.cells.get(key)
      return cell?.settledAt !== undefined || cell?.session.live === undefined
        ? Effect.succeed(answer(false, "the cell has ended"))
        : ask(cell, cell.session.live)
    })

  const act = Effect.fnUntraced(function*(request: HttpServerRequest) {
    if (!(request.headers["content-type"] ?? "").startsWith("application/json")) {
      return refuse(415, "the body is to be application/json")
    }
    const body = yield* request.text.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxRequestBytes)),
      Effect.option
    )
    if (body._tag === "None") {
      return refuse(413, "the body is too long")
    }
    const decoded = decode(body.value)
    if (Result.isFailure(decoded)) {
      return refuse(400, "this is no request")
    }
    const asked = decoded.success
    switch (asked._tag) {
      case "LoadKept":
        return options.store === undefined
          ? answer(false, "there is no store")
          : yield* Effect.match(FromStore.load(model, options.store), {
            onFailure: ({ message }) => answer(false, message),
            onSuccess: ({ omitted, shown }) =>
              answer(
                true,
                `${shown} kept ${shown === 1 ? "session" : "sessions"}${
                  omitted === 0 ? "" : `; ${omitted} are encrypted, too large, or older`
                }`
              )
          })
      case "Focus": {
        const page = pages.get(asked.viewer)
        const cell = asked.cell === null ? undefined : model.cells.get(asked.cell)
        page?.show(cell)
        return page === undefined
          ? answer(false, "this page is not connected")
          : cell === undefined && asked.cell !== null
          ? answer(false, "this cell is not kept any more")
          : answer(true, "")
      }
      case "Terminate":
        return yield* withCell(asked.cell, (cell, { runtime }) =>
          Effect.gen(function*() {
            // What is not delivered is not taken away: the cell's observers hear how it has ended.
            const ending = yield* runtime.terminate(cell.ref).pipe(
              Effect.provideService(Delivery, () => Effect.never),
              Effect.forkDetach({ startImmediately: true })
            )
            ending.interruptUnsafe()
            return answer(true, "the cell is being stopped")
          }))
      case "Yield":
        return yield* withCell(asked.cell, ({ ref }, { runtime }) =>
          CellRef.isPausable(ref)
            ? Effect.succeed(answer(false, "a cell that pauses does not yield"))
            : Effect.as(
              Effect.ignore(runtime.yieldNow(ref)),
              answer(true, "its observer has been told, if it has one")
            ))
      case "Decide":
        return approvals.decide(asked.question, asked)
          ? answer(true, asked.approve ? "the call goes on" : "the call is refused")
          : answer(false, "the call does not wait any more")
    }
  })

  return (request: HttpServerRequest): Effect.Effect<Response> => {
    // No URL: what was asked for may be anything.
    const [path = "", query = ""] = request.url.split("?")
    const params = new URLSearchParams(query)
    const [, secret = "", ...rest] = path.split("/")
    const no = barred(options, request, secret)
    if (no !== undefined) {
      return Effect.succeed(no)
    }
    const name = rest.join("/")
    if (request.method === "POST") {
      return name === "act" ? act(request) : Effect.succeed(refuse(404, "there is nothing here"))
    }
    if (request.method !== "GET") {
      return Effect.succeed(HttpServerResponse.setHeader(refuse(405, "use GET or POST"), "allow", "GET, POST"))
    }
    switch (name) {
      case "events":
        return Effect.succeed(listen(params))
      case "values":
        return Effect.succeed(values(params))
      case "stored":
        return stored(params)
      default: {
        const found = rest.length === 0 ? undefined : files.get(name)
        return Effect.succeed(
          found !== undefined
            ? file(found)
            // Its files are looked for beside it.
            : rest.length === 0
            ? HttpServerResponse.redirect(`/${secret}/`, { headers })
            : refuse(404, "there is nothing here")
        )
      }
    }
  }
}
