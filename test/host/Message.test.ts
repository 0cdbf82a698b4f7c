import { assert, describe, it } from "@effect/vitest"
import * as Glance from "effect-code-mode/wire/Glance"
import * as Message from "effect-code-mode/wire/Message"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decode } from "./Client.ts"

/** Every shape of a message, as JSON that the published host and its clients have sent. */
const fromClients = [
  `{"type":"connection/hello","supportedVersions":[1,2],"requiredCapabilities":["a"],"optionalCapabilities":["b"]}`,
  `{"type":"operation/request","id":1,"request":{"method":"session/open","sessionId":"s1"}}`,
  `{"type":"operation/request","id":-5,"request":{"method":"session/open","sessionId":"s1","cellExecutionLimits":{"maxYieldTimeMs":50,"maxHeapSizeBytes":0},"outputTruncation":"server"}}`,
  `{"type":"operation/request","id":2,"request":{"method":"session/open","sessionId":"s1","cellExecutionLimits":{"maxYieldTimeMs":null,"maxHeapSizeBytes":null},"outputTruncation":null}}`,
  `{"type":"operation/request","id":2,"request":{"method":"session/open","sessionId":"s1","cellExecutionLimits":null,"outputTruncation":"client"}}`,
  `{"type":"operation/request","id":3,"request":{"method":"session/execute","sessionId":"s1","request":{"tool_call_id":"c","enabled_tools":[{"name":"a","tool_name":{"name":"a","namespace":null},"description":"d","kind":"freeform","input_schema":{"type":"object"},"output_schema":null}],"source":"text(1)","yield_time_ms":1000,"max_output_tokens":null}}}`,
  `{"type":"operation/request","id":3,"request":{"method":"session/execute","sessionId":"s1","request":{"tool_call_id":"","enabled_tools":[{"name":"","tool_name":{"name":""},"description":"","kind":"function"}],"source":""}}}`,
  `{"type":"operation/request","id":3,"request":{"method":"session/execute","sessionId":"s1","request":{"tool_call_id":"","enabled_tools":[],"source":"","yield_time_ms":null,"max_output_tokens":-1}}}`,
  `{"type":"operation/request","id":4,"request":{"method":"session/wait","sessionId":"s1","request":{"cell_id":"1","yield_time_ms":10000000000000000000},"maxOutputTokens":5}}`,
  `{"type":"operation/request","id":5,"request":{"method":"session/terminate","sessionId":"s1","cellId":"1","maxOutputTokens":null}}`,
  `{"type":"operation/request","id":6,"request":{"method":"session/shutdown","sessionId":"s1"}}`,
  `{"type":"operation/cancel","id":7}`,
  `{"type":"operation/yield","id":8}`,
  `{"type":"delegate/response","id":9,"result":{"status":"ok","value":{"type":"tool/result","result":{"any":[1,null]}}}}`,
  `{"type":"delegate/response","id":9,"result":{"status":"ok","value":{"type":"notification/delivered"}}}`,
  `{"type":"delegate/response","id":9,"result":{"status":"error","message":"boom"}}`
]

const fromHosts = [
  `{"type":"connection/ready","selectedVersion":1,"capabilities":["yield-observation"]}`,
  `{"type":"connection/rejected","reason":{"type":"noCompatibleVersion","supportedVersions":[1]}}`,
  `{"type":"connection/rejected","reason":{"type":"missingRequiredCapability","capability":"x"}}`,
  `{"type":"connection/rejected","reason":{"type":"invalidHello","message":"m"}}`,
  `{"type":"operation/response","id":1,"result":{"status":"ok","value":{"type":"session/ready","sessionId":"s1"}}}`,
  `{"type":"operation/response","id":2,"result":{"status":"ok","value":{"type":"execution/started","cellId":"1"}}}`,
  `{"type":"operation/response","id":2,"result":{"status":"error","message":"m"}}`,
  `{"type":"execute/initialResponse","id":2,"result":{"status":"ok","value":{"Result":{"cell_id":"1","content_items":[{"type":"input_text","text":"1"},{"type":"input_image","image_url":"data:,","detail":"high"},{"type":"input_audio","audio_url":"data:,"}],"error_text":null,"result_buffered_for_ns":0,"code_mode_host_duration_ns":7}}}}`,
  `{"type":"execute/initialResponse","id":2,"result":{"status":"ok","value":{"Yielded":{"cell_id":"1","content_items":[],"code_mode_host_duration_ns":7}}}}`,
  `{"type":"operation/response","id":3,"result":{"status":"ok","value":{"type":"wait/completed","outcome":{"LiveCell":{"Terminated":{"cell_id":"1","content_items":[],"code_mode_host_duration_ns":7}}}}}}`,
  `{"type":"operation/response","id":3,"result":{"status":"ok","value":{"type":"wait/completed","outcome":{"MissingCell":{"Result":{"cell_id":"1","content_items":[],"error_text":"exec cell 1 not found","result_buffered_for_ns":0,"code_mode_host_duration_ns":7}}}}}}`,
  `{"type":"operation/response","id":4,"result":{"status":"ok","value":{"type":"session/closed","sessionId":"s1"}}}`,
  `{"type":"delegate/request","id":1,"sessionId":"s1","request":{"type":"tool/invoke","invocation":{"cell_id":"1","runtime_tool_call_id":"tool-1","tool_name":{"name":"t","namespace":"ns__"},"tool_kind":"freeform","input":"x"}}}`,
  `{"type":"delegate/request","id":1,"sessionId":"s1","request":{"type":"notification/send","callId":"c","cellId":"1","text":"n"}}`,
  `{"type":"delegate/cancel","id":1}`,
  `{"type":"cell/closed","sessionId":"s1","cellId":"1"}`
]

