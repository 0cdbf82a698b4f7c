import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Delegate from "effect-code-mode/Delegate"
import * as Inspector from "effect-code-mode/Inspector"
import * as Isolate from "effect-code-mode/Isolate"
import * as Runtime from "effect-code-mode/Runtime"
import { get, type IncomingMessage, request } from "node:http"
import type { Message } from "../../src/inspector/PageMessage.ts"

const token = "0123456789abcdef"

const everything = Runtime.layer({ sessionId: "asked" }).pipe(
  Layer.provide(Delegate.layerNoop),
  Layer.provideMerge(Isolate.layerTest),
  Layer.provideMerge(Inspector.layer({ port: 0, token: Redacted.make(token) }))
)

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** Asks as no browser would: a browser sets `Host` and `Origin` by itself. The answer to a stream is its beginning. */
const send = (
  path: string,
  { body, headers = {}, method = "GET", until = () => false }: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
    readonly until?: (text: string) => boolean
  } = {}
): Effect.Effect<Answer, never, Inspector.Inspector> =>
  Effect.flatMap(Inspector.Inspector, ({ address }) =>
    Effect.callback((resume) => {
      const url = new URL(Redacted.value(address))
      const asked = request({ host: url.hostname, port: url.port, path, method, headers, agent: false }, (answer) => {
        let text = ""
        const end = () => {
          resume(Effect.succeed({ status: answer.statusCode!, headers: answer.headers, body: text }))
          asked.destroy()
        }
        answer.setEncoding("utf8").on("data", (part: string) => {
          text += part
          if (until(text)) {
            end()
          }
        }).on("end", end)
      })
      asked.on("error", () => {})
      asked.end(body)
    }))

const origin = Effect.map(Inspector.Inspector, ({ address }) => new URL(Redacted.value(address)).origin)

