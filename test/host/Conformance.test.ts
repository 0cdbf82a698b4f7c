/** The cases of the JavaScript surface, over the wire. */
import { describe, layer } from "@effect/vitest"
import { Delegate } from "effect-code-mode/Delegate"
import * as Host from "effect-code-mode/Host"
import { Isolate } from "effect-code-mode/Isolate"
import { CellId, type CellRequest, type ObserveOutcome, type ToolDefinition } from "effect-code-mode/Protocol"
import * as V8 from "effect-code-mode/V8"
import type { CellResponse } from "effect-code-mode/wire/Message"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { duplexPair } from "node:stream"
import { Cases } from "../conformance/Case.ts"
import type { Cell, Driver } from "../conformance/Driver.ts"
import * as Runner from "../conformance/Runner.ts"
import { type Answer, Client, type Response } from "./Client.ts"

const toOutcome = (response: CellResponse): ObserveOutcome => {
  if ("Result" in response) {
    const { cell_id, content_items: items, error_text: text } = response.Result
    const cellId = CellId.make(cell_id)
    return text === null
      ? { _tag: "Completed", cellId, items }
      : { _tag: "Completed", cellId, items, error: { _tag: "ScriptError", text } }
  }
  const [_tag, { cell_id, content_items: items }] = "Yielded" in response
    ? ["Yielded" as const, response.Yielded]
    : ["Terminated" as const, response.Terminated]
  return { _tag, cellId: CellId.make(cell_id), items }
}

const readAnswer = (answer: Answer): Effect.Effect<ObserveOutcome> => {
  if (answer.status !== "ok" || answer.value.type !== "wait/completed") {
    return Effect.die(new Error(JSON.stringify(answer)))
  }
  const { outcome } = answer.value
  if ("LiveCell" in outcome) {
    return Effect.succeed(toOutcome(outcome.LiveCell))
  }
  const missing = toOutcome(outcome.MissingCell)
  return Effect.succeed({ _tag: "Missing", cellId: missing.cellId })
}

const readResponse = (response: Response): Effect.Effect<ObserveOutcome> =>
  response.status === "ok"
    ? Effect.succeed(toOutcome(response.value))
    : Effect.die(new Error(response.message))

const toTool = (tool: ToolDefinition) => ({
  name: tool.name,
  tool_name: tool.toolName,
  description: tool.description,
  kind: tool.kind,
  input_schema: tool.inputSchema ?? null,
  output_schema: tool.outputSchema ?? null
})

const forever = 1e12

const toMillis = (yieldAfter: Duration.Input | undefined) =>
  yieldAfter === undefined ? forever : Duration.toMillis(yieldAfter)

/** One connection for each session. */
const driver: Driver<Isolate> = Effect.fnUntraced(function*(layer) {
  const [hostSide, clientSide] = duplexPair()
  yield* Effect.forkScoped(Host.serve({ input: hostSide, output: hostSide }))
  const client = new Client(clientSide, clientSide)
  client.serve(Context.get(yield* Layer.build(layer), Delegate))
  yield* client.hello()
  yield* client.open()

  const execute = Effect.fnUntraced(function*(request: CellRequest, yieldAfter: Duration.Input | undefined) {
    const { cellId, initial } = yield* client.execute(request.source, {
      tools: (request.tools ?? []).map(toTool),
      callId: request.callId,
      yieldTime: toMillis(yieldAfter)
    })
    const observe = (yieldAfter: Duration.Input | undefined) =>
      Effect.flatMap(client.wait(cellId, toMillis(yieldAfter)), readAnswer)
    const cell: Cell = {
      id: CellId.make(cellId),
      initial: Effect.flatMap(initial, readResponse),
      observe,
      terminate: Effect.flatMap(client.terminate(cellId), readAnswer),
      // Version 1 of the wire tells of output at observations alone.
      awaitOutput: () => Effect.die(new Error("not on the wire"))
    }
    return cell
  })

  return { execute, shutdown: Effect.asVoid(client.shutdown()) }
})

/** Every session on one lane: starting a process for each case would take longer than the case. */
const oneLane = Layer.effect(
  Isolate,
  Effect.gen(function*() {
    const { lease } = yield* Isolate
    return Isolate.of({ lease: Effect.succeed(yield* lease) })
  })
).pipe(Layer.provide(V8.layer({ warmLanes: 0 })))

const directory = join(import.meta.dirname, "../conformance/cases")
const decode = Schema.decodeUnknownSync(Cases)

layer(oneLane, { excludeTestServices: true })("over the wire", (it) => {
  for (const file of globSync("*.json", { cwd: directory }).toSorted()) {
    describe.concurrent(file.replace(".json", ""), () => {
      const cases = decode(readFileSync(join(directory, file), "utf8"))
      // Version 1 has no way to watch output.
      for (const one of cases.filter(({ steps }) => steps.every(({ _tag }) => _tag !== "AwaitOutput"))) {
        it.effect(one.name, () => Runner.run(one, driver))
      }
    })
  }
})
