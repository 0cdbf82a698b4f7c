/**
 * A client of the host's gRPC that does no more than the benchmarks need.
 */
import * as Protobuf from "../dist/wire/grpc/Protobuf.js"
import * as Service from "../dist/wire/grpc/Service.js"
import { RawHttp2 } from "../test/grpc/RawHttp2.ts"
import { type BenchHost, fewTools, HostProcess } from "./Host.ts"

const path = "/codex.code_mode.v1.CodeModeHost/"
const headerLength = 5
const description = "Does one thing with what it is given, and says what came of it."
const schema = Buffer.from(JSON.stringify({
  type: "object",
  properties: { path: { type: "string" }, limit: { type: "integer" } },
  required: ["path"],
  additionalProperties: false
}))

const tool = (name: string) => ({ name, tool_name: { name }, description, kind: 1, input_schema_json: schema })

export class GrpcHost extends HostProcess implements BenchHost {
  private readonly http: RawHttp2
  private session = ""
  private executions = 0
  private polite: string | undefined

  constructor(command: string, args: ReadonlyArray<string>) {
    super(command, [...args, "--listen", "grpc+stdio://"])
    this.http = new RawHttp2((bytes) => this.child.stdin!.write(bytes))
    this.child.stdout!.on("data", (bytes: Buffer) => this.http.read(bytes))
  }

  private call<A, B>(
    method: string,
    [request, response]: readonly [Protobuf.Message<A>, Protobuf.Message<B>],
    value: Protobuf.Input<A>,
    onMessage: (message: B) => void = () => {}
  ): Promise<void> {
    const body = Protobuf.encode(request, value, headerLength)
    body.writeUInt32BE(body.length - headerLength, 1)
    let pieces: Array<Buffer> = []
    let size = 0
    return this.unlessLost(
      new Promise((resolve) =>
        this.http.ask(path + method, body, {
          onData: (piece) => {
            pieces.push(Buffer.from(piece))
            size += piece.length
            for (;;) {
              const first = pieces[0]
              if (size < headerLength || first === undefined) return
              if (first.length < headerLength) pieces = [Buffer.concat(pieces)]
              const length = headerLength + pieces[0]!.readUInt32BE(1)
              if (size < length) return
              const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
              const message = Protobuf.decode(response, all.subarray(headerLength, length))
              pieces = [all.subarray(length)]
              size -= length
              if (message._tag === "Success") onMessage(message.success)
            }
          },
          onEnd: () => resolve()
        })
      )
    )
  }

  async open() {
    await new Promise<void>((resolve) => {
      void this.call("OpenSession", [Service.OpenSessionRequest, Service.SessionEvent], {
        max_pending_delegate_calls: 4096
      }, ({ opened, tool_call_cancelled }) => {
        if (opened !== undefined) {
          this.session = opened.session_id
          resolve()
        } else if (tool_call_cancelled?.invocation_id === this.polite) {
          this.complete(this.polite!, { failed: { message: "cancelled" } })
        }
      }).catch(() => {})
    })
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
    return this
  }

  private complete(
    invocation_id: string,
    outcome: Pick<Protobuf.Input<Service.CompleteToolCallRequest>, "succeeded" | "failed">
  ) {
    void this.call("CompleteToolCall", [Service.CompleteToolCallRequest, Service.Empty], {
      session_id: this.session,
      invocation_id,
      ...outcome
    }).catch(() => {})
  }

  async run(source: string, yieldTime = 60_000, tools = fewTools) {
    const outcome = Promise.withResolvers<void>()
    let cell = ""
    void this.call("Execute", [Service.ExecuteRequest, Service.ExecuteEvent], {
      session_id: this.session,
      execution_id: String(++this.executions),
      tool_call_id: "c",
      source,
      enabled_tools: tools.map(tool),
      yield_time_ms: yieldTime
    }, (event) => {
      cell = event.started?.cell_id ?? cell
      if (event.outcome !== undefined) outcome.resolve()
    }).then(() => outcome.reject(new Error("the cell has no outcome")), outcome.reject)
    await outcome.promise
    return { cell }
  }

  terminate(cell: string) {
    return this.call("Terminate", [Service.TerminateRequest, Service.WaitResponse], {
      session_id: this.session,
      cell_id: cell
    })
  }
}
