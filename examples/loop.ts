import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  build: Delegate.tool({
    description: "Builds the project, which takes a while",
    parameters: Schema.Struct({}),
    handler: () => Effect.as(Effect.sleep("300 millis"), "built")
  })
})

/** A call as a model's API gives it. */
interface Call {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** Stands for a request to any API that knows tools: what it answers with, given what it has been told so far. */
const complete = (_: { readonly tools: ReadonlyArray<object>; readonly told: ReadonlyArray<string> }) => {
  const running = /cell ID (\S+)/.exec(_.told.at(-1) ?? "")?.[1]
  const call: Call | undefined = _.told.length === 0
    ? { id: "1", name: "exec", arguments: JSON.stringify({ source: "text(await tools.build({}))" }) }
    : running !== undefined
    ? { id: "2", name: "wait", arguments: JSON.stringify({ cell_id: running }) }
    : undefined
  return Effect.succeed({ text: "It is built.", call })
}

const main = Effect.gen(function*() {
  const codeMode = yield* CodeMode.CodeMode
  const { exec, wait } = yield* codeMode.descriptions
  const declared = [
    { name: "exec", description: exec, parameters: { source: "string" } },
    { name: "wait", description: wait, parameters: { cell_id: "string", "yield_time_ms?": "integer" } }
  ]
  const told: Array<string> = []
  while (true) {
    const { call, text } = yield* complete({ tools: declared, told })
    if (call === undefined) {
      return yield* Console.log(text)
    }
    const input = JSON.parse(call.arguments)
    const { items, status } = yield* call.name === "exec"
      ? codeMode.exec({ source: input.source, callId: call.id })
      : codeMode.wait({ cellId: input.cell_id, yieldTime: input.yield_time_ms })
    told.push(items.map((item) => item.type === "input_text" ? item.text : `[${item.type}]`).join("\n"))
    yield* Console.log(`${call.name}: ${status}`)
  }
})

const layer = CodeMode.layer({ yieldTime: "100 millis" }).pipe(
  Layer.provide(Runtime.layer()),
  Layer.provide([tools, V8.layer()])
)

main.pipe(
  Effect.provide(layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