const decodeStrictly = Schema.decodeUnknownResult(Message.ClientMessage, { onExcessProperty: "error" })

const refusal = (text: string): string => {
  const message = Message.decodeClientMessage(text)
  assert.isTrue(Result.isFailure(message), text)
  return Result.isFailure(message) ? message.failure : ""
}

/** A value with one more field in one of its objects, for each of its objects but those that are free JSON. */
const withExtraField = (value: unknown): Array<unknown> => {
  if (Array.isArray(value)) {
    return value.flatMap((element, index) => withExtraField(element).map((changed) => value.with(index, changed)))
  }
  if (typeof value !== "object" || value === null) {
    return []
  }
  const fields = Object.entries(value)
  const inner = fields.flatMap(([name, field]) =>
    name === "result" && "type" in value && value.type === "tool/result" || name === "input_schema"
      ? []
      : withExtraField(field).map((changed) => ({ ...value, [name]: changed }))
  )
  const tolerated = fields.some(([name, field]) => name === "type" && field === "notification/delivered")
  return tolerated ? inner : [{ ...value, unexpected: true }, ...inner]
}

describe("a line of the wire", () => {
  it("is one line for every reader", () => {
    const text = "a\u2028b\u2029c"
    const json = Message.encode({ type: "x", text } as { readonly type: string })
    assert.notMatch(json, /[\u2028\u2029]/)
    assert.deepStrictEqual(JSON.parse(json), { type: "x", text })
  })
})

const odd = [null, true, "", " ", "x", "function", -1, -0, 1.5, 2 ** 31, 2 ** 53, [], {}, [1], { a: 1 }]

/** A value with one change: something in it is another thing, is gone, or is there besides. */
function* changesOf(value: unknown): Generator<unknown> {
  yield* odd
  if (typeof value !== "object" || value === null) {
    return
  }
  for (const [name, field] of Object.entries(value)) {
    const without = Object.entries(value).filter(([other]) => other !== name)
    yield Array.isArray(value) ? without.map(([, element]) => element) : Object.fromEntries(without)
    for (const changed of changesOf(field)) {
      yield Array.isArray(value) ? value.with(Number(name), changed) : { ...value, [name]: changed }
    }
  }
  yield Array.isArray(value) ? [...value, 1] : { ...value, unexpected: 1 }
}

