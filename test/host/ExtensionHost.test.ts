/** What a host makes of requests under our capability, message by message. */
import { assert, describe, it } from "@effect/vitest"
import * as Host from "effect-code-mode/Host"
import * as Extension from "effect-code-mode/host/Extension"
import * as Frame from "effect-code-mode/host/Frame"
import * as Isolate from "effect-code-mode/Isolate"
import { Limits } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { duplexPair } from "node:stream"

type Answer = Extension.Answer

/** A client that was granted the capability. */
const connect = Effect.fnUntraced(function*(limits?: Limits, maxFrameBytes?: number) {
  const [hostSide, clientSide] = duplexPair()
  const streams = { input: hostSide, output: hostSide }
  yield* Effect.forkScoped(Effect.exit(Host.serve(streams, { limits, maxFrameBytes })), {
    startImmediately: true
  })
  const answers = new Map<number, Deferred.Deferred<Answer>>()
  const answer = (id: number) => {
    const known = answers.get(id) ?? Deferred.makeUnsafe<Answer>()
    answers.set(id, known)
    return known
  }
  const closed = new Set<string>()
  const output: Array<string> = []
  const decoder = new Frame.Decoder((payload) => {
    const message = Result.getOrThrow(Extension.decodeHostMessage(payload.toString()))
    if (message.type === "extension/response") {
      Deferred.doneUnsafe(answer(message.id), Effect.succeed(message.result))
    } else if (message.type === "extension/output") {
      output.push(...message.items.map((item) => item.type === "input_text" ? item.text : item.type))
    } else if (message.type === "extension/event" && message.event._tag === "Closed") {
      closed.add(message.event.cellId)
    }
  })
  clientSide.on("data", (bytes: Buffer) => decoder.push(bytes))
  const send = (message: object) => {
    clientSide.write(Frame.encode(JSON.stringify(message)))
  }
  send({
    type: "connection/hello",
    supportedVersions: [1],
    requiredCapabilities: [Extension.capability],
    optionalCapabilities: []
  })
  let lastId = 0
  const ask = (request: object): number => {
    const id = ++lastId
    send({ type: "extension/request", id, request: { sessionId: "s", ...request } })
    return id
  }
  const answered = (id: number) => Deferred.await(answer(id))
  const request = (body: object) => Effect.suspend(() => answered(ask(body)))
  const create = (
    options?: { readonly sessionId?: string; readonly idempotencyKey?: string; readonly source?: string }
  ) => {
    const { idempotencyKey, sessionId, source = "" } = options ?? {}
    return request({
      method: "create",
      kind: "continuing",
      ...(sessionId === undefined ? {} : { sessionId }),
      request: {
        toolCallId: "c",
        source,
        tools: [],
        ...(idempotencyKey === undefined ? {} : { idempotencyKey })
      }
    })
  }
  const terminate = (cellId: string, sessionId = "s") =>
    Effect.andThen(
      request({ method: "terminate", sessionId, cellId }),
      Effect.repeat(Effect.yieldNow, { until: () => closed.has(cellId) })
    )
  return { send, ask, answered, request, create, terminate, output }
})

const made = (answer: Answer) => {
  assert(answer.status === "ok")
  return String(answer.value)
}

const tooMany = {
  status: "error",
  error: { _tag: "CapacityExceeded", limit: "maxLiveCells", text: "code-mode host has too many active cells" }
}

