/** A host whose tools do what a test says, when it says so. */
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"

/** How a callback takes its cancellation. */
export type Manners = "cooperative" | "deaf"

export interface ScriptedHost {
  readonly layer: Layer.Layer<Delegate.Delegate>
  /** Tool definitions by name, for requests. */
  readonly tools: ReadonlyArray<Protocol.ToolDefinition>
  /** Waits until `block` or `deaf` has been called this many times. */
  readonly called: (times: number) => Effect.Effect<void>
  /** Answers the call with this number, counted from 1 over all calls of `block` and `deaf`. */
  readonly release: (call: number, value?: Schema.Json) => Effect.Effect<void>
  /** Waits until this many notifications have begun to be delivered. */
  readonly notified: (times: number) => Effect.Effect<void>
  /** Delivers every notification that waits and every later one. */
  readonly deliver: Effect.Effect<void>
  /** Texts of the notifications so far. */
  readonly notifications: ReadonlyArray<string>
  /** Waits until this many callbacks have been cancelled. */
  readonly cancelled: (times: number) => Effect.Effect<void>
  readonly cancelledCount: () => number
}

/** A number that can be waited for. */
const makeCounter = () => {
  let value = 0
  const waiters = new Map<number, Deferred.Deferred<void>>()
  const waiter = (times: number) => {
    const existing = waiters.get(times)
    if (existing !== undefined) {
      return existing
    }
    const made = Deferred.makeUnsafe<void>()
    waiters.set(times, made)
    return made
  }
  return {
    value: () => value,
    count: () => {
      value++
      Deferred.doneUnsafe(waiter(value), Effect.void)
    },
    reached: (times: number) => Effect.suspend(() => value >= times ? Effect.void : Deferred.await(waiter(times)))
  }
}

const definition = (name: string): Protocol.ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description: `tool ${name}`,
  kind: "function"
})

/**
 * Tools: `echo` answers with its argument, `fail` with an error, `panic` dies, `block` waits for `release`, `deaf` waits
 * for it too and ignores its cancellation. Notifications are delivered at once unless `notifications` says otherwise.
 */
export const make = (options?: { readonly notifications?: Manners | "panic" }): ScriptedHost => {
  const calls = makeCounter()
  const notified = makeCounter()
  const cancelled = makeCounter()
  const gates = new Map<number, Deferred.Deferred<Schema.Json>>()
  const delivery = Deferred.makeUnsafe<void>()
  const notifications: Array<string> = []

  const gate = (call: number) => {
    const made = gates.get(call) ?? Deferred.makeUnsafe<Schema.Json>()
    gates.set(call, made)
    return made
  }

  const held = <A>(effect: Effect.Effect<A>, manners: Manners) =>
    manners === "deaf"
      ? Effect.uninterruptible(effect)
      : Effect.onInterrupt(effect, () => Effect.sync(() => cancelled.count()))

  const block = (manners: Manners) =>
    // Counted within, so that whoever waits for the call finds it deaf already.
    held(
      Effect.suspend(() => {
        calls.count()
        return Deferred.await(gate(calls.value()))
      }),
      manners
    )

  const tools: Record<string, (input: Schema.Json) => Effect.Effect<Schema.Json, Protocol.ToolError>> = {
    echo: (input) => Effect.succeed(input),
    fail: () => Effect.fail(new Protocol.ToolError({ text: "boom" })),
    panic: () => Effect.die(new Error("a bug of the tool")),
    block: () => block("cooperative"),
    deaf: () => block("deaf")
  }
  const definitions = Object.keys(tools).map(definition)

  return {
    layer: Delegate.layer({
      tools: definitions,
      invokeTool: (call) => tools[call.toolName.name]!(call.input ?? null),
      notify: ({ text }) => {
        const begin = Effect.sync(() => {
          notifications.push(text)
          notified.count()
        })
        switch (options?.notifications) {
          case undefined:
            return begin
          case "panic":
            return Effect.andThen(begin, Effect.die(new Error("a bug of the host")))
          case "cooperative":
          case "deaf":
            return held(Effect.andThen(begin, Deferred.await(delivery)), options.notifications)
        }
      }
    }),
    tools: definitions,
    called: calls.reached,
    release: (call, value = null) => Effect.asVoid(Deferred.succeed(gate(call), value)),
    notified: notified.reached,
    deliver: Effect.asVoid(Deferred.succeed(delivery, undefined)),
    notifications,
    cancelled: cancelled.reached,
    cancelledCount: cancelled.value
  }
}
