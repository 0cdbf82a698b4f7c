/**
 * The host of the conformance cases: a delegate with tools of every kind, which remembers what it was asked.
 */
import * as Delegate from "effect-code-mode/Delegate"
import { type NestedToolCall, type Notification, ToolError } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Reception } from "./Case.ts"

/** Something the host was asked, and the answer to it where the host holds it. */
export interface Asked<in out A, in out B> {
  readonly value: A
  readonly answer: Deferred.Deferred<B>
}

type Record<A, B> = SubscriptionRef.SubscriptionRef<ReadonlyArray<Asked<A, B>>>

export interface Host {
  readonly delegate: Layer.Layer<Delegate.Delegate>
  readonly calls: Record<NestedToolCall, Schema.Json>
  readonly notifications: Record<Notification, void>
  /** How many callbacks were cancelled while they were held. */
  readonly interrupted: () => number
}

const number = (input: Schema.Json, key: string, otherwise: number): number => {
  const value = Object(input)[key]
  return typeof value === "number" ? value : otherwise
}

const fail = (text: string) => Effect.fail(new ToolError({ text }))

/** The tools that answer by themselves. */
const tools: { readonly [name: string]: (input: Schema.Json) => Effect.Effect<Schema.Json, ToolError> } = {
  echo: (input) => Effect.succeed(input),
  free: (input) => Effect.succeed(`free:${typeof input}:${JSON.stringify(input)}`),
  slow: (input) => {
    const waited = number(input, "ms", 20)
    return Effect.as(Effect.sleep(waited), { waited })
  },
  big: (input) => Effect.succeed("x".repeat(number(input, "n", 1000))),
  str: () => Effect.succeed("a string"),
  num: () => Effect.succeed(42),
  nul: () => Effect.succeed(null),
  bool: () => Effect.succeed(true),
  arr: () => Effect.succeed([1, "two", null]),
  deep: () => Effect.succeed({ a: { b: { c: [1, 2, { d: "e" }] } } }),
  mcp: () =>
    Effect.succeed({
      content: [{ type: "text", text: "from mcp" }, { type: "image", data: "AAAA", mimeType: "image/png" }],
      isError: false,
      structuredContent: { n: 1 }
    }),
  mcperr: () => Effect.succeed({ content: [{ type: "text", text: "bad" }], isError: true }),
  fail: () => fail("boom"),
  emptyerr: () => fail("")
}

const record = Effect.fnUntraced(function*<A, B>(self: Record<A, B>, value: A) {
  const answer = yield* Deferred.make<B>()
  yield* SubscriptionRef.update(self, (all) => [...all, { value, answer }])
  return answer
})

/** Waits until at least `count` of a kind were asked, and gives the last of them. */
export const seen = <A, B>(
  self: Record<A, B>,
  count: number,
  kind: (value: A) => boolean = () => true
): Effect.Effect<Asked<A, B>> =>
  SubscriptionRef.changes(self).pipe(
    Stream.map((all) => all.filter((asked) => kind(asked.value))),
    Stream.filter((asked) => asked.length >= count),
    Stream.map((asked) => asked.at(-1)!),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

export const make = Effect.fn("Host.make")(function*(reception: Reception) {
  const calls: Host["calls"] = yield* SubscriptionRef.make<ReadonlyArray<Asked<NestedToolCall, Schema.Json>>>([])
  const notifications: Host["notifications"] = yield* SubscriptionRef.make<ReadonlyArray<Asked<Notification, void>>>([])
  let counted = 0
  let interrupted = 0

  const hold = <A>(answer: Deferred.Deferred<A>, manners: "polite" | "deaf") =>
    manners === "deaf"
      ? Effect.uninterruptible(Deferred.await(answer))
      : Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => interrupted++))

  const invokeTool = Effect.fnUntraced(function*(call: NestedToolCall) {
    const answer = yield* record(calls, call)
    const { name } = call.toolName
    switch (name) {
      case "hold":
        return yield* hold(answer, "deaf")
      case "polite":
        return yield* hold(answer, "polite")
      case "count":
        return ++counted
      default:
        return yield* tools[name]?.(call.input ?? null) ?? fail(`no such tool ${name}`)
    }
  })

  const notify = Effect.fnUntraced(function*(notification: Notification) {
    const answer = yield* record(notifications, notification)
    if (reception !== "prompt") yield* hold(answer, reception)
  })

  const host: Host = {
    delegate: Delegate.layer({ invokeTool, notify }),
    calls,
    notifications,
    interrupted: () => interrupted
  }
  return host
})