describe("requests under our capability", () => {
  it.effect("give each live cell one place, and a repeated request none", () =>
    Effect.gen(function*() {
      const { create, request, terminate } = yield* connect(Limits.make({ maxLiveCells: 2 }))
      yield* Effect.forEach(["s", "t"], (sessionId) => request({ method: "open", sessionId }))
      const first = made(yield* create({ idempotencyKey: "key" }))
      const second = made(yield* create({ sessionId: "t", idempotencyKey: "key" }))
      assert.notStrictEqual(first, second)
      assert.deepStrictEqual<unknown>(yield* create({ sessionId: "t" }), tooMany)
      assert.deepStrictEqual<unknown>(yield* create({ idempotencyKey: "another" }), tooMany)
      // The host is full, and still knows what it has made.
      assert.strictEqual(made(yield* create({ idempotencyKey: "key" })), first)
      yield* terminate(first)
      made(yield* create({ sessionId: "t" }))
      assert.deepStrictEqual<unknown>(yield* create(), tooMany)
      // One whose cell is gone is answered, and takes no place.
      yield* terminate(second, "t")
      assert.strictEqual(made(yield* create({ sessionId: "t", idempotencyKey: "key" })), second)
      made(yield* create())
      assert.deepStrictEqual<unknown>(yield* create(), tooMany)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("that made nothing do not count as made", () =>
    Effect.gen(function*() {
      const { create, request } = yield* connect(Limits.make({ maxLiveCells: 1, maxSourceBytes: 1 }))
      yield* Effect.forEach(["s", "t"], (sessionId) => request({ method: "open", sessionId }))
      const refused = yield* create({ idempotencyKey: "key", source: "//" })
      assert(refused.status === "error")
      assert.deepInclude(refused.error, { _tag: "CapacityExceeded", limit: "maxSourceBytes" })
      const first = made(yield* create({ sessionId: "t", idempotencyKey: "key" }))
      assert.deepStrictEqual<unknown>(yield* create({ idempotencyKey: "key" }), tooMany)
      // Nor is one forgotten that was made and is asked for wrongly.
      const conflict = yield* create({ sessionId: "t", idempotencyKey: "key", source: "/" })
      assert(conflict.status === "error")
      assert.deepInclude(conflict.error, { _tag: "IdempotencyConflict" })
      assert.strictEqual(made(yield* create({ sessionId: "t", idempotencyKey: "key" })), first)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("for output get it in pieces that fit, or hear that one does not", () =>
    Effect.gen(function*() {
      const { answered, ask, create, output, request } = yield* connect(undefined, 1000)
      yield* request({ method: "open" })
      const cellId = made(yield* create())
      const isolate = yield* Effect.flatMap(Isolate.TestIsolates, ({ next }) => next)
      const texts = Array.from({ length: 10 }, (_, index) => String(index).repeat(300))
      const emit = (...texts: ReadonlyArray<string>) =>
        isolate.emit({ _tag: "Output", items: texts.map((text) => ({ type: "input_text", text })) })
      const reading = ask({ method: "output", cellId })
      yield* emit(...texts)
      yield* Effect.repeat(Effect.yieldNow, { until: () => output.length === texts.length })
      assert.deepStrictEqual(output, texts)
      yield* emit("x".repeat(1000))
      const refused = yield* answered(reading)
      assert(refused.status === "refused")
      assert.match(refused.message, /^code-mode host response exceeds the IPC frame limit: /)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("that end a session end it although they are taken back", () =>
    Effect.gen(function*() {
      const { answered, ask, create, request, send } = yield* connect()
      yield* request({ method: "open" })
      yield* create()
      const shutdown = ask({ method: "shutdown" })
      send({ type: "extension/cancel", id: shutdown })
      assert.deepStrictEqual<unknown>(yield* answered(shutdown), { status: "ok", value: null })
      assert.deepStrictEqual<unknown>(yield* request({ method: "open" }), { status: "ok", value: null })
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("are so many at a time, and no more", () =>
    Effect.gen(function*() {
      const { answered, ask, create, request } = yield* connect()
      yield* request({ method: "open" })
      const cellId = made(yield* create())
      const waiting = Array.from({ length: 4097 }, () => ask({ method: "awaitSettled", cellId }))
      assert.deepStrictEqual<unknown>(yield* answered(waiting.at(-1)!), {
        status: "refused",
        message: "code-mode host has too many in-flight requests"
      })
      const fewer = ask({ method: "cells" })
      assert.strictEqual((yield* answered(fewer)).status, "refused")
    }).pipe(Effect.provide(Isolate.layerTest)))
})
