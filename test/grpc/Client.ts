/** A client of `codex.code_mode.v1` for tests: small, and as blunt as a test needs it. */
import { FrameReader } from "effect-code-mode/system/Framing"
import * as Protobuf from "effect-code-mode/wire/grpc/Protobuf"
import * as Service from "effect-code-mode/wire/grpc/Service"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import { patient } from "../host/Client.ts"

export const servicePath = "/codex.code_mode.v1.CodeModeHost/"

const codes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE"
]

type Headers = Http2.IncomingHttpHeaders & Http2.IncomingHttpStatusHeader

/** How a call ended. Without a status, it was reset, or the host is gone. */
export interface End {
  readonly code: string | undefined
  readonly message: string
  readonly headers: Headers
  /** Whether the status came in the first headers. */
  readonly isBare: boolean
}

export const framed = (message: Uint8Array, flags = 0): Buffer => {
  const header = Buffer.alloc(5)
  header[0] = flags
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

/** Waits for what `look` finds, each time that something has happened. */
class Happenings {
  private readonly lookers = new Set<() => void>()

  happen(): void {
    this.lookers.forEach((look) => look())
  }

  await<A>(find: () => A | undefined): Effect.Effect<A> {
    return Effect.callback((resume) => {
      const look = () => {
        const found = find()
        if (found !== undefined) {
          this.lookers.delete(look)
          resume(Effect.succeed(found))
        }
      }
      this.lookers.add(look)
      look()
      return Effect.sync(() => this.lookers.delete(look))
    })
  }
}

export class Call<A> {
  readonly stream: Http2.ClientHttp2Stream
  readonly messages: Array<A> = []
  headers: Headers | undefined
  private ended: End | undefined
  private readonly happenings = new Happenings()

  constructor(stream: Http2.ClientHttp2Stream, type: Protobuf.Message<A>) {
    this.stream = stream
    let trailers: Headers | undefined
    stream.on("response", (headers) => {
      this.headers = headers
      this.happenings.happen()
    })
    stream.on("trailers", (headers) => {
      trailers = headers
    })
    const reader = new FrameReader(
      { headerLength: 5, lengthOf: (header) => header.readUInt32BE(1) },
      () => "take",
      (payload) => {
        const message = Protobuf.decode(type, Buffer.from(payload))
        if (Result.isFailure(message)) throw new Error(message.failure)
        this.messages.push(message.success)
        return true
      }
    )
    stream.on("data", (piece: Buffer) => {
      reader.push(piece)
      this.happenings.happen()
    })
    stream.on("error", () => {})
    stream.on("close", () => {
      const status = trailers ?? this.headers ?? {}
      this.ended = {
        code: codes[Number(status["grpc-status"])],
        message: decodeURIComponent(String(status["grpc-message"] ?? "")),
        headers: this.headers ?? {},
        isBare: trailers === undefined
      }
      this.happenings.happen()
    })
  }

  /** Waits for so many messages, or fewer if there are not as many, and gives them. */
  heard(count: number): Effect.Effect<ReadonlyArray<A>> {
    return this.happenings.await(() =>
      this.messages.length >= count || this.ended !== undefined ? this.messages : undefined
    )
  }

  get begun(): Effect.Effect<Headers> {
    return this.happenings.await(() => this.headers)
  }

  get end(): Effect.Effect<End> {
    return this.happenings.await(() => this.ended)
  }

  get hasEnded(): boolean {
    return this.ended !== undefined
  }

  readonly reset = () => this.stream.close(Http2.constants.NGHTTP2_CANCEL)
}

const responses = {
  OpenSession: [Service.OpenSessionRequest, Service.SessionEvent],
  CloseSession: [Service.CloseSessionRequest, Service.Empty],
  SubscribeToToolCalls: [Service.SubscribeToToolCallsRequest, Service.ToolCall],
  CompleteToolCall: [Service.CompleteToolCallRequest, Service.Empty],
  AcknowledgeNotification: [Service.AcknowledgeNotificationRequest, Service.Empty],
  Execute: [Service.ExecuteRequest, Service.ExecuteEvent],
  Wait: [Service.WaitRequest, Service.WaitResponse],
  YieldObservation: [Service.YieldObservationRequest, Service.Empty],
  CancelWait: [Service.CancelWaitRequest, Service.Empty],
  Terminate: [Service.TerminateRequest, Service.WaitResponse],
  GetProcessMetrics: [Service.Empty, Service.GetProcessMetricsResponse]
} as const
export type MethodName = keyof typeof responses
type Asked<M extends MethodName> = Protobuf.Input<Protobuf.Type<(typeof responses)[M][0]>>
type Said<M extends MethodName> = Protobuf.Type<(typeof responses)[M][1]>

export interface Answer<A> extends End {
  readonly value: A | undefined
}

export const tool = (name: string, namespace?: string) => ({
  name,
  tool_name: { name, namespace },
  description: `tool ${name}`,
  kind: 1
})

let executions = 0

export class Client {
  readonly http: Http2.ClientHttp2Session

  constructor(duplex: Duplex, options: Http2.ClientSessionOptions = {}) {
    this.http = Http2.connect("http://localhost", {
      createConnection: () => duplex,
      maxSessionMemory: 1000,
      ...options
    })
    this.http.on("error", () => {})
  }

  /** Sends bytes as they are. */
  readonly send = <A>(
    path: string,
    type: Protobuf.Message<A>,
    body: Buffer,
    headers: Http2.OutgoingHttpHeaders = {}
  ): Call<A> => {
    const stream = this.http.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers
    })
    stream.end(body)
    return new Call(stream, type)
  }

  readonly start = <M extends MethodName>(
    method: M,
    request: Asked<M>,
    headers?: Http2.OutgoingHttpHeaders
  ): Call<Said<M>> => {
    const [requestType, responseType] = responses[method] as unknown as readonly [
      Protobuf.Message<never>,
      Protobuf.Message<Said<M>>
    ]
    return this.send(
      servicePath + method,
      responseType,
      framed(Protobuf.encode(requestType, request as never)),
      headers
    )
  }

  /** Asks for one answer. */
  readonly ask = <M extends MethodName>(
    method: M,
    request: Asked<M>,
    headers?: Http2.OutgoingHttpHeaders
  ): Effect.Effect<Answer<Said<M>>> =>
    Effect.suspend(() => {
      const call = this.start(method, request, headers)
      return Effect.map(call.end, (end) => ({ ...end, value: call.messages[0] }))
    })

  /** Opens a session. Its lease is the call that holds it open. */
  readonly open = Effect.fnUntraced(function*(this: Client, request: Asked<"OpenSession"> = {}) {
    const lease = this.start("OpenSession", request)
    const [first] = yield* lease.heard(1)
    if (first?.opened === undefined) {
      return yield* Effect.die(new Error(`not opened: ${JSON.stringify(yield* lease.end)}`))
    }
    return new Session(this, first.opened.session_id, lease)
  })

  readonly close = () => this.http.destroy()
}

