import { assert, describe, it } from "@effect/vitest"
import * as Protobuf from "effect-code-mode/wire/grpc/Protobuf"
import * as Service from "effect-code-mode/wire/grpc/Service"
import * as Result from "effect/Result"
import { damage, makeDice, randomBytes } from "../host/Dice.ts"

const { encode } = Protobuf

const decode = <A>(type: Protobuf.Message<A>, bytes: ReadonlyArray<number> | Uint8Array) =>
  Protobuf.decode(type, Uint8Array.from(bytes))

const problem = <A>(type: Protobuf.Message<A>, bytes: ReadonlyArray<number>) => {
  const result = decode(type, bytes)
  return Result.isFailure(result) ? result.failure.replace("failed to decode Protobuf message: ", "") : "none"
}

const execution: Protobuf.Input<Service.ExecuteRequest> = {
  session_id: "s",
  execution_id: "é",
  tool_call_id: "c",
  source: "x".repeat(70_000),
  enabled_tools: [
    { name: "a", tool_name: { name: "a", namespace: "n" }, kind: 2, input_schema_json: Buffer.from("{}") },
    { name: "b", tool_name: { name: "b" }, kind: 1 }
  ],
  yield_time_ms: 0,
  max_output_tokens: 2 ** 40
}

describe("protobuf", () => {
  it("comes back as it was sent", () => {
    const result = Result.getOrThrow(decode(Service.ExecuteRequest, encode(Service.ExecuteRequest, execution)))
    assert.deepStrictEqual(result, {
      session_id: "s",
      execution_id: "é",
      tool_call_id: "c",
      source: "x".repeat(70_000),
      enabled_tools: [
        {
          name: "a",
          tool_name: { name: "a", namespace: "n" },
          description: "",
          kind: 2,
          input_schema_json: new Uint8Array(Buffer.from("{}")),
          output_schema_json: undefined
        },
        {
          name: "b",
          tool_name: { name: "b", namespace: undefined },
          description: "",
          kind: 1,
          input_schema_json: undefined,
          output_schema_json: undefined
        }
      ],
      yield_time_ms: 0,
      max_output_tokens: 2 ** 40
    })
  })

  it("has the bytes that the field numbers say", () => {
    assert.deepStrictEqual(
      [...encode(Service.WaitRequest, { session_id: "ab", wait_id: "", yield_time_ms: 300, max_output_tokens: 0 })],
      [0x0a, 2, 97, 98, 0x20, 0xac, 2, 0x28, 0]
    )
    assert.deepStrictEqual([...encode(Service.ExecuteEvent, { outcome: { terminated: {} } }, 2)], [
      0,
      0,
      0x12,
      2,
      0x22,
      0
    ])
    assert.deepStrictEqual(
      [...encode(Service.GetProcessMetricsResponse, { cpu_seconds_total: 1.5 })],
      [0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]
    )
  })

  it("skips what is not known, and takes the last of what is repeated", () => {
    const bytes = [0x7a, 1, 65, 0x78, 5, 0x7b, 0x7c, 0x0a, 1, 65, 0x0a, 1, 66]
    assert.deepStrictEqual(decode(Service.CloseSessionRequest, bytes), Result.succeed({ session_id: "B" }))
  })

  it("keeps the last member of a oneof", () => {
    const first = encode(Service.YieldObservationRequest, { execution_id: "e" })
    const second = encode(Service.YieldObservationRequest, { wait_id: "w" })
    assert.deepStrictEqual(
      decode(Service.YieldObservationRequest, Buffer.concat([first, second])),
      Result.succeed({ session_id: "", execution_id: undefined, wait_id: "w" })
    )
  })

  it("takes the low half of a number that is too large, and a 64-bit one as near as a number can be", () => {
    const large = [0x80, 0x80, 0x80, 0x80, 0x10]
    assert.strictEqual(
      Result.getOrThrow(decode(Service.OpenSessionRequest, [0x18, ...large])).max_pending_delegate_calls,
      0
    )
    const most = [0x20, ...Array<number>(9).fill(0xff), 1]
    assert.strictEqual(Result.getOrThrow(decode(Service.WaitRequest, most)).yield_time_ms, 2 ** 64)
  })

  it("says what is wrong, and where", () => {
    assert.strictEqual(problem(Service.CloseSessionRequest, [0xff]), "invalid varint")
    assert.strictEqual(problem(Service.CloseSessionRequest, [0x02, 0]), "invalid tag value: 0")
    assert.strictEqual(problem(Service.CloseSessionRequest, [0x0e]), "invalid wire type value: 6")
    assert.strictEqual(problem(Service.CloseSessionRequest, [0x7a, 9, 65]), "buffer underflow")
    assert.strictEqual(
      problem(Service.CloseSessionRequest, [0x0a, 1, 0xff]),
      "CloseSessionRequest.session_id: invalid string value: data is not UTF-8 encoded"
    )
    assert.strictEqual(
      problem(Service.CloseSessionRequest, [0x0b]),
      "CloseSessionRequest.session_id: invalid wire type: StartGroup (expected LengthDelimited)"
    )
    assert.strictEqual(
      problem(Service.ExecuteRequest, [0x2a, 4, 0x12, 2, 0x0a, 9]),
      "ToolName.name: ToolDefinition.tool_name: ExecuteRequest.enabled_tools: buffer underflow"
    )
  })

  it("never throws, whatever it reads", () => {
    const whole = encode(Service.ExecuteRequest, { ...execution, source: "text(1)" })
    for (let seed = 1; seed <= 3_000; seed++) {
      const dice = makeDice(seed)
      const bytes = dice.chance(0.5) ? randomBytes(dice, dice.below(40)) : damage(dice, damage(dice, whole))
      for (const type of [Service.ExecuteRequest, Service.OpenSessionRequest, Service.CompleteToolCallRequest]) {
        const result: Result.Result<unknown, string> = Protobuf.decode<unknown>(type, bytes)
        assert.isTrue(Result.isSuccess(result) || result.failure.length > 0)
      }
    }
  })
})
