/**
 * A client of the wire protocol for tests: it remembers all it was told, and takes nothing that is not a message.
 */
import type { Delegate } from "effect-code-mode/Delegate"
import { CellId } from "effect-code-mode/Protocol"
import * as Frame from "effect-code-mode/wire/Frame"
import * as Message from "effect-code-mode/wire/Message"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Readable, Writable } from "node:stream"
import { toolCall } from "../toolCall.ts"

export type Told<Type extends Message.HostMessage["type"]> = Extract<Message.HostMessage, { readonly type: Type }>
export type Answer = Told<"operation/response">["result"]
export type Response = Told<"execute/initialResponse">["result"]

/** How long a test waits for a cell, in milliseconds, unless it says something else: on the busiest machine, too. */
export const patient = 60_000

export interface Execution {
  readonly id: number
  readonly cellId: string
  readonly initial: Effect.Effect<Response>
}

export interface ExecuteOptions {
  readonly session?: string | undefined
  /** Names of function tools, or whole tools. */
  readonly tools?: ReadonlyArray<string | Message.ToolDefinition> | undefined
  readonly yieldTime?: number | null | undefined
  readonly maxOutputTokens?: number | null | undefined
  readonly callId?: string | undefined
}

export const tool = (name: string): Message.ToolDefinition => ({
  name,
  tool_name: { name, namespace: null },
  description: `tool ${name}`,
  kind: "function",
  input_schema: null,
  output_schema: null
})

const failure = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** As strict as can be: the host writes nothing that the protocol does not know. */
export const decode = Message.decodeText(
  Schema.decodeUnknownResult(Message.HostMessage, { onExcessProperty: "error" })
)

/** As hosts of other versions need it: what is not known is let pass. */
export const decodeTolerantly = Message.decodeText(Schema.decodeUnknownResult(Message.HostMessage))

export class Client {
  /** Everything the host said, in order. */
  readonly told: Array<Message.HostMessage> = []
  private readonly input: Readable
  private readonly output: Writable
  private readonly decode: typeof decode
  private readonly watchers = new Set<() => void>()
  private readonly callbacks = new Map<Message.MessageId, Fiber.Fiber<void>>()
  private delegate: Delegate["Service"] | undefined
  private lost: string | undefined
  private lastId = 0

  /** Over what comes from the host and what goes to it. */
  constructor(input: Readable, output: Writable, decodeAs = decode) {
    this.decode = decodeAs
    this.input = input
    this.output = output
    const decoder = new Frame.Decoder((payload) => this.read(payload.toString()))
    input.on("data", (bytes: Buffer) => {
      const error = decoder.push(bytes)
      if (error !== undefined) this.lose(error.message)
    })
    const left = () => this.lose(decoder.isComplete() ? "the host left" : "the host left in the middle of a frame")
    input.on("end", left).on("close", left).on("error", () => {})
    output.on("error", () => {})
  }

  private read(text: string): void {
    const message = this.decode(text)
    if (Result.isFailure(message)) {
      return this.lose(`the host said ${text.slice(0, 200)}: ${message.failure}`)
    }
    this.hear(message.success)
  }

  private hear(message: Message.HostMessage): void {
    this.told.push(message)
    if (message.type === "delegate/request") this.call(message)
    if (message.type === "delegate/cancel") this.callbacks.get(message.id)?.interruptUnsafe()
    this.watchers.forEach((watcher) => watcher())
  }

  private lose(reason: string): void {
    this.lost ??= reason
    this.watchers.forEach((watcher) => watcher())
  }

  // ---------------------------------------------------------------------------
  // Bytes and messages
  // ---------------------------------------------------------------------------

  readonly write = (bytes: Uint8Array) => {
    this.output.write(bytes)
  }

  readonly sendText = (text: string) => {
    const payload = Buffer.from(text)
    const header = Buffer.alloc(4)
    header.writeUInt32LE(payload.length)
    this.write(Buffer.concat([header, payload]))
  }

  /** Sends anything, whether it is a message or not. */
  readonly send = (message: unknown) => this.sendText(JSON.stringify(message))

  /** Says goodbye. */
  readonly end = () => {
    this.output.end()
  }