export class Session {
  readonly client: Client
  readonly id: string
  readonly lease: Call<Service.SessionEvent>

  constructor(client: Client, id: string, lease: Call<Service.SessionEvent>) {
    this.client = client
    this.id = id
    this.lease = lease
  }

  readonly execute = (source: string, more: Asked<"Execute"> = {}, headers?: Http2.OutgoingHttpHeaders) =>
    this.client.start("Execute", {
      session_id: this.id,
      execution_id: `execution-${++executions}`,
      tool_call_id: "call-1",
      yield_time_ms: patient,
      source,
      ...more
    }, headers)

  /** Runs a cell to its first outcome, and says it in a few words. */
  readonly run = (source: string, more?: Asked<"Execute">): Effect.Effect<ReadonlyArray<string>> =>
    Effect.suspend(() => {
      const call = this.execute(source, more)
      return Effect.map(
        call.end,
        (end) => end.code === "OK" ? say(call.messages.at(-1)?.outcome) : [end.code!, end.message]
      )
    })

  readonly wait = (cellId: string, waitId: string, yieldTime = patient) =>
    this.client.ask("Wait", { session_id: this.id, cell_id: cellId, wait_id: waitId, yield_time_ms: yieldTime })

  readonly terminate = (cellId: string) => this.client.ask("Terminate", { session_id: this.id, cell_id: cellId })

  readonly subscribe = (...names: ReadonlyArray<string>) =>
    this.client.start("SubscribeToToolCalls", { session_id: this.id, tool_names: names.map((name) => ({ name })) })

  readonly complete = (invocationId: string, value: unknown) =>
    this.client.ask("CompleteToolCall", {
      session_id: this.id,
      invocation_id: invocationId,
      succeeded: { output_json: Buffer.from(JSON.stringify(value)) }
    })

  readonly close = () => this.client.ask("CloseSession", { session_id: this.id })
}

/** An outcome in a few words: its kind, its output, its error. */
export const say = (outcome: Service.ExecutionOutcome | undefined): ReadonlyArray<string> => {
  if (outcome === undefined) {
    return ["nothing"]
  }
  const { completed, content_items, yielded } = outcome
  return [
    yielded !== undefined ? "Yielded" : completed !== undefined ? "Completed" : "Terminated",
    ...content_items.map(({ image, text }) => text?.text ?? (image === undefined ? "audio" : "image")),
    ...(completed?.error_text === undefined ? [] : [`! ${completed.error_text}`])
  ]
}

/** The client of a host that was started for it. */
export const ofProcess = (child: ChildProcess): Client =>
  new Client(
    Duplex.from({ readable: child.stdout!, writable: child.stdin! } as unknown as AsyncIterable<unknown>)
      .on("error", () => {})
  )

/** A client at a port. It leaves with the scope. */
export const atPort = (port: number): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Client(Net.connect(port, "127.0.0.1").on("error", () => {}))),
    (client) => Effect.sync(client.close)
  )
