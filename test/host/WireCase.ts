/**
 * Cases of the wire protocol as data: what a client sends, and what it hears.
 *
 * Answers are written in the few words of `Client.say`: `["Result", "output", "! error"]`.
 */
import { assert } from "@effect/vitest"
import * as Host from "effect-code-mode/Host"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { duplexPair } from "node:stream"
import { Client, say, type Told } from "./Client.ts"

/** A text, or what it has to look like. */
const Text = Schema.Union([Schema.String, Schema.Struct({ matches: Schema.String })])
type Text = typeof Text.Type

const Expected = Schema.Array(Text)
type Expected = typeof Expected.Type

/**
 * One thing a client does, or looks at.
 *
 * - `Execute` waits for the initial response where it is told what to expect, and else for the start alone.
 * - `BeginWait` sends a wait whose answer `Answer` looks at.
 * - `AnswerToolCall` answers the latest call of a tool. Calls of `echo` are answered by themselves.
 * - `Said` are the types of all messages so far, `Closed` the cells that closed, `Cancelled` the callbacks cancelled.
 * - `End` waits until the host has ended the connection, with this error or with none.
 */
export const Step = Schema.TaggedUnion({
  Send: { message: Schema.Json },
  Bytes: { hex: Schema.String },
  Request: { request: Schema.Json, expected: Expected },
  Execute: {
    /** The name under which later steps know the cell. */
    cell: Schema.optionalKey(Schema.String),
    /** The id that the host is to give it. */
    id: Schema.optionalKey(Schema.String),
    session: Schema.optionalKey(Schema.String),
    source: Schema.String,
    tools: Schema.optionalKey(Schema.Array(Schema.String)),
    yieldTime: Schema.optionalKey(Schema.NullOr(Schema.Int)),
    maxOutputTokens: Schema.optionalKey(Schema.Int),
    expected: Schema.optionalKey(Expected)
  },
  Initial: { cell: Schema.String, expected: Expected },
  Wait: { cell: Schema.String, yieldTime: Schema.optionalKey(Schema.Int), expected: Expected },
  BeginWait: { name: Schema.String, cell: Schema.String, yieldTime: Schema.optionalKey(Schema.Int) },
  Answer: { of: Schema.String, expected: Expected },
  Terminate: { cell: Schema.String, session: Schema.optionalKey(Schema.String), expected: Expected },
  Yield: { cell: Schema.String },
  AwaitToolCalls: { tool: Schema.String, count: Schema.Int },
  AnswerToolCall: { tool: Schema.String, value: Schema.Json },
  Said: { expected: Schema.Array(Schema.String) },
  Closed: { expected: Schema.Array(Schema.String) },
  Cancelled: { expected: Schema.Int },
  End: { error: Schema.optionalKey(Text) }
})
export type Step = typeof Step.Type

export const WireCase = Schema.Struct({
  name: Schema.String,
  /** What the greeting differs in, or that there is none. */
  hello: Schema.optionalKey(Schema.NullOr(Schema.Struct({
    versions: Schema.optionalKey(Schema.Array(Schema.Int)),
    required: Schema.optionalKey(Schema.Array(Schema.String)),
    optional: Schema.optionalKey(Schema.Array(Schema.String))
  }))),
  greeting: Schema.optionalKey(Schema.Json),
  /** What opening the session `s1` has beside its id, or that it is not opened. */
  open: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  steps: Schema.Array(Step)
})
export type WireCase = typeof WireCase.Type

export const WireCases = Schema.fromJsonString(Schema.Array(WireCase))

const fits = (expected: Text, seen: unknown): boolean =>
  typeof expected === "string" ? expected === seen : new RegExp(expected.matches, "iu").test(String(seen))

const check = (seen: ReadonlyArray<unknown>, expected: Expected) =>
  assert.deepStrictEqual(
    seen,
    expected.map((text, index) => fits(text, seen[index]) ? seen[index] : text)
  )

