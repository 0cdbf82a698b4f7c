/** A session with a canary in it: a cell that answers questions as long as it lives. */
import * as Delegate from "effect-code-mode/Delegate"
import type { Isolate } from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Schema from "effect/Schema"

/** Nothing here takes this long unless it is stuck for ever. */
export const wedged = "20 seconds"

/** In the memory of every canary. */
export const canarySecret = "secret-of-a-canary-44d0"

const canarySource = `
const memory = ${JSON.stringify(canarySecret)}
for (let question = await tools.question(); memory !== ""; question = await tools.question()) {
  tools.answer(question + 1)
}`

const names = ["echo", "fail", "hold", "__proto__", "constructor", "toString", "hasOwnProperty", "then", "valueOf"]

const definition = (name: string): Protocol.ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description: `the tool ${name}`,
  kind: "function"
})

export interface Options {
  /** Sees everything that leaves the session's cells: outputs, notifications, tool inputs. */
  readonly onSaid: (text: string) => void
  readonly limits?: Protocol.Limits
  readonly storedValues?: Readonly<Record<string, Schema.Json>>
  /** Whether it is a durable session, in a store of its own. */
  readonly isDurable?: boolean
}

const sessionLayer = ({ isDurable, limits, storedValues }: Options) =>
  isDurable === true
    ? Runtime.layerDurable({ session: "playground", limits, storedValues }).pipe(
      Layer.provide(Layer.fresh(Store.layerMemory())),
      Layer.orDie
    )
    : Runtime.layer({ limits, storedValues })

/** Opens a session whose canary sings, and ends it with the scope. */
export const open = Effect.fnUntraced(function*(engine: Layer.Layer<Isolate>, options: Options) {
  const questions = yield* Queue.unbounded<number>()
  const answers = yield* Queue.unbounded<number>()

  const delegate = Delegate.layer({
    tools: names.map(definition),
    invokeTool: (call) => {
      switch (call.toolName.name) {
        case "question":
          return Queue.take(questions)
        case "answer":
          return Effect.as(Queue.offer(answers, call.input as number), null)
        case "fail":
          return Effect.fail(new Protocol.ToolError({ text: "boom" }))
        case "hold":
          return Effect.never
        default:
          return Effect.sync(() => {
            options.onSaid(typeof call.input === "string" ? call.input : "")
            return call.input ?? null
          })
      }
    },
    notify: ({ text }) => Effect.sync(() => options.onSaid(text))
  })
  const context = yield* Layer.build(
    Layer.fresh(sessionLayer(options)).pipe(Layer.provide([delegate, engine]))
  )
  const session = yield* Effect.provideContext(Runtime.SessionRuntime, context)
  const canary = yield* session.create({
    callId: "canary",
    source: canarySource,
    tools: [definition("question"), definition("answer")]
  })

  let asked = 0
  /** Asks the canary something; says whether it lives. */
  const ask = Effect.gen(function*() {
    const question = ++asked
    yield* Queue.offer(questions, question)
    const answer = Effect.repeat(Queue.take(answers), { until: (answer) => answer === question + 1 })
    return yield* Effect.raceFirst(
      Effect.as(answer, true),
      session.awaitSettled(canary.id).pipe(Effect.ignore, Effect.as(false))
    ).pipe(Effect.timeout(wedged))
  })

  return { session, ask }
})

export type Playground = Effect.Success<ReturnType<typeof open>>
