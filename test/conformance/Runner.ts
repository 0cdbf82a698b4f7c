/**
 * Plays a conformance case on a driver.
 */
import { assert } from "@effect/vitest"
import type { CellId, ObserveOutcome, OutputItem, ToolDefinition } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Case, Expected, Item, OfferedTool, Request, Step, Text } from "./Case.ts"
import type { Cell, Driver, Session } from "./Driver.ts"
import * as Host from "./Host.ts"

/** What was expected, with a pattern that fits replaced by what it fits. */
const fillText = (expected: Text | undefined, seen: string | undefined) =>
  typeof expected === "object" && seen !== undefined && new RegExp(expected.matches, "u").test(seen) ? seen : expected

const fillItem = (expected: Item, seen: OutputItem | undefined) =>
  typeof expected === "object" && "type" in expected
    ? expected
    : { type: "input_text", text: fillText(expected, seen?.type === "input_text" ? seen.text : undefined) }

const check = (seen: ObserveOutcome, expected: Expected) => {
  const items = seen._tag === "Missing" ? [] : seen.items
  const error = seen._tag === "Completed" ? seen.error?.text : undefined
  assert.deepStrictEqual<unknown>({ _tag: seen._tag, items, error }, {
    _tag: expected._tag,
    items: (expected.items ?? []).map((item, index) => fillItem(item, items[index])),
    error: fillText(expected.error, error)
  })
}

const definition = (tool: OfferedTool): ToolDefinition => {
  const offered = typeof tool === "string" ? { name: tool, description: `tool ${tool}` } : tool
  return { description: "", kind: "function", toolName: { name: offered.name, namespace: null }, ...offered }
}

const sourceOf = ({ padding = 0, source }: Request) => padding === 0 ? source : `/*${"-".repeat(padding)}*/ ${source}`

/** Plays one case; it dies where something else is seen than was expected. */
export const run = Effect.fn("Conformance.run")(function*<R>(self: Case, driver: Driver<R>) {
  const host = yield* Host.make(self.notifications ?? "prompt")
  const sessions = new Map<string, Session>()
  const cells = new Map<string, Cell>()
  const numbers = new Map<CellId, number>()

  const open = Effect.fnUntraced(function*(name: string) {
    const session = yield* driver(host.delegate)
    sessions.set(name, session)
    return session
  })

  const execute = Effect.fnUntraced(function*(request: Request) {
    const name = request.session ?? "main"
    const session = sessions.get(name) ?? (yield* open(name))
    const cell = yield* session.execute({
      callId: request.toolCallId ?? "call-1",
      source: sourceOf(request),
      tools: (request.tools ?? []).map(definition)
    }, request.yieldAfter)
    numbers.set(cell.id, numbers.size + 1)
    // In a fiber of its own: later steps are taken while somebody observes the cell.
    const observing = yield* Effect.forkScoped(cell.initial, { startImmediately: true })
    const known: Cell = { ...cell, initial: Fiber.join(observing) }
    if (request.cell !== undefined) cells.set(request.cell, known)
    return known
  })

  const play = Effect.fnUntraced(function*(step: Step) {
    switch (step._tag) {
      case "Run": {
        const cell = yield* execute(step)
        return check(yield* cell.initial, step.expected)
      }
      case "Start":
        return void (yield* execute(step))
      case "Initial":
        return check(yield* cells.get(step.cell)!.initial, step.expected)
      case "Observe":
        return check(yield* cells.get(step.cell)!.observe(step.yieldAfter), step.expected)
      case "Terminate":
        return check(yield* cells.get(step.cell)!.terminate, step.expected)
      case "Shutdown":
        return yield* Effect.forEach(sessions.values(), (session) => session.shutdown, { discard: true })
      case "AwaitToolCalls":
        return void (yield* Host.seen(host.calls, step.count, (call) => call.toolName.name === step.tool))
      case "AwaitNotifications":
        return void (yield* Host.seen(host.notifications, step.count))
      case "AwaitOutput":
        return yield* cells.get(step.cell)!.awaitOutput(step.count)
      case "AnswerToolCall": {
        const { answer } = yield* Host.seen(host.calls, 1, (call) => call.toolName.name === step.tool)
        return void (yield* Deferred.succeed(answer, step.value))
      }
      case "AcceptNotification": {
        const { answer } = yield* Host.seen(host.notifications, 1)
        return void (yield* Deferred.succeed(answer, undefined))
      }
      case "ToolCalls": {
        const calls = SubscriptionRef.getUnsafe(host.calls).map(({ value }) => ({
          cell: numbers.get(value.cellId),
          toolCallId: value.toolCallId,
          toolName: value.toolName,
          kind: value.kind,
          input: value.input ?? null
        }))
        return assert.deepStrictEqual<unknown>(calls, step.expected)
      }
      case "Notifications": {
        const notifications = SubscriptionRef.getUnsafe(host.notifications).map(({ value }) => ({
          cell: numbers.get(value.cellId),
          callId: value.callId,
          text: value.text
        }))
        return assert.deepStrictEqual<unknown>(notifications, step.expected)
      }
      case "Interrupted":
        return assert.strictEqual(host.interrupted(), step.expected)
    }
  })

  yield* Effect.forEach(self.steps, play, { discard: true })
})