describe("messages", () => {
  it("that are known at a glance", () => {
    const known = fromClients.filter((text) => Glance.isMessage(JSON.parse(text)))
    assert.deepStrictEqual(known, fromClients.filter((text) => /session.execute|tool.result|"boom"/.test(text)))
  })

  it("that are known at a glance decode to themselves, whatever is changed in one", () => {
    let known = 0
    for (const message of fromClients.flatMap((text) => [...changesOf(JSON.parse(text))])) {
      if (Glance.isMessage(message)) {
        known++
        assert.deepStrictEqual(decodeStrictly(message), Result.succeed(message as Message.ClientMessage))
      }
    }
    assert.isAbove(known, 100)
  })

  it("of clients are what they were after a round trip", () => {
    for (const text of fromClients) {
      const message = Message.decodeClientMessage(text)
      assert.deepStrictEqual(Result.map(message, Message.encode), Result.succeed(text))
    }
  })

  it("of hosts are what they were after a round trip", () => {
    for (const text of fromHosts) {
      assert.deepStrictEqual(Result.map(decode(text), Message.encode), Result.succeed(text))
    }
  })

  it("with a field that is not known are refused, wherever it is", () => {
    const changed = fromClients.flatMap((text) => withExtraField(JSON.parse(text)))
    assert.strictEqual(changed.length, 40)
    for (const message of changed) {
      assert.match(refusal(JSON.stringify(message)), /excess property/)
    }
  })

  it("tolerate fields beside notification/delivered, as the published host does", () => {
    const text =
      `{"type":"delegate/response","id":9,"result":{"status":"ok","value":{"type":"notification/delivered","x":1}}}`
    assert.isTrue(Result.isSuccess(Message.decodeClientMessage(text)))
  })

  it("without a field that is needed are refused", () => {
    const hello = { type: "connection/hello", supportedVersions: [1], requiredCapabilities: [] }
    assert.match(refusal(JSON.stringify(hello)), /Missing key/)
    const wait = { method: "session/wait", sessionId: "s", request: { cell_id: "1" } }
    assert.match(refusal(JSON.stringify({ type: "operation/request", id: 1, request: wait })), /Missing key/)
    assert.match(
      refusal(`{"type":"delegate/response","id":9,"result":{"status":"ok","value":{"type":"tool/result"}}}`),
      /Missing key/
    )
  })

  it("that are none are refused", () => {
    for (
      const text of ["", "{", "[]", "null", "5", "{}", `{"type":"zzz"}`, `{"type":"connection/ready"}`, "\ufeff{}"]
    ) {
      refusal(text)
    }
    refusal(`${fromClients[1]}x`)
    refusal("[".repeat(100_000))
  })

  it("come with white space around them", () => {
    assert.isTrue(Result.isSuccess(Message.decodeClientMessage(` \n${fromClients[1]}\t`)))
  })

  const hello = (fields: object) =>
    JSON.stringify({
      type: "connection/hello",
      supportedVersions: [1],
      requiredCapabilities: [],
      optionalCapabilities: [],
      ...fields
    })

  it("of greeting are refused where versions or capabilities make no sense", () => {
    refusal(hello({ supportedVersions: [] }))
    refusal(hello({ supportedVersions: [0] }))
    assert.match(refusal(hello({ supportedVersions: [1, 1] })), /duplicate protocol version 1/)
    assert.match(refusal(hello({ requiredCapabilities: ["a", "a"] })), /duplicate capability a/)
    assert.match(refusal(hello({ optionalCapabilities: [" "] })), /identifier must not be empty/)
    assert.match(
      refusal(hello({ requiredCapabilities: ["a"], optionalCapabilities: ["a"] })),
      /capability `a` cannot be both required and optional/
    )
  })

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

  it("of greeting are refused where a list is too long, however long it is", () => {
    const names = (count: number) => numbers(count).map((number) => `capability-${number}`)
    assert.isTrue(Result.isSuccess(Message.decodeClientMessage(hello({
      supportedVersions: numbers(256),
      requiredCapabilities: names(1024),
      optionalCapabilities: names(1024).map((name) => `other-${name}`)
    }))))
    assert.match(refusal(hello({ supportedVersions: numbers(257) })), /more than 256 elements\n.*"supportedVersions"/)
    const many = names(1_000_000)
    for (const count of [1025, 60_000, many.length]) {
      const some = many.slice(0, count)
      assert.match(refusal(hello({ requiredCapabilities: some })), /more than 1024 elements\n.*"requiredCap/)
      assert.match(refusal(hello({ optionalCapabilities: some })), /more than 1024 elements\n.*"optionalCap/)
    }
  })

  it("of greeting are read in a time that grows with their length", () => {
    const both = numbers(1024).map((number) => `${"x".repeat(1000)}${number}`)
    assert.match(
      refusal(hello({ requiredCapabilities: both.slice(1), optionalCapabilities: both.toReversed() })),
      /cannot be both required and optional/
    )
    assert.match(
      refusal(hello({ requiredCapabilities: [...both.slice(1), both[1023]] })),
      /duplicate capability x+1024/
    )
  })

  const request = (request: object) => JSON.stringify({ type: "operation/request", id: 1, request })

  it("of requests are refused where a number is out of its range", () => {
    const execute = { tool_call_id: "", enabled_tools: [], source: "" }
    for (const yieldTime of [-1, 1.5, "1"]) {
      refusal(request({ method: "session/wait", sessionId: "s", request: { cell_id: "1", yield_time_ms: yieldTime } }))
    }
    refusal(request({ method: "session/wait", sessionId: "s", request: { cell_id: "1", yield_time_ms: null } }))
    for (const max of [2 ** 31, -(2 ** 31) - 1, 0.5]) {
      refusal(request({ method: "session/execute", sessionId: "s", request: { ...execute, max_output_tokens: max } }))
    }
    refusal(request({ method: "session/terminate", sessionId: "s", cellId: "1", maxOutputTokens: -1 }))
    refusal(request({ method: "session/open", sessionId: "s", cellExecutionLimits: { maxYieldTimeMs: -1 } }))
    refusal(request({ method: "session/open", sessionId: "s", cellExecutionLimits: { maxHeapSizeBytes: 1.5 } }))
  })

  it("of requests are refused where they bring too many tools", () => {
    const tool = {
      name: "t",
      tool_name: { name: "t", namespace: null },
      description: "",
      kind: "function",
      input_schema: null,
      output_schema: null
    }
    const execute = (count: number) =>
      request({
        method: "session/execute",
        sessionId: "s",
        request: { tool_call_id: "", enabled_tools: Array.from({ length: count }, () => tool), source: "" }
      })
    assert.isTrue(Result.isSuccess(Message.decodeClientMessage(execute(16_384))))
    assert.match(refusal(execute(16_385)), /more than 16384 elements\n.*"enabled_tools"/)
  })

  it("of requests are refused where an id is too long to remember", () => {
    const shutdown = (length: number) => request({ method: "session/shutdown", sessionId: "x".repeat(length) })
    assert.isTrue(Result.isSuccess(Message.decodeClientMessage(shutdown(4096))))
    assert.match(refusal(shutdown(4097)), /identifier has more than 4096 characters/)
  })

  it("are refused in few words, however long their own are", () => {
    for (const text of [`{"type":"operation/cancel","id":1,"${"x".repeat(1e6)}":1}`, "x".repeat(1e6)]) {
      assert.isAtMost(refusal(text).length, 4096)
    }
  })

  it("of requests are refused where a word is not known, or an id is blank", () => {
    refusal(request({ method: "session/zzz", sessionId: "s" }))
    refusal(request({ method: "session/open", sessionId: "s", outputTruncation: "both" }))
    assert.match(refusal(request({ method: "session/open", sessionId: "" })), /identifier must not be empty/)
    assert.match(refusal(request({ method: "session/shutdown", sessionId: " \t" })), /identifier must not be empty/)
  })
})

describe("ids", () => {
  const cancel = (id: string) => `{"type":"operation/cancel","id":${id}}`

  it("are 64-bit integers, and come back as they came", () => {
    for (const id of ["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"]) {
      assert.deepStrictEqual(
        Result.map(Message.decodeClientMessage(cancel(id)), Message.encode),
        Result.succeed(cancel(id))
      )
    }
  })

  it("are found in a time that grows with the message", () => {
    const message = Message.decodeClientMessage(
      `{"type":"delegate/response","id":9007199254740993,"result":{"status":"ok","value":{"type":"tool/result","result":[${
        "{\"id\":1},".repeat(1_000_000)
      }0]}}}`
    )
    assert.deepStrictEqual(
      Result.map(message, ({ type, ...rest }) => "id" in rest && rest.id),
      Result.succeed(9007199254740993n)
    )
  })

  it("do not change what else is called id", () => {
    const text =
      `{"type":"delegate/response","id":9007199254740993,"result":{"status":"ok","value":{"type":"tool/result","result":{"id":1e300}}}}`
    const message = Message.decodeClientMessage(text)
    assert.deepStrictEqual(
      Result.map(message, (message) => message.type === "delegate/response" && message.result),
      Result.succeed({ status: "ok" as const, value: { type: "tool/result" as const, result: { id: 1e300 } } })
    )
  })

  it("are refused where they are anything else", () => {
    for (const id of ["1.5", "\"1\"", "null", "9223372036854775808", "1e300", "true"]) {
      refusal(cancel(id))
    }
  })
})

describe("encoding", () => {
  const encodeText = (text: string) => {
    const message: Message.HostMessage = {
      type: "delegate/request",
      id: 1,
      sessionId: "s",
      request: { type: "notification/send", callId: "c", cellId: "1", text }
    }
    return Message.encode(message)
  }
  const readBack = (text: string): unknown => JSON.parse(encodeText(text)).request.text

  it("puts a replacement for half of a surrogate pair, which readers refuse", () => {
    assert.strictEqual(readBack("a\ud800b"), "a\ufffdb")
    assert.strictEqual(readBack("\udfff\ud800"), "\ufffd\ufffd")
    assert.notInclude(encodeText("\ud800\udbff"), "\\u")
  })

  it("leaves whole pairs and backslashes alone", () => {
    for (const text of ["😀", "\\ud800", "\\\\ud800", "\\", "\\\\", "\u0000\u001f", "\"\\\"", "C:\\udders"]) {
      assert.strictEqual(readBack(text), text)
    }
    assert.strictEqual(readBack("\\\ud800"), "\\\ufffd")
  })
})
