import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as Check from "effect-code-mode/Check"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  find_issues: Delegate.tool({
    description: "Finds issues by their text",
    parameters: Schema.Struct({ query: Schema.String, limit: Schema.optionalKey(Schema.Int) }),
    success: Schema.Array(Schema.Struct({ id: Schema.Int, title: Schema.String })),
    handler: ({ query }) => Effect.as(Console.log(`called: find_issues ${query}`), [{ id: 7, title: "Typo" }])
  })
})

// Two of the three mistakes would have shown only after the first call had had its effect.
const first = `
const open = await tools.find_issues({ query: "open" })
const closed = await tools.find_issues({ querry: "closed" })
text(tools.find_issue({ query: "all" }))
text(open.length)
`

const second = `
const issues = await Promise.all(["open", "closed"].map((query) => tools.find_issues({ query })))
text(issues.flat().length)
`

const main = Effect.gen(function*() {
  const codeMode = yield* CodeMode.CodeMode
  for (const source of [first, second]) {
    const { items, status } = yield* codeMode.exec({ source })
    yield* Console.log(status)
    for (const item of items.slice(1)) {
      yield* Console.log(item.type === "input_text" ? item.text : item.type)
    }
  }
})

const layer = CodeMode.layer({ check: "names" }).pipe(
  Layer.provide(Runtime.layer()),
  Layer.provide([tools, V8.layer(), Check.layer()])
)

main.pipe(
  Effect.provide(layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
