/**
 * A connection to a host: the handshake, our requests and their answers, and the end of it all.
 *
 * **Details**
 *
 * Everything that comes in is handled in the order in which it was sent, before anything that waits for it goes on. A
 * host that breaks the protocol is given up at once: what it says next could not be trusted.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { LifecycleEvent } from "../Protocol.ts"
import * as Extension from "./Extension.ts"
import * as Frame from "./Frame.ts"
import type { DelegateRequest, Hello, MessageId, RejectionReason } from "./Message.ts"
import { type Letter, Outgoing } from "./Outgoing.ts"
import { HostFailure, type Transport } from "./RemoteTransport.ts"

const handshakeTime = "30 seconds"

/** Who takes what the host says. All of it is called synchronously. */
export interface Handler {
  readonly delegate: {
    readonly request: (id: MessageId, request: DelegateRequest) => void
    readonly cancel: (id: MessageId) => void
  }
  readonly onCellClosed: (cellId: string) => void
  readonly onEvent: (event: LifecycleEvent) => void
}

/** Who waits for the answers to one request. */
export interface Request {
  /** Takes an answer; says whether it was the last, or what is wrong with it. */
  readonly onResponse: (response: Extension.Response) => "more" | "done" | HostFailure
  readonly onLost: (failure: HostFailure) => void
}

const toText = (reason: RejectionReason): string => {
  switch (reason.type) {
    case "noCompatibleVersion":
      return `the code-mode host speaks version ${reason.supportedVersions.join(", ")}, and not 1`
    case "missingRequiredCapability":
      return `the code-mode host has no ${reason.capability}`
    case "invalidHello":
      return `the code-mode host refused our hello: ${reason.message}`
  }
}

export class Client {
  private readonly hello: Hello
  private readonly outgoing: Outgoing
  private readonly ready = Deferred.makeUnsafe<ReadonlySet<string>, HostFailure>()
  private readonly requests = new Map<MessageId, Request>()
  private readonly lostListeners = new Set<(failure: HostFailure) => void>()
  private handler: Handler | undefined
  private greeted = false
  private lastId = 0
  private failure: HostFailure | undefined

  constructor({ input, onGone, output }: Transport, offer: ReadonlyArray<string>, maxPayload: number) {
    this.hello = {
      type: "connection/hello",
      supportedVersions: [1],
      requiredCapabilities: [],
      optionalCapabilities: offer
    }
    this.outgoing = new Outgoing(output, maxPayload)
    const decoder = new Frame.Decoder((payload) => this.receive(payload.toString()), maxPayload)
    input.on("data", (bytes: Buffer) => {
      const error = this.failure === undefined ? decoder.push(bytes) : undefined
      if (error !== undefined) {
        this.lose(error.text)
      }
    })
    // The reason is in how the host ends; its streams only say that it does.
    input.on("error", () => {})
    output.on("error", () => {})
    onGone((reason) => this.lose(this.greeted ? reason : `code-mode host exited during handshake: ${reason}`))
  }

  /** What the host grants. */
  readonly handshake: Effect.Effect<ReadonlySet<string>, HostFailure> = Effect.suspend(() => {
    this.outgoing.post(this.hello)
    return Deferred.await(this.ready)
  }).pipe(
    Effect.timeoutOrElse({
      duration: handshakeTime,
      orElse: () => Effect.fail(this.lose("timed out negotiating with the code-mode host"))
    })
  )

  /** Takes what the host says of itself. Nothing is said before the first session is opened. */
  listen(handler: Handler): void {
    this.handler = handler
  }

  // ---------------------------------------------------------------------------
  // To the host
  // ---------------------------------------------------------------------------

  /** Waits until the host has read enough of what it was sent. */
  get room(): Effect.Effect<void> {
    return this.outgoing.room
  }

  /** Sends a message that has no answer. */
  send(message: Extension.AnyMessage): Letter | Frame.FrameError {
    return this.outgoing.post(message)
  }

  /** Sends a request under an id of its own, which is given, unless the request does not fit into a frame. */
  request(message: (id: number) => Extension.AnyMessage, request: Request): number | Frame.FrameError {
    const id = ++this.lastId
    if (this.failure !== undefined) {
      request.onLost(this.failure)
      return id
    }
    const letter = this.outgoing.post(message(id))
    if (letter instanceof Frame.FrameError) {
      return letter
    }
    this.requests.set(id, request)
    return id
  }

  // ---------------------------------------------------------------------------
  // From the host
  // ---------------------------------------------------------------------------

  private receive(text: string): void {
    if (this.failure !== undefined) {
      return
    }
    const message = Extension.decodeHostMessage(text)
    if (Result.isFailure(message)) {
      this.lose(`failed to decode code-mode IPC frame: ${message.failure.text}`)
    } else if (this.greeted) {
      this.handle(message.success)
    } else {
      this.greet(message.success)
    }
  }

  private greet(message: Extension.AnyHostMessage): void {
    if (message.type === "connection/ready" && message.selectedVersion === 1) {
      this.greeted = true
      Deferred.doneUnsafe(this.ready, Effect.succeed(new Set(message.capabilities)))
    } else {
      this.lose(
        message.type === "connection/rejected"
          ? toText(message.reason)
          : `the code-mode host answered our hello with ${message.type}`
      )
    }
  }

  private handle(message: Extension.AnyHostMessage): void {
    switch (message.type) {
      case "operation/response":
      case "execute/initialResponse":
      case "extension/response":
      case "extension/output":
        return this.respond(message)
      case "delegate/request":
        return this.handler?.delegate.request(message.id, message.request)
      case "delegate/cancel":
        return this.handler?.delegate.cancel(message.id)
      case "cell/closed":
        return this.handler?.onCellClosed(message.cellId)
      case "extension/event":
        return this.handler?.onEvent(message.event)
      case "connection/ready":
      case "connection/rejected":
        this.lose("the code-mode host repeated its handshake")
    }
  }

  private respond(response: Extension.Response): void {
    const request = this.requests.get(response.id)
    if (request === undefined) {
      this.lose(`the code-mode host answered request ${response.id}, which nobody made`)
      return
    }
    const verdict = request.onResponse(response)
    if (verdict instanceof HostFailure) {
      this.lose(verdict.text)
    } else if (verdict === "done") {
      this.requests.delete(response.id)
    }
  }

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  /** Calls `listener` once the connection is over. */
  onLost(listener: (failure: HostFailure) => void): void {
    if (this.failure === undefined) {
      this.lostListeners.add(listener)
    } else {
      listener(this.failure)
    }
  }

  /** Gives the connection up, for the first reason that is given. */
  lose(reason: string): HostFailure {
    if (this.failure === undefined) {
      const failure = this.failure = new HostFailure({ text: reason })
      this.outgoing.seal()
      Deferred.doneUnsafe(this.ready, Effect.fail(failure))
      // Whoever waited for an answer is to find all else done.
      this.lostListeners.forEach((listener) => listener(failure))
      const requests = Array.from(this.requests.values())
      this.requests.clear()
      requests.forEach((request) => request.onLost(failure))
    }
    return this.failure
  }
}
