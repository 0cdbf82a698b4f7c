/** Speaks to a host over gRPC for who speaks version 1 of the framed wire: as much of it as `Version1` does. */
import type { Delegate } from "effect-code-mode/Delegate"
import { CellId, type OutputItem } from "effect-code-mode/Protocol"
import type * as Service from "effect-code-mode/wire/grpc/Service"
import type * as Message from "effect-code-mode/wire/Message"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Call, Client as GrpcClient, Session } from "../grpc/Client.ts"
import { tool } from "../grpc/Client.ts"
import { type Answer, type ExecuteOptions, patient, type Response } from "../host/Client.ts"
import { toolCall } from "../toolCall.ts"

const toItem = ({ audio, image, text }: Service.ExecutionOutcome["content_items"][number]): OutputItem =>
  text !== undefined
    ? { type: "input_text", text: text.text }
    : image !== undefined
    ? { type: "input_image", image_url: image.image_url }
    : { type: "input_audio", audio_url: audio!.audio_url }

const toResponse = (outcome: Service.ExecutionOutcome): Message.CellResponse => {
  const said = { cell_id: outcome.cell_id, content_items: outcome.content_items.map(toItem) }
  return outcome.completed !== undefined
    ? { Result: { ...said, error_text: outcome.completed.error_text ?? null } }
    : outcome.yielded !== undefined
    ? { Yielded: said }
    : { Terminated: said }
}

const failed = (message: string) => ({ status: "error" as const, message })

export class OverGrpc {
  private readonly client: GrpcClient
  private session: Session | undefined
  private delegate: Delegate["Service"] | undefined
  private lastId = 0
  private readonly executions = new Map<Message.MessageId, Call<Service.ExecuteEvent>>()
  private readonly observations = new Map<Message.MessageId, Call<Service.WaitResponse>>()
  private readonly callbacks = new Map<string, Fiber.Fiber<unknown>>()

  constructor(client: GrpcClient) {
    this.client = client
  }

  readonly serve = (delegate: Delegate["Service"]) => {
    this.delegate = delegate
  }

  readonly open = Effect.fnUntraced(function*(this: OverGrpc) {
    const session = this.session = yield* this.client.open({ max_pending_delegate_calls: 4096 })
    const calls = session.subscribe()
    yield* calls.begun
    yield* Effect.forkDetach(this.each(calls, (call) => this.invoke(session, call)))
    yield* Effect.forkDetach(this.each(session.lease, (event) => this.hear(event)))
  })

  private readonly each = Effect.fnUntraced(function*<A>(call: Call<A>, onMessage: (message: A) => void) {
    for (let heard = 0;; heard++) {
      const messages = yield* call.heard(heard + 1)
      if (messages.length <= heard) {
        return
      }
      onMessage(messages[heard]!)
    }
  })

  private invoke(session: Session, call: Service.ToolCall): void {
    const fiber = Effect.runFork(
      Effect.exit(this.delegate!.invokeTool(toolCall({
        name: call.tool_name!.name,
        namespace: call.tool_name!.namespace ?? null,
        cellId: CellId.make(call.cell_id),
        toolCallId: call.runtime_tool_call_id,
        input: call.input_json === undefined ? undefined : JSON.parse(Buffer.from(call.input_json).toString())
      }))).pipe(Effect.flatMap((exit) => {
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        return Exit.isSuccess(exit) ? session.complete(call.invocation_id, exit.value) : this.client.ask(
          "CompleteToolCall",
          {
            session_id: session.id,
            invocation_id: call.invocation_id,
            failed: { message: error instanceof Error ? error.message : String(error) }
          }
        )
      }))
    )
    this.callbacks.set(call.invocation_id, fiber)
    fiber.addObserver(() => this.callbacks.delete(call.invocation_id))
  }

  private hear({ notification, tool_call_cancelled }: Service.SessionEvent): void {
    if (notification !== undefined) {
      const { call_id: callId, cell_id, text } = notification
      Effect.runFork(this.delegate!.notify({ callId, cellId: CellId.make(cell_id), text }))
    }
    if (tool_call_cancelled !== undefined) {
      this.callbacks.get(tool_call_cancelled.invocation_id)?.interruptUnsafe()
    }
  }

  readonly askExecute = (source: string, options: ExecuteOptions = {}): number => {
    this.executions.set(
      ++this.lastId,
      this.session!.execute(source, {
        tool_call_id: options.callId ?? "call-1",
        enabled_tools: (options.tools ?? []).map((each) => tool(typeof each === "string" ? each : each.name)),
        yield_time_ms: options.yieldTime ?? undefined
      })
    )
    return this.lastId
  }

  readonly askWait = (cellId: string, yieldTime = patient): number => {
    const id = ++this.lastId
    const request = { session_id: this.session!.id, cell_id: cellId, wait_id: String(id), yield_time_ms: yieldTime }
    this.observations.set(id, this.client.start("Wait", request))
    return id
  }

  /** It ends a cell. */
  readonly ask = ({ cellId }: { readonly method: "session/terminate"; readonly cellId: string }): number => {
    const call = this.client.start("Terminate", { session_id: this.session!.id, cell_id: cellId })
    this.observations.set(++this.lastId, call)
    return this.lastId
  }

  /** It takes a wait back. */
  readonly send = ({ id }: { readonly type: "operation/cancel"; readonly id: Message.MessageId }): void => {
    this.client.start("CancelWait", { session_id: this.session!.id, wait_id: String(id) })
  }

  readonly answer = Effect.fnUntraced(
    function*(this: OverGrpc, id: Message.MessageId): Effect.fn.Return<Answer> {
      const execution = this.executions.get(id)
      if (execution !== undefined) {
        const [first] = yield* execution.heard(1)
        return first?.started === undefined
          ? failed((yield* execution.end).message)
          : { status: "ok", value: { type: "execution/started", cellId: first.started.cell_id } }
      }
      const observation = this.observations.get(id)!
      const { message } = yield* observation.end
      const [said] = observation.messages
      return said === undefined
        ? failed(message)
        : {
          status: "ok",
          value: {
            type: "wait/completed",
            outcome: said.live_cell === undefined
              ? { MissingCell: toResponse(said.missing_cell!) }
              : { LiveCell: toResponse(said.live_cell) }
          }
        }
    }
  )

  readonly initial = Effect.fnUntraced(
    function*(this: OverGrpc, id: Message.MessageId): Effect.fn.Return<Response> {
      const execution = this.executions.get(id)!
      const [, second] = yield* execution.heard(2)
      return second?.outcome === undefined
        ? failed(`no outcome: ${(yield* execution.end).message}`)
        : { status: "ok", value: toResponse(second.outcome) }
    }
  )

  readonly shutdown = () => this.session!.close()
}