const act = (request: unknown, headers: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(origin, (origin) =>
    send(`/${token}/act`, {
      method: "POST",
      headers: { "content-type": "application/json", origin, ...headers },
      body: typeof request === "string" ? request : JSON.stringify(request)
    }))

layer(everything, { excludeTestServices: true })("the inspector's server", (it) => {
  it.effect("gives nothing without its secret", () =>
    Effect.gen(function*() {
      for (const path of ["/", "/page.js", `/${token}x/`, `/${token.slice(1)}/events`, "//", "/%00/", "/events"]) {
        const { body, status } = yield* send(path)
        assert.strictEqual(status, 404, path)
        assert.notInclude(body, token)
        assert.notInclude(body, "<")
      }
    }))

  it.effect("is found below its secret, with a policy that lets nothing else in", () =>
    Effect.gen(function*() {
      const page = yield* send(`/${token}/`)
      assert.strictEqual(page.status, 200)
      assert.include(page.headers["content-type"], "text/html")
      assert.match(page.body, /src="\.\/page\.js"/)
      assert.notMatch(page.body, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
      const policy = String(page.headers["content-security-policy"])
      assert.include(policy, "default-src 'none'")
      assert.include(policy, "script-src 'self';")
      assert.include(policy, "frame-ancestors 'none'")
      assert.notInclude(policy, "unsafe")
      assert.strictEqual(page.headers["referrer-policy"], "no-referrer")
      assert.strictEqual(page.headers["x-content-type-options"], "nosniff")
      assert.strictEqual(page.headers["cache-control"], "no-store")

      const bare = yield* send(`/${token}`)
      assert.strictEqual(bare.status, 302)
      assert.strictEqual(bare.headers.location, `/${token}/`)
      for (const [name, type] of [["page.js", "text/javascript"], ["page.css", "text/css"]] as const) {
        const file = yield* send(`/${token}/${name}`)
        assert.strictEqual(file.status, 200)
        assert.include(file.headers["content-type"], type)
        assert.strictEqual(String(file.headers["content-security-policy"]), policy)
      }
      for (const name of ["../package.json", "index.html", "page.js/", "__proto__", "LICENSES.txt"]) {
        assert.strictEqual((yield* send(`/${token}/${name}`)).status, 404, name)
      }
      assert.strictEqual((yield* send(`/${token}/`, { method: "PUT", headers: { origin: yield* origin } })).status, 405)
    }))

  it.effect("does not listen to other hosts and pages", () =>
    Effect.gen(function*() {
      const ours = yield* origin
      const { port } = new URL(ours)
      const barred = [
        { host: `evil.example:${port}` },
        { host: "127.0.0.1.evil.example" },
        { origin: "https://evil.example" },
        { origin: "null" },
        // Another server of this machine.
        { origin: "http://127.0.0.1:1" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" }
      ]
      for (const headers of barred) {
        for (const path of ["", "events", "values?cell=1&call=1"]) {
          const { body, headers: answered, status } = yield* send(`/${token}/${path}`, { headers })
          assert.strictEqual(status, 403, JSON.stringify(headers))
          assert.notInclude(body, "data:")
          assert.isUndefined(answered["access-control-allow-origin"])
        }
      }
      assert.strictEqual((yield* send(`/${token}/`, { headers: { host: `localhost:${port}` } })).status, 200)
      // What changes something says where it comes from.
      const request = { _tag: "Terminate", cell: 1 }
      assert.strictEqual((yield* act(request, { origin: "http://evil.example" })).status, 403)
      const anonymous = yield* send(`/${token}/act`, { method: "POST", body: JSON.stringify(request) })
      assert.strictEqual(anonymous.status, 403)
      assert.strictEqual((yield* act(request)).status, 200)
    }))

  it.effect("answers what is no request", () =>
    Effect.gen(function*() {
      for (const body of ["", "{", "[]", "{\"_tag\":\"Terminate\"}", "{\"_tag\":\"Shutdown\",\"cell\":1}", "null"]) {
        assert.strictEqual((yield* act(body)).status, 400, body)
      }
      assert.strictEqual((yield* act("{}", { "content-type": "text/plain" })).status, 415)
      assert.strictEqual((yield* act(" ".repeat(70_000))).status, 413)
      for (
        const request of [
          { _tag: "Terminate", cell: 99 },
          { _tag: "Yield", cell: 99 },
          { _tag: "Focus", viewer: "unknown", cell: 99 },
          { _tag: "Decide", question: 99, approve: true, remember: "once" }
        ]
      ) {
        const answer = yield* act(request)
        assert.isFalse((JSON.parse(answer.body) as { readonly ok: boolean }).ok, request._tag)
      }
      for (const path of ["values", "values?cell=x&call=1", "stored?session=99"]) {
        assert.strictEqual((yield* send(`/${token}/${path}`)).status, 404, path)
      }
    }))

  it.effect("holds up no cell for a page that does not read, which hears of the end, and of what it has missed", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const cell = yield* session.create({ callId: "loud", source: "// loud" })
      const isolate = yield* isolates.next
      yield* isolate.emit({ _tag: "Started" })
      const key = yield* Effect.map(
        send(`/${token}/events`, { until: (text) => text.includes("\n\n") }),
        ({ body }) => Number(/"key":(\d+),[^}]*"callId":"loud"/.exec(body)![1])
      )
      const slow = yield* Effect.flatMap(
        Inspector.Inspector,
        ({ address }) =>
          Effect.callback<IncomingMessage>((resume) => {
            get(
              `${Redacted.value(address)}events?cell=${key}`,
              { agent: false },
              (answer) => resume(Effect.succeed(answer))
            )
          })
      )
      // More than sockets hold, and more than is kept of a cell.
      for (let batch = 0; batch < 60; batch++) {
        yield* isolate.emit({
          _tag: "Output",
          items: Array.from({ length: 100 }, (_, index) => ({
            type: "input_text" as const,
            text: `${batch * 100 + index} ${"x".repeat(5000)}`
          }))
        })
      }
      yield* isolate.emit({ _tag: "Finished", stored: [] })
      assert.strictEqual((yield* session.observe(cell))._tag, "Completed")

      const messages: Array<Message> = []
      yield* Effect.callback<void>((resume) => {
        let text = ""
        slow.setEncoding("utf8").on("data", (part: string) => {
          text += part
          if (!part.endsWith("\n\n")) {
            return
          }
          const told = text.split("\n\n").filter((line) => line.startsWith("data: "))
          messages.push(...told.map((line) => JSON.parse(line.slice("data: ".length)) as Message))
          text = ""
          const last = messages.findLast(({ focus }) => focus?.items !== undefined)?.focus?.items
          if (last !== undefined && last.from + last.list.length === 6000) {
            slow.destroy()
            resume(Effect.void)
          }
        })
      })
      const items = messages.flatMap(({ focus }) => focus?.items ?? [])
      const told = items.reduce((sum, { list }) => sum + list.length, 0)
      const missed = items.reduce(
        ({ missed, next }, { from, list }) => ({ missed: missed + from - next, next: from + list.length }),
        { missed: 0, next: 0 }
      )
      assert.strictEqual(missed.next, 6000)
      assert.strictEqual(told + missed.missed, 6000)
      assert.isAbove(missed.missed, 0)
    }))

  it.effect("tells what there is, and has so many listeners at most", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const cell = yield* session.create({ callId: "call-1", source: "text(1)" })
      const isolate = yield* isolates.next
      yield* isolate.emit({ _tag: "Started" })
      const { body, headers } = yield* send(`/${token}/events`, { until: (text) => text.includes("\n\n") })
      assert.strictEqual(headers["content-type"], "text/event-stream")
      const message = JSON.parse(body.slice("data: ".length)) as {
        readonly sessions: ReadonlyArray<{ readonly name: string }>
        readonly cells: ReadonlyArray<{ readonly id: string; readonly title: string; readonly status: string }>
      }
      assert.deepStrictEqual(message.sessions.map(({ name }) => name), ["asked"])
      assert.include(message.cells.find(({ id }) => id === cell.id), {
        id: cell.id,
        title: "text(1)",
        status: "Running"
      })

      const listen = send(`/${token}/events`, { until: () => false })
      yield* Effect.forEach(Array.from({ length: 16 }), () => Effect.forkChild(listen, { startImmediately: true }))
      let refused = yield* send(`/${token}/events`, { until: (text) => text.includes("\n\n") })
      while (refused.status !== 503) {
        refused = yield* send(`/${token}/events`, { until: (text) => text.includes("\n\n") })
      }
      assert.include(refused.body, "16 pages")
    }))
})