/** Plays one case on a host of its own; it dies where something else is seen than was expected. */
export const run = Effect.fn("WireCase.run")(function*(self: WireCase) {
  const [hostSide, clientSide] = duplexPair()
  const serving = yield* Host.serve({ input: hostSide, output: hostSide }).pipe(
    Effect.ensuring(Effect.sync(() => hostSide.end())),
    Effect.exit,
    Effect.forkScoped({ startImmediately: true })
  )
  const client = new Client(clientSide, clientSide)
  const cells = new Map<string, { readonly id: number; readonly cellId: string }>()
  const waits = new Map<string, number>()
  const cellId = (name: string) => cells.get(name)?.cellId ?? name

  const callsOf = (tool: string) => (message: Told<"delegate/request">) =>
    message.request.type === "tool/invoke" && message.request.invocation.tool_name.name === tool

  const awaitCalls = (tool: string, count: number) =>
    client.heard(
      (message): message is Told<"delegate/request"> => message.type === "delegate/request" && callsOf(tool)(message),
      count
    )

  /** Everything the host says of what it was sent so far, of which so much is known. */
  const heard = Effect.fnUntraced(function*(type: "cell/closed" | "delegate/cancel", count: number) {
    if (count > 0) yield* client.heardType(type, count)
    const barrier = client.ask({ method: "session/shutdown", sessionId: "nobody" })
    yield* Effect.raceFirst(client.left, client.answer(barrier))
    return client.told.filter((message) => message.type !== "operation/response" || message.id !== barrier)
  })

  const echo: Effect.Effect<never> = Effect.gen(function*() {
    for (let count = 1;; count++) {
      const { id, request } = yield* awaitCalls("echo", count)
      client.respond(id, request.type === "tool/invoke" ? request.invocation.input : null)
    }
  })

  const play = Effect.fnUntraced(function*(step: Step) {
    switch (step._tag) {
      case "Send":
        return client.send(step.message)
      case "Bytes":
        return client.write(Buffer.from(step.hex, "hex"))
      case "Request":
        return check(say(yield* client.request(step.request)), step.expected)
      case "Execute": {
        const id = client.askExecute(step.source, { ...step, session: step.session ?? "s1" })
        const started = yield* client.answer(id)
        if (started.status !== "ok" || started.value.type !== "execution/started") {
          return check(say(started), step.expected ?? [])
        }
        if (step.id !== undefined) assert.strictEqual(started.value.cellId, step.id)
        if (step.cell !== undefined) cells.set(step.cell, { id, cellId: started.value.cellId })
        return step.expected === undefined ? undefined : check(say(yield* client.initial(id)), step.expected)
      }
      case "Initial":
        return check(say(yield* client.initial(cells.get(step.cell)!.id)), step.expected)
      case "Wait":
        return check(say(yield* client.wait(cellId(step.cell), step.yieldTime, "s1")), step.expected)
      case "BeginWait":
        return void waits.set(step.name, client.askWait(cellId(step.cell), step.yieldTime, "s1"))
      case "Answer":
        return check(say(yield* client.answer(waits.get(step.of)!)), step.expected)
      case "Terminate":
        return check(say(yield* client.terminate(cellId(step.cell), step.session ?? "s1")), step.expected)
      case "Yield":
        return client.send({ type: "operation/yield", id: cells.get(step.cell)!.id })
      case "AwaitToolCalls":
        return void (yield* awaitCalls(step.tool, step.count))
      case "AnswerToolCall": {
        yield* awaitCalls(step.tool, 1)
        const latest = client.told.findLast((message) =>
          message.type === "delegate/request" && callsOf(step.tool)(message)
        ) as Told<"delegate/request">
        return client.respond(latest.id, step.value)
      }
      case "Said": {
        const closed = step.expected.filter((type) => type === "cell/closed").length
        const messages = yield* heard("cell/closed", closed)
        return assert.deepStrictEqual(messages.map(({ type }) => type), step.expected)
      }
      case "Closed": {
        const messages = yield* heard("cell/closed", step.expected.length)
        const closed = messages.flatMap((message) => message.type === "cell/closed" ? [message.cellId] : [])
        return assert.deepStrictEqual(closed, step.expected)
      }
      case "Cancelled": {
        const messages = yield* heard("delegate/cancel", step.expected)
        return assert.lengthOf(messages.filter(({ type }) => type === "delegate/cancel"), step.expected)
      }
      case "End": {
        const exit = yield* Fiber.join(serving)
        if (step.error === undefined) {
          return assert.deepStrictEqual(exit, Exit.void)
        }
        assert.isTrue(Exit.isFailure(exit))
        return check([Exit.isFailure(exit) ? (Cause.squash(exit.cause) as Error).message : ""], [step.error])
      }
    }
  })

  if (self.hello !== null) {
    const greeting = yield* client.hello(self.hello).pipe(Effect.catchDefect(() => Effect.succeed(undefined)))
    if (self.greeting !== undefined) assert.deepStrictEqual<unknown>(greeting, self.greeting)
    if (self.open !== null) assert.strictEqual((yield* client.open("s1", self.open)).status, "ok")
  }
  yield* Effect.forkScoped(echo)
  yield* Effect.forEach(self.steps, play, { discard: true })
})
