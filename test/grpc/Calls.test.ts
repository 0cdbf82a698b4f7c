/** Calls over HTTP/2, with methods that a test makes. */
import { assert, describe, it } from "@effect/vitest"
import * as Calls from "effect-code-mode/wire/grpc/Calls"
import * as Service from "effect-code-mode/wire/grpc/Service"
import { type Status, status } from "effect-code-mode/wire/grpc/Status"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { OutgoingHttpHeaders } from "node:http2"
import { duplexPair } from "node:stream"
import { type Call, Client, framed } from "./Client.ts"

const maxMessageBytes = 1_000_000

const connect = Effect.fnUntraced(function*(methods: Record<string, Calls.Method<never>>) {
  const [ours, theirs] = duplexPair()
  const serving = yield* Effect.forkScoped(
    Calls.serve(ours, { methods: new Map(Object.entries(methods)), maxMessageBytes, probe: "/probe" }),
    { startImmediately: true }
  )
  const client = new Client(theirs)
  yield* Effect.addFinalizer(() => Effect.sync(client.close))
  const call = (path: string, body = framed(Buffer.alloc(0)), headers?: OutgoingHttpHeaders) =>
    client.send(path, Service.CloseSessionRequest, body, headers)
  return { client, call, serving }
})

const test = (name: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.timeout(body(), "50 seconds"))

const echo = Calls.unary(
  Service.CloseSessionRequest,
  Service.CloseSessionRequest,
  (request) => Effect.succeed(request)
)

/** A method that says frames as they are. */
const method = (
  frames: (call: Calls.Call) => Stream.Stream<Buffer, Status>
): Calls.Method<never> =>
(_request, call) => Stream.runForEach(frames(call), (frame) => call.tell(frame) ?? Effect.void)

const says = (session_id: string) =>
  framed(Buffer.concat([Buffer.from([0x0a, session_id.length]), Buffer.from(session_id)]))

const told = (call: Call<unknown>) =>
  Effect.map(call.end, ({ code, isBare, message }) => [code, message, isBare ? "headers" : "trailers"])