  readonly pause = () => {
    this.input.pause()
  }

  readonly resume = () => {
    this.input.resume()
  }

  /** Waits until the host has said so many things that fit, and gives the last of them. */
  readonly heard = <M extends Message.HostMessage>(
    fits: (message: Message.HostMessage) => message is M,
    count = 1
  ): Effect.Effect<M> =>
    Effect.callback((resume) => {
      let position = 0
      let missing = count
      const look = () => {
        while (position < this.told.length) {
          const message = this.told[position++]!
          if (fits(message) && --missing === 0) {
            this.watchers.delete(look)
            return resume(Effect.succeed(message))
          }
        }
        if (this.lost !== undefined) {
          this.watchers.delete(look)
          resume(Effect.die(new Error(this.lost)))
        }
      }
      this.watchers.add(look)
      look()
      return Effect.sync(() => this.watchers.delete(look))
    })

  readonly heardType = <Type extends Message.HostMessage["type"]>(type: Type, count = 1): Effect.Effect<Told<Type>> =>
    this.heard((message): message is Told<Type> => message.type === type, count)

  /** Waits until the host has nothing more to say. */
  readonly left: Effect.Effect<string> = Effect.callback((resume) => {
    const look = () => {
      if (this.lost !== undefined) resume(Effect.succeed(this.lost))
    }
    this.watchers.add(look)
    look()
    return Effect.sync(() => this.watchers.delete(look))
  })

  // ---------------------------------------------------------------------------
  // Operations
  // ---------------------------------------------------------------------------

  readonly hello = (options: {
    readonly versions?: ReadonlyArray<number>
    readonly required?: ReadonlyArray<string>
    readonly optional?: ReadonlyArray<string>
  } = {}) =>
    Effect.suspend(() => {
      this.send({
        type: "connection/hello",
        supportedVersions: options.versions ?? [1],
        requiredCapabilities: options.required ?? [],
        optionalCapabilities: options.optional ?? []
      })
      return this.heard((message): message is Told<"connection/ready" | "connection/rejected"> =>
        message.type === "connection/ready" || message.type === "connection/rejected"
      )
    })

  /** Sends a request and gives its id. */
  readonly ask = (request: unknown, id: number = ++this.lastId): number => {
    this.send({ type: "operation/request", id, request })
    return id
  }

  readonly answer = (id: Message.MessageId): Effect.Effect<Answer> =>
    Effect.map(
      this.heard((message): message is Told<"operation/response"> =>
        message.type === "operation/response" && message.id === id
      ),
      ({ result }) => result
    )

  readonly request = (request: unknown): Effect.Effect<Answer> => Effect.suspend(() => this.answer(this.ask(request)))

  readonly open = (session = "s", options: object = {}) =>
    this.request({ method: "session/open", sessionId: session, ...options })

  readonly shutdown = (session = "s") => this.request({ method: "session/shutdown", sessionId: session })

  readonly askExecute = (source: string, options: ExecuteOptions = {}): number =>
    this.ask({
      method: "session/execute",
      sessionId: options.session ?? "s",
      request: {
        tool_call_id: options.callId ?? "call-1",
        enabled_tools: (options.tools ?? []).map((each) => typeof each === "string" ? tool(each) : each),
        source,
        yield_time_ms: options.yieldTime === undefined ? patient : options.yieldTime,
        max_output_tokens: options.maxOutputTokens ?? null
      }
    })

  readonly initial = (id: Message.MessageId): Effect.Effect<Response> =>
    Effect.map(
      this.heard((message): message is Told<"execute/initialResponse"> =>
        message.type === "execute/initialResponse" && message.id === id
      ),
      ({ result }) => result
    )

  /** Starts a cell; dies if the host does not. */
  readonly execute = Effect.fnUntraced(function*(this: Client, source: string, options?: ExecuteOptions) {
    const id = this.askExecute(source, options)
    const started = yield* this.answer(id)
    if (started.status !== "ok" || started.value.type !== "execution/started") {
      return yield* Effect.die(new Error(`not started: ${JSON.stringify(started)}`))
    }
    const execution: Execution = { id, cellId: started.value.cellId, initial: this.initial(id) }
    return execution
  })

