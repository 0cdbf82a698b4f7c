/**
 * The delegates of a connection's sessions: the client runs the tools and takes the notifications.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Delegate } from "../Delegate.ts"
import { NotifyError, ToolError } from "../Protocol.ts"
import * as Slots from "../session/Slots.ts"
import { FrameError } from "../wire/Frame.ts"
import type { DelegateRequest, DelegateResult, MessageId } from "../wire/Message.ts"
import type { Outgoing } from "../wire/Outgoing.ts"
import type { Post } from "./Post.ts"

type Told = Effect.Effect<Extract<DelegateResult, { readonly status: "ok" }>["value"], { readonly message: string }>

export class ClientDelegate {
  private readonly outgoing: Outgoing
  private readonly post: Post
  private readonly slots: Slots.Slots
  private readonly pending = new Map<MessageId, (result: DelegateResult) => void>()
  private lastId = 0

  /** Past `capacity` unanswered requests, further ones wait. */
  constructor(outgoing: Outgoing, post: Post, capacity: number) {
    this.outgoing = outgoing
    this.post = post
    this.slots = Slots.make(capacity)
  }

  /** The delegate of one session. The client hears nothing of a cell before `announced` is over. */
  forSession(sessionId: string, announced: (cellId: string) => Effect.Effect<void>): Delegate["Service"] {
    return Delegate.of({
      tools: [],
      invokeTool: (call) =>
        Effect.andThen(
          announced(call.cellId),
          this.ask(sessionId, {
            type: "tool/invoke",
            invocation: {
              cell_id: call.cellId,
              runtime_tool_call_id: call.toolCallId,
              tool_name: call.toolName,
              tool_kind: call.kind,
              input: call.input ?? null
            }
          })
        ).pipe(
          Effect.flatMap((value) =>
            value.type === "tool/result"
              ? Effect.succeed(value.result)
              : Effect.fail({ message: "code-mode client returned an invalid tool result" })
          ),
          Effect.mapError(({ message }) => new ToolError({ text: message }))
        ),
      notify: ({ callId, cellId, text }) =>
        Effect.andThen(
          announced(cellId),
          this.ask(sessionId, { type: "notification/send", callId, cellId, text })
        ).pipe(
          Effect.flatMap((value) =>
            value.type === "notification/delivered"
              ? Effect.void
              : Effect.fail({ message: "code-mode client returned an invalid notification result" })
          ),
          Effect.mapError(({ message }) => new NotifyError({ text: message }))
        )
    })
  }

  /** An answer of the client. One that is not waited for (any more) is ignored. */
  answer(id: MessageId, result: DelegateResult): void {
    this.pending.get(id)?.(result)
  }

  /** Sends a request when it is its turn, and waits for the answer. Interrupted, it takes back what it has done. */
  private ask(sessionId: string, request: DelegateRequest): Told {
    return Effect.callback((resume) => {
      let undo: Array<() => void> = []
      const end = (result: Told) => {
        undo = []
        this.slots.give()
        resume(result)
      }

      const send = () => {
        const id = ++this.lastId
        const letter = this.post({ type: "delegate/request", id, sessionId, request })
        if (letter instanceof FrameError) {
          return end(Effect.fail(letter))
        }
        this.pending.set(id, (result) => {
          this.pending.delete(id)
          end(result.status === "ok" ? Effect.succeed(result.value) : Effect.fail(result))
        })
        undo.push(() => {
          this.pending.delete(id)
          if (!this.outgoing.withdraw(letter)) {
            this.post({ type: "delegate/cancel", id })
          }
        })
      }

      const leaveSlots = this.slots.take(() => {
        undo.push(() => this.slots.give())
        const leaveRoom = this.outgoing.whenRoom(send)
        undo.push(leaveRoom)
      })
      undo.push(leaveSlots)

      return Effect.sync(() => undo.toReversed().forEach((step) => step()))
    })
  }
}