describe("calls", () => {
  test("are answered", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({ "/echo": echo })
      const one = call("/echo", says("hello"))
      assert.deepStrictEqual(yield* told(one), ["OK", "", "trailers"])
      assert.deepStrictEqual(one.messages, [{ session_id: "hello" }])
    }))

  test("ignore a second message", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({ "/echo": echo })
      const one = call("/echo", Buffer.concat([says("first"), says("second")]))
      yield* one.end
      assert.deepStrictEqual(one.messages, [{ session_id: "first" }])
    }))

  test("that are no calls are refused", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({ "/echo": echo })
      assert.deepStrictEqual(yield* told(call("/nope")), ["UNIMPLEMENTED", "", "headers"])
      assert.deepStrictEqual(yield* told(call("/echo", Buffer.alloc(0))), [
        "INTERNAL",
        "Missing request message.",
        "headers"
      ])
      assert.deepStrictEqual(yield* told(call("/echo", Buffer.from([0, 0, 0, 0, 9, 1]))), [
        "INTERNAL",
        "Unexpected EOF decoding stream.",
        "headers"
      ])
      assert.deepStrictEqual(yield* told(call("/echo", framed(Buffer.alloc(1), 7))), [
        "INTERNAL",
        "protocol error: received message with invalid compression flag: 7 (valid flags are 0 and 1), while sending request",
        "headers"
      ])
      assert.deepStrictEqual(yield* told(call("/echo", says("x"), { "grpc-encoding": "gzip" })), [
        "UNIMPLEMENTED",
        "Content is compressed with `gzip` which isn't supported",
        "headers"
      ])
      assert.deepStrictEqual(yield* told(call("/echo", framed(Buffer.alloc(maxMessageBytes + 1)))), [
        "OUT_OF_RANGE",
        "Error, decoded message length too large: found 1000001 bytes, the limit is: 1000000 bytes",
        "headers"
      ])
    }))

  test("answer a probe", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({})
      const { headers } = yield* call("/probe", Buffer.alloc(0), { ":method": "GET" }).end
      assert.strictEqual(headers[":status"], 200)
    }))

  test("tell a failure, in any language", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/fail": () => Effect.fail(status("NOT_FOUND", "no ü 100% \ud800"))
      })
      assert.deepStrictEqual(yield* told(call("/fail")), ["NOT_FOUND", "no ü 100% �", "headers"])
    }))

  test("tell a failure that comes after messages, and a bug", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/late": method(() => Stream.concat(Stream.succeed(says("one")), Stream.fail(status("UNAVAILABLE", "later")))),
        "/bug": () => Effect.die(new Error("a bug"))
      })
      const late = call("/late")
      assert.deepStrictEqual(yield* told(late), ["UNAVAILABLE", "later", "trailers"])
      assert.strictEqual(late.messages.length, 1)
      assert.deepStrictEqual(yield* told(call("/bug")), ["INTERNAL", "code-mode request task failed", "headers"])
    }))

  test("say nothing that is longer than a message", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/long": method(() => Stream.make(says("one"), framed(Buffer.alloc(maxMessageBytes + 1))))
      })
      const long = call("/long")
      assert.deepStrictEqual(yield* told(long), [
        "OUT_OF_RANGE",
        "Error, encoded message length too large: found 1000001 bytes, the limit is: 1000000 bytes",
        "trailers"
      ])
      assert.strictEqual(long.messages.length, 1)
    }))

  test("begin before there is a message", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/begin": (_request, { begin }) => Effect.andThen(begin, Effect.never)
      })
      const begun = call("/begin")
      assert.strictEqual((yield* begun.begun)[":status"], 200)
      assert.isFalse(begun.hasEnded)
    }))

  test("are interrupted when they are reset, and when the client leaves", () =>
    Effect.gen(function*() {
      const interrupted = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
      const begun = Deferred.makeUnsafe<void>()
      let calls = 0
      const { call, client, serving } = yield* connect({
        "/wait": () =>
          Effect.suspend(() => {
            const mine = interrupted[calls++]!
            return Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(mine, undefined))
            )
          })
      })
      const one = call("/wait")
      yield* Deferred.await(begun)
      one.reset()
      yield* Deferred.await(interrupted[0]!)
      call("/wait")
      yield* Effect.repeat(Effect.sleep("5 millis"), { while: () => calls < 2 })
      client.close()
      yield* Deferred.await(interrupted[1]!)
      yield* Fiber.join(serving)
    }))

  test("end when their time is over, unless they have begun", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/wait": () => Effect.never,
        "/begin": (_request, { begin }) => Effect.andThen(begin, Effect.delay(Effect.void, "150 millis"))
      })
      const headers = { "grpc-timeout": "50m" }
      assert.deepStrictEqual(yield* told(call("/wait", framed(Buffer.alloc(0)), headers)), [
        "CANCELLED",
        "Timeout expired",
        "headers"
      ])
      assert.deepStrictEqual(yield* told(call("/begin", framed(Buffer.alloc(0)), headers)), ["OK", "", "trailers"])
    }))

  test("go on only as fast as they are read, and say when there is room", () =>
    Effect.gen(function*() {
      let sent = 0
      const { call } = yield* connect({
        "/many": method(() => Stream.fromEffectRepeat(Effect.sync(() => (sent++, framed(Buffer.alloc(100_000)))))),
        "/room": (_request, { room }) => room,
        "/echo": echo
      })
      const many = call("/many")
      yield* many.begun
      many.stream.pause()
      const full = call("/room")
      // Another call is answered meanwhile.
      assert.deepStrictEqual(yield* told(call("/echo", says("x"))), ["OK", "", "trailers"])
      const before = yield* Effect.suspend(() => Effect.as(Effect.sleep("100 millis"), sent)).pipe(
        Effect.repeat({ until: (before) => before === sent })
      )
      assert.isBelow(before, 40)
      many.reset()
      assert.deepStrictEqual(yield* told(full), ["OK", "", "trailers"])
    }))

  test("are acknowledged with what is told next, and in a moment where there is nothing", () =>
    Effect.gen(function*() {
      const { call } = yield* connect({
        "/echo": echo,
        "/done": Calls.acknowledged(Service.CloseSessionRequest, Service.Empty, () => undefined)
      })
      for (let round = 0; round < 3; round++) {
        const done = Array.from({ length: 3 }, () => call("/done"))
        assert.deepStrictEqual(yield* Effect.forEach(done, told), done.map(() => ["OK", "", "trailers"]))
        assert.deepStrictEqual(done.map(({ messages }) => messages.length), [1, 1, 1])
        const both = [call("/done"), call("/echo", says("x"))]
        yield* Effect.forEach(both, told)
        call("/done").reset()
      }
    }))

  test("of a client have no more unfinished than some messages", () =>
    Effect.gen(function*() {
      const { client } = yield* connect({ "/echo": echo })
      const body = framed(Buffer.alloc(maxMessageBytes)).subarray(0, maxMessageBytes)
      const unfinished = Array.from({ length: 6 }, () => {
        const stream = client.http.request({ ":method": "POST", ":path": "/echo" })
        stream.on("error", () => {}).on("response", () => {})
        const status = new Promise<unknown>((resolve) =>
          stream.on("response", (headers) => resolve(headers["grpc-status"]))
        )
        stream.write(body)
        return status
      })
      assert.strictEqual(yield* Effect.promise(() => Promise.race(unfinished)), "8")
    }))
})
