/** `examples/agent` with a model behind HTTP, at a server that stands in for its provider. */
import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import type { NestedToolCall } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { agent, layer, NoSuchOrder, Shop } from "../../examples/agent/agent.ts"
import * as Traced from "../telemetry/Traced.ts"
import * as Responses from "./Responses.ts"

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) {
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Gives one output after the other, and keeps what it was asked. */
const provider = (outputs: ReadonlyArray<(asked: any) => object>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const requests: Array<any> = []
      const server = createServer(async (request, response) => {
        const asked = JSON.parse(await bodyOf(request))
        requests.push({ path: request.url, key: request.headers.authorization, ...asked })
        const output = outputs[requests.length - 1]
        response.writeHead(output === undefined ? 500 : 200, { "content-type": "application/json" })
        response.end(JSON.stringify({
          id: `response-${requests.length}`,
          output: output === undefined ? [] : [output(asked)],
          usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
        }))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      return { server, requests, url: `http://127.0.0.1:${port}/v1` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

const call = (id: string, name: string, input: object) => () => ({
  type: "function_call",
  id: `item-${id}`,
  call_id: id,
  name,
  arguments: JSON.stringify(input),
  status: "completed"
})

const say = (text: string) => () => ({
  type: "message",
  id: "message",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }]
})

const shop = (done: Array<string>) => {
  const orders = [
    { id: "A-1", customer: "ada", cents: 2_000, status: "late" },
    { id: "A-2", customer: "bob", cents: 90_000, status: "late" }
  ] as const
  return Layer.succeed(
    Shop,
    Shop.of({
      orders: Effect.succeed(orders),
      refund: (id) => {
        const order = orders.find((order) => order.id === id)
        done.push(`refund ${id}`)
        return order === undefined
          ? Effect.fail(new NoSuchOrder({ id }))
          : Effect.succeed({ ...order, status: "refunded" })
      },
      mail: (to) => Effect.sync(() => void done.push(`mail ${to}`))
    })
  )
}

/** What the provider was told of a call. */
const toldOf = ({ input }: any, id: string): string =>
  input.find((item: any) => item.type === "function_call_output" && item.call_id === id).output
    .map(({ text }: { readonly text: string }) => text).join("\n")

const run = (
  outputs: ReadonlyArray<(asked: any) => object>,
  decide: (call: NestedToolCall) => Approver.Decision = () => Approver.approved()
) =>
  Effect.gen(function*() {
    const { requests, url } = yield* provider(outputs)
    const done: Array<string> = []
    const asked: Array<unknown> = []
    const { spans, traced } = Traced.make()
    const approver = Approver.layerCallback(({ call }) =>
      Effect.sync(() => {
        asked.push(call.input)
        return decide(call)
      })
    )
    const model = Responses.layer({ url, model: "stand-in", key: "secret" }).pipe(
      Layer.provide(FetchHttpClient.layer)
    )
    const answer = yield* Effect.result(agent("Refund what is late.")).pipe(
      Effect.provide(Layer.merge(layer.pipe(Layer.provide([shop(done), approver])), model)),
      traced
    )
    return { answer, asked, done, requests, spans }
  })

describe("examples/agent, with a model behind HTTP", () => {
  it.live("calls tools from cells, asks before a refund, and answers", () =>
    Effect.gen(function*() {
      const { answer, asked, done, requests, spans } = yield* run([
        call("one", "exec", {
          source: `
            const late = await tools.find_orders({ status: "late" })
            for (const { id, customer } of late) {
              try {
                await tools.refund({ id, reason: "late" })
                await tools.send_mail({ customer, text: "sorry" })
              } catch (e) { text(id + ": " + e.message) }
            }
            text((await tools.refund({ id: "B", reason: "?" }).catch(String)))`
        }),
        call("two", "exec", { source: "await tools.refnd({})" }),
        call("three", "exec", {
          source: "text('before'); yield_control(); await tools.find_orders({}); text('after')"
        }),
        ({ input }) =>
          call("four", "wait", {
            cell_id: /cell ID (\S+)/.exec(JSON.stringify(input.at(-1)))![1]!.replace(/\\n.*/, "")
          })(),
        say("A-1 is paid back.")
      ], ({ input }) => JSON.stringify(input).includes("A-2") ? Approver.denied("ask Carol") : Approver.approved())
      assert.deepStrictEqual(answer._tag === "Success" ? answer.success : answer, "A-1 is paid back.")
      assert.deepStrictEqual(done, ["refund A-1", "mail ada", "refund B"])
      assert.deepStrictEqual(asked, [
        { id: "A-1", reason: "late" },
        { id: "A-2", reason: "late" },
        { id: "B", reason: "?" }
      ])

      const [first] = requests
      assert.deepStrictEqual([first.path, first.key, first.model], ["/v1/responses", "Bearer secret", "stand-in"])
      assert.deepStrictEqual(first.input.map(({ role }: any) => role), ["system", "user"])
      assert.deepStrictEqual(first.tools.map(({ name }: any) => name), ["exec", "wait"])
      assert.include(first.tools[0].description, "refund(args: { id: string; reason: string; })")
      assert.deepStrictEqual(first.tools[0].parameters.required, ["source"])

      const told = requests.at(-1)
      assert.match(toldOf(told, "one"), /^Script completed\n[^]*\nA-2: [^\n]*ask Carol[^\n]*\nthere is no order B\n/)
      assert.include(toldOf(told, "two"), "did you mean tools.refund?")
      assert.match(toldOf(told, "three"), /^Script running with cell ID \S+\n[^]*\nbefore$/)
      assert.match(toldOf(told, "four"), /^Script completed\n[^]*\nafter$/)

      const names = spans.map(({ name }) => name)
      assert.includeMembers(names, ["agent", "CodeMode.exec", "CodeMode.wait", "find_orders", "refund", "send_mail"])
      const refund = spans.find(({ name }) => name === "refund")!
      assert.strictEqual(refund.attributes.get("id"), "A-1")
      assert.isString(refund.attributes.get("idempotencyKey"))
      const above: Array<string> = []
      for (let span = refund.parent; Option.isSome(span) && span.value._tag === "Span"; span = span.value.parent) {
        above.push(span.value.name)
      }
      assert.deepStrictEqual(above.slice(0, 3), ["execute_tool refund", "code-mode.cell", "CodeMode.exec"])
    }))

  it.live("ends when its provider fails, and when it goes on and on", () =>
    Effect.gen(function*() {
      const broken = yield* run([])
      assert(broken.answer._tag === "Failure")
      assert.strictEqual(broken.answer.failure._tag, "AiError")
      const endless = yield* run(Array.from({ length: 30 }, (_, n) => call(`${n}`, "exec", { source: "text(1)" })))
      assert(endless.answer._tag === "Failure")
      assert.strictEqual(endless.answer.failure._tag, "TooManyTurns")
      assert.lengthOf(endless.requests, 20)
    }))
})
