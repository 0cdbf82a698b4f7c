/**
 * The delegate of a session whose client has subscribed to tool calls: each goes to one of those whose filters it fits, in
 * turn, and is completed by a request of its own.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { Remembered } from "../../data/Remembered.ts"
import type { Delegate } from "../../Delegate.ts"
import { type NestedToolCall, NotifyError, ToolError } from "../../Protocol.ts"
import type * as Protobuf from "../../wire/grpc/Protobuf.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { Feed } from "./Feed.ts"

export type Event = Protobuf.Input<Service.SessionEvent>

interface Subscription {
  readonly filters: ReadonlyArray<Service.ToolName>
  readonly calls: Feed<Protobuf.Input<Service.ToolCall>>
  readonly pending: Set<string>
}

interface Execution {
  readonly id: string
  sequence: number
}

/** A message has fields beside the one that is long. */
const otherBytes = 4096

const maxSubscriptions = 128
const maxRemembered = 4096

/** Tools that are in no namespace are in this one, too. */
const commonNamespace = "functions"

const namespaceOf = (name: Service.ToolName) => name.namespace ?? commonNamespace

interface Options {
  readonly sessionId: string
  readonly events: Feed<Event>
  readonly maxMessageBytes: number
  /** Tool calls that may be unanswered. Further ones fail. */
  readonly maxPending: number
}

export class ToolCalls {
  private readonly options: Options
  private readonly executions = new Map<string, Execution>()
  private readonly subscriptions: Array<Subscription> = []
  private readonly pending = new Map<string, (result: Effect.Effect<Schema.Json, ToolError>) => void>()
  private readonly ended = new Remembered<string>(maxRemembered)
  private turn = 0

  constructor(options: Options) {
    this.options = options
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  /** From now on the client knows the cell. */
  started(cellId: string, executionId: string): void {
    this.executions.set(cellId, { id: executionId, sequence: 0 })
  }

  /** Nothing is said of the cell any more. */
  closed(cellId: string): void {
    const execution = this.executions.get(cellId)
    if (execution !== undefined) {
      this.executions.delete(cellId)
      this.options.events.offer({
        cell_closed: {
          execution_id: execution.id,
          cell_id: cellId,
          final_tool_call_sequence: execution.sequence
        }
      })
    }
  }

  // ---------------------------------------------------------------------------
  // Subscriptions
  // ---------------------------------------------------------------------------

  /** Undefined if there are too many. */
  subscribe(filters: ReadonlyArray<Service.ToolName>): Subscription | undefined {
    if (this.subscriptions.length >= maxSubscriptions) {
      return undefined
    }
    const subscription: Subscription = { filters, calls: new Feed(), pending: new Set() }
    this.subscriptions.push(subscription)
    return subscription
  }

  /** Gives whether calls are left that no other subscriber will answer. */
  unsubscribe(subscription: Subscription): boolean {
    this.subscriptions.splice(this.subscriptions.indexOf(subscription), 1)
    return subscription.pending.size > 0
  }

  /** No subscriber is told of a call any more. */
  end(): void {
    this.subscriptions.forEach(({ calls }) => calls.end())
  }

  private choose(name: NestedToolCall["toolName"]): Subscription | undefined {
    const fitting = this.subscriptions.filter(({ filters }) =>
      filters.length === 0
      || filters.some((filter) =>
        filter.name === name.name && namespaceOf(filter) === (name.namespace ?? commonNamespace)
      )
    )
    return fitting.length === 0 ? undefined : fitting[this.turn++ % fitting.length]
  }

  // ---------------------------------------------------------------------------
  // The delegate
  // ---------------------------------------------------------------------------

  delegate(announced: (cellId: string) => Effect.Effect<void>): Delegate["Service"] {
    return {
      tools: [],
      invokeTool: (call) => Effect.andThen(announced(call.cellId), this.invoke(call)),
      notify: (notification) => Effect.andThen(announced(notification.cellId), this.notify(notification))
    }
  }

  /** The answer of the client. False if there never was such a call; one that comes late changes nothing. */
  complete(invocationId: string, result: Effect.Effect<Schema.Json, ToolError>): boolean {
    const resume = this.pending.get(invocationId)
    resume?.(result)
    return resume !== undefined || this.ended.has(invocationId)
  }

  private invoke(call: NestedToolCall): Effect.Effect<Schema.Json, ToolError> {
    return Effect.callback((resume) => {
      const { events, maxMessageBytes, maxPending, sessionId } = this.options
      const fail = (text: string) => resume(Effect.fail(new ToolError({ text })))
      const subscription = this.choose(call.toolName)
      if (subscription === undefined) {
        return fail("no code-mode tool subscription matches the requested tool")
      }
      if (this.pending.size >= maxPending) {
        return fail("code-mode session has too many pending delegate calls")
      }
      const input = call.input === undefined ? undefined : Buffer.from(JSON.stringify(call.input))
      if (input !== undefined && input.length + otherBytes > maxMessageBytes) {
        return fail(`the argument has ${input.length} bytes, and a message at most ${maxMessageBytes}`)
      }
      const execution = this.executions.get(call.cellId)
      if (execution === undefined) {
        return fail("code mode delegate request cancelled")
      }
      const id = randomUUID()
      const forget = () => {
        this.pending.delete(id)
        subscription.pending.delete(id)
        this.ended.set(id, true)
      }
      this.pending.set(id, (result) => {
        forget()
        resume(result)
      })
      subscription.pending.add(id)
      subscription.calls.offer({
        session_id: sessionId,
        execution_id: execution.id,
        cell_id: call.cellId,
        invocation_id: id,
        runtime_tool_call_id: call.toolCallId,
        tool_name: { name: call.toolName.name, namespace: call.toolName.namespace ?? undefined },
        tool_kind: Service.ToolKind.indexOf(call.kind),
        input_json: input,
        sequence: ++execution.sequence
      })
      return Effect.sync(() => {
        forget()
        events.offer({ tool_call_cancelled: { invocation_id: id } })
      })
    })
  }

  /** It counts as delivered once it was sent: the client does not have to say so. */
  private notify(
    { callId, cellId, text }: Parameters<Delegate["Service"]["notify"]>[0]
  ): Effect.Effect<void, NotifyError> {
    return Effect.callback((resume) => {
      const { events, maxMessageBytes } = this.options
      const length = Buffer.byteLength(text)
      if (length + otherBytes > maxMessageBytes) {
        return resume(Effect.fail(
          new NotifyError({ text: `the notification has ${length} bytes, and a message at most ${maxMessageBytes}` })
        ))
      }
      const takeBack = events.offer({
        notification: {
          notification_id: randomUUID(),
          execution_id: this.executions.get(cellId)?.id,
          cell_id: cellId,
          call_id: callId,
          text
        }
      }, () => resume(Effect.void))
      return Effect.sync(takeBack)
    })
  }
}
