/** A session over a played engine, for tests of everything that is not JavaScript. */
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"

export const toolCallId = (id: string) => Protocol.ToolCallId.make(id)

export const toolDefinition = (name: string): Protocol.ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description: "",
  kind: "function"
})

export const request = (overrides?: Partial<Protocol.CellRequest>): Protocol.CellRequest => ({
  callId: "call-1",
  source: "",
  ...overrides
})

/** What a played isolate says. */
export const started: Isolate.IsolateEvent = { _tag: "Started" }
export const text = (value: string): Protocol.OutputItem => ({ type: "input_text", text: value })
export const output = (...texts: ReadonlyArray<string>): Isolate.IsolateEvent => ({
  _tag: "Output",
  items: texts.map(text)
})
export const notify = (value: string): Isolate.IsolateEvent => ({ _tag: "Notify", text: value })
export const calls = (...ids: ReadonlyArray<string>): Isolate.IsolateEvent => ({
  _tag: "ToolCalls",
  calls: ids.map((id) => ({ id: toolCallId(id), tool: 0 }))
})
export const yieldRequested: Isolate.IsolateEvent = { _tag: "YieldRequested" }
export const frontier = (...pending: ReadonlyArray<string>): Isolate.IsolateEvent => ({
  _tag: "Frontier",
  pendingToolCalls: pending.map((id) => toolCallId(id)),
  timers: 0
})
export const finished = (options?: {
  readonly stored?: ReadonlyArray<readonly [string, string]>
  readonly error?: string
}): Isolate.IsolateEvent => ({
  _tag: "Finished",
  stored: options?.stored ?? [],
  ...(options?.error === undefined ? {} : { error: { _tag: "ScriptError", text: options.error } })
})

/** A session whose isolates the test plays. Cell ids are `1`, `2`, … */
export const layer = (options?: {
  readonly invokeTool?: (call: Protocol.NestedToolCall) => Effect.Effect<Schema.Json, Protocol.ToolError>
  readonly notify?: (notification: Protocol.Notification) => Effect.Effect<void, Protocol.NotifyError>
  readonly limits?: Protocol.LimitsInput
  readonly storedValues?: Readonly<Record<string, Schema.Json>>
  readonly sessionId?: string
  readonly unreadOutput?: "fail" | "wait"
}) =>
  Runtime.layer({
    limits: options?.limits,
    cellIds: "sequential",
    sessionId: options?.sessionId,
    unreadOutput: options?.unreadOutput,
    storedValues: options?.storedValues
  }).pipe(
    Layer.provide(Delegate.layer({
      tools: [toolDefinition("tool")],
      invokeTool: options?.invokeTool ?? (() => Effect.never),
      notify: options?.notify
    })),
    Layer.provideMerge(Isolate.layerTest)
  )

/** Makes a cell and gives it with the isolate to play. */
export const makeCell = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const isolates = yield* Isolate.TestIsolates
  const cell = yield* session.create(request())
  const isolate = yield* isolates.next
  yield* isolate.emit(started)
  return { session, cell, isolate }
})

/** The texts of an event. */
export const texts = (event: { readonly items: ReadonlyArray<Protocol.OutputItem> }) =>
  event.items.map((item) => item.type === "input_text" ? item.text : item.type)
