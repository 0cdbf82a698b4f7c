/**
 * A client of the host's gRPC that does no more than the benchmarks need.
 */
import { FrameReader } from "../dist/system/Framing.js"
import * as Protobuf from "../dist/wire/grpc/Protobuf.js"
import * as Service from "../dist/wire/grpc/Service.js"
import { RawHttp2 } from "../test/grpc/RawHttp2.ts"
import { type BenchHost, fewTools, HostProcess } from "./Host.ts"

const path = "/codex.code_mode.v1.CodeModeHost/"
const framing = { headerLength: 5, lengthOf: (header: Buffer) => header.readUInt32BE(1) }
const description = "Does one thing with what it is given, and says what came of it."
const schema = Buffer.from(JSON.stringify({
  type: "object",
  properties: { path: { type: "string" }, limit: { type: "integer" } },
  required: ["path"],
  additionalProperties: false
}))

const tool = (name: string) => ({ name, tool_name: { name }, description, kind: 1, input_schema_json: schema })

/** One connection, with one session and the tools of it. */
export class GrpcClient {
  readonly http: RawHttp2
  private readonly unlessLost: <A>(promise: Promise<A>) => Promise<A>
  private session = ""
  private executions = 0
  private polite: string | undefined

  constructor(write: (bytes: Buffer) => void, unlessLost: <A>(promise: Promise<A>) => Promise<A>) {
    this.http = new RawHttp2(write)
    this.unlessLost = unlessLost
  }

  private call<A, B>(
    method: string,
    [request, response]: readonly [Protobuf.Message<A>, Protobuf.Message<B>],
    value: Protobuf.Input<A>,
    onMessage: (message: B, stream: number) => void = () => {}
  ): Promise<void> {
    const body = Protobuf.encode(request, value, framing.headerLength)
    body.writeUInt32BE(body.length - framing.headerLength, 1)
    const ended = Promise.withResolvers<void>()
    const reader = new FrameReader(framing, () => "take", (payload) => {
      const message = Protobuf.decode(response, payload)
      if (message._tag === "Success") onMessage(message.success, stream)
      return true
    })
    const stream: number = this.http.ask(path + method, body, {
      onData: (piece) => {
        reader.push(piece)
      },
      onEnd: ended.resolve
    })
    return this.unlessLost(ended.promise)
  }

  async open() {
    const opened = Promise.withResolvers<void>()
    this.call("OpenSession", [Service.OpenSessionRequest, Service.SessionEvent], {
      max_pending_delegate_calls: 4096
    }, (event) => {
      if (event.opened !== undefined) {
        this.session = event.opened.session_id
        opened.resolve()
      } else if (event.tool_call_cancelled?.invocation_id === this.polite) {
        this.complete(this.polite!, { failed: { message: "cancelled" } })
      }
    }).then(() => opened.reject(new Error("the session has ended")), opened.reject)
    await opened.promise
    void this.call(
      "SubscribeToToolCalls",
      [Service.SubscribeToToolCallsRequest, Service.ToolCall],
      { session_id: this.session },
      (call) => {
        switch (call.tool_name!.name) {
          case "echo":
            return this.complete(call.invocation_id, { succeeded: { output_json: call.input_json } })
          case "polite":
            this.polite = call.invocation_id
        }
      }
    ).catch(() => {})
  }

  private complete(
    invocation_id: string,
    outcome: Pick<Protobuf.Input<Service.CompleteToolCallRequest>, "succeeded" | "failed">
  ) {
    this.call("CompleteToolCall", [Service.CompleteToolCallRequest, Service.Empty], {
      session_id: this.session,
      invocation_id,
      ...outcome
    }).catch(() => {})
  }

  /** Runs a cell to its first outcome. `onStart` hears on which stream it is, to reset it. */
  async run(
    source: string,
    yieldTime = 60_000,
    tools = fewTools,
    onStart: (stream: number) => void = () => {}
  ): Promise<{ readonly cell: string; readonly outcome: Service.ExecutionOutcome }> {
    const outcome = Promise.withResolvers<Service.ExecutionOutcome>()
    let cell = ""
    this.call("Execute", [Service.ExecuteRequest, Service.ExecuteEvent], {
      session_id: this.session,
      execution_id: String(++this.executions),
      tool_call_id: "c",
      source,
      enabled_tools: tools.map(tool),
      yield_time_ms: yieldTime
    }, (event, stream) => {
      if (event.started !== undefined) {
        cell = event.started.cell_id
        onStart(stream)
      }
      if (event.outcome !== undefined) outcome.resolve(event.outcome)
    }).then(() => outcome.reject(new Error("the cell has no outcome")), outcome.reject)
    return { outcome: await outcome.promise, cell }
  }

  terminate(cell: string) {
    return this.call("Terminate", [Service.TerminateRequest, Service.WaitResponse], {
      session_id: this.session,
      cell_id: cell
    })
  }
}

export class GrpcHost extends HostProcess implements BenchHost {
  readonly client: GrpcClient
  readonly run: GrpcClient["run"]
  readonly terminate: GrpcClient["terminate"]

  constructor(command: string, args: ReadonlyArray<string>) {
    super(command, [...args, "--listen", "grpc+stdio://"])
    this.client = new GrpcClient((bytes) => this.child.stdin!.write(bytes), (promise) => this.unlessLost(promise))
    this.child.stdout!.on("data", (bytes: Buffer) => this.client.http.read(bytes))
    this.run = (...args) => this.client.run(...args)
    this.terminate = (cell) => this.client.terminate(cell)
  }

  async open() {
    await this.client.open()
    return this
  }
}