  /** Runs a cell until its first event. */
  readonly run = (source: string, options?: ExecuteOptions): Effect.Effect<Response> =>
    Effect.flatMap(this.execute(source, options), ({ initial }) => initial)

  readonly askWait = (cellId: string, yieldTime = patient, session = "s"): number =>
    this.ask({
      method: "session/wait",
      sessionId: session,
      request: { cell_id: cellId, yield_time_ms: yieldTime }
    })

  readonly wait = (cellId: string, yieldTime?: number, session?: string) =>
    Effect.suspend(() => this.answer(this.askWait(cellId, yieldTime, session)))

  readonly terminate = (cellId: string, session = "s") =>
    this.request({ method: "session/terminate", sessionId: session, cellId })

  // ---------------------------------------------------------------------------
  // Delegate
  // ---------------------------------------------------------------------------

  readonly respond = (id: Message.MessageId, value: Schema.Json) =>
    this.send({
      type: "delegate/response",
      id,
      result: { status: "ok", value: { type: "tool/result", result: value } }
    })

  readonly accept = (id: Message.MessageId) =>
    this.send({ type: "delegate/response", id, result: { status: "ok", value: { type: "notification/delivered" } } })

  /** Answers requests by this delegate from now on. */
  readonly serve = (delegate: Delegate["Service"]) => {
    this.delegate = delegate
  }

  private call({ id, request }: Told<"delegate/request">): void {
    if (this.delegate === undefined) {
      return
    }
    const value: Effect.Effect<object, { readonly message: string }> = request.type === "notification/send"
      ? Effect.as(
        this.delegate.notify({ callId: request.callId, cellId: CellId.make(request.cellId), text: request.text }),
        { type: "notification/delivered" }
      )
      : Effect.map(
        this.delegate.invokeTool(toolCall({
          name: request.invocation.tool_name.name,
          namespace: request.invocation.tool_name.namespace,
          cellId: CellId.make(request.invocation.cell_id),
          toolCallId: request.invocation.runtime_tool_call_id,
          kind: request.invocation.tool_kind,
          input: request.invocation.input
        })),
        (result) => ({ type: "tool/result", result })
      )
    const fiber = Effect.runFork(
      Effect.exit(value).pipe(Effect.map((exit) =>
        this.send({
          type: "delegate/response",
          id,
          result: Exit.isSuccess(exit)
            ? { status: "ok", value: exit.value }
            : { status: "error", message: failure(exit.cause) }
        })
      ))
    )
    this.callbacks.set(id, fiber)
    fiber.addObserver(() => this.callbacks.delete(id))
  }
}

// =============================================================================
// Words for what was heard
// =============================================================================

const texts = (items: ReadonlyArray<{ readonly type: string }>) =>
  items.map((item) => "text" in item ? item.text : item.type)

const sayResponse = (response: Message.CellResponse): ReadonlyArray<unknown> => {
  if ("Result" in response) {
    const { content_items, error_text } = response.Result
    return ["Result", ...texts(content_items), ...(error_text === null ? [] : [`! ${error_text}`])]
  }
  return "Yielded" in response
    ? ["Yielded", ...texts(response.Yielded.content_items)]
    : ["Terminated", ...texts(response.Terminated.content_items)]
}

/** What was answered, in a few words: the kind of event, its output, its error. */
export const say = (result: Answer | Response): ReadonlyArray<unknown> => {
  if (result.status === "error") {
    return ["error", result.message]
  }
  const { value } = result
  if (!("type" in value)) {
    return sayResponse(value)
  }
  return value.type !== "wait/completed"
    ? [value.type]
    : "LiveCell" in value.outcome
    ? sayResponse(value.outcome.LiveCell)
    : ["Missing", ...sayResponse(value.outcome.MissingCell)]
}

/** A message in a few words. */
export const sayMessage = (message: Message.HostMessage): string => {
  switch (message.type) {
    case "operation/response":
    case "execute/initialResponse":
      return `${message.type} ${say(message.result)[0]}`
    default:
      return message.type
  }
}
