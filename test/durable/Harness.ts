/** Durable sessions over a store that can be killed, and a host whose effects outlive them. */
import * as Delegate from "effect-code-mode/Delegate"
import type { Isolate } from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"

/** When the process that uses a store ends: at which of its appends, and whether that one is kept. */
export interface Kill {
  readonly at: number
  readonly isKept: boolean
}

/** A store as one process sees it. From the kill on nothing it asks for is done. */
export const killable = (store: Store.Store["Service"], kill: Kill | undefined) => {
  const killed = Deferred.makeUnsafe<void>()
  let appends = 0
  let isDead = false
  const fenced = Effect.fail(new Protocol.Fenced({ session: "killed", epoch: Protocol.Epoch.make(0) }))
  return {
    killed: Deferred.await(killed),
    appends: () => appends,
    store: Store.Store.of({
      ...store,
      release: (session, epoch) => Effect.suspend(() => isDead ? Effect.void : store.release(session, epoch)),
      renew: (session, epoch, lease) => Effect.suspend(() => isDead ? fenced : store.renew(session, epoch, lease)),
      append: (session, epoch, records, options) =>
        Effect.suspend(() => {
          if (isDead) {
            return fenced
          }
          if (++appends !== kill?.at) {
            return store.append(session, epoch, records, options)
          }
          isDead = true
          Deferred.doneUnsafe(killed, Effect.void)
          return Effect.andThen(kill.isKept ? store.append(session, epoch, records, options) : Effect.void, fenced)
        })
    })
  }
}

/** What was done in the world, over all processes. */
export interface World {
  readonly performed: Array<{ readonly tool: string; readonly key: string; readonly attempt: number }>
  readonly notified: Array<{ readonly sequence: number | undefined; readonly text: string }>
  readonly layer: Layer.Layer<Delegate.Delegate>
  /** Waits until so many calls were made. */
  readonly called: (count: number) => Effect.Effect<void>
}

type Perform = (call: Protocol.NestedToolCall) => Effect.Effect<Schema.Json, Protocol.ToolError>

const echo: Perform = ({ input, tool }) => Effect.succeed({ [tool]: input ?? null })

/** `once` must not be performed twice, `again` may be. Others are those that a test brings, and may be, too. */
export const makeWorld = (others: Readonly<Record<string, Perform>> = {}): World => {
  const performed: Array<World["performed"][number]> = []
  const notified: Array<World["notified"][number]> = []
  const tools: Readonly<Record<string, Perform>> = { once: echo, again: echo, ...others }
  return {
    performed,
    notified,
    called: (count) => until(() => performed.length >= count),
    layer: Delegate.layer({
      tools: Object.keys(tools).map((name) => ({
        name,
        toolName: { name, namespace: null },
        description: name,
        kind: "function",
        annotations: { onRestart: name === "once" ? "fail" : "retry" }
      })),
      invokeTool: (call) =>
        Effect.suspend(() => {
          performed.push({ tool: call.tool, key: call.idempotencyKey, attempt: call.attempt })
          return tools[call.tool]!(call)
        }),
      notify: ({ sequence, text }) => Effect.sync(() => void notified.push({ sequence, text }))
    })
  }
}

/** Waits for something that no event tells of. */
export const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) {
      yield* Effect.sleep(5)
    }
  }).pipe(Effect.timeout("20 seconds"), Effect.orDie)

/** Opens a session as a process of its own would. It is closed with the scope. */
export const open = Effect.fnUntraced(function*(
  store: Store.Store["Service"],
  world: World,
  engine: Layer.Layer<Isolate>,
  options?: Partial<Runtime.DurableOptions>
) {
  const scope = yield* Effect.scope
  const layer = Layer.fresh(Runtime.layerDurable({ session: "s", lease: 0, ...options })).pipe(
    Layer.provide([world.layer, engine, Layer.succeed(Store.Store, store)])
  )
  return Context.get(yield* Layer.buildWithScope(layer, scope), Runtime.SessionRuntime)
})

export const textsOf = ({ items }: { readonly items: ReadonlyArray<Protocol.OutputItem> }) =>
  items.map((item) => item.type === "input_text" ? item.text : item.type)
