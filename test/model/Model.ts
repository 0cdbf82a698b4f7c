/** A model that says what a test has written down, and the sessions that it runs cells in. */
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** What a model says in one turn: text, or calls of tools. */
export type Say = string | ReadonlyArray<{ readonly name: string; readonly params: unknown }>

/** A turn as the model's provider got it. */
export interface Request {
  readonly prompt: Prompt.Prompt
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description?: string | undefined }>
}

let ids = 0

/** Says one thing after the other. `seen` is what each turn was asked with. */
export const scripted = (...turns: ReadonlyArray<Say | ((request: Request) => Say)>) => {
  const seen: Array<Request> = []
  const layer = Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: (options) =>
        Effect.sync((): Array<Response.PartEncoded> => {
          const request = { prompt: options.prompt, tools: options.tools }
          const turn = turns[seen.length] ?? "done"
          seen.push(request)
          const say = typeof turn === "function" ? turn(request) : turn
          const parts: Array<Response.PartEncoded> = typeof say === "string"
            ? [{ type: "text", text: say }]
            : say.map(({ name, params }) => ({ type: "tool-call", id: `call-${++ids}`, name, params }))
          return [...parts, {
            type: "finish",
            reason: typeof say === "string" ? "stop" : "tool-calls",
            usage: {
              inputTokens: { uncached: undefined, total: 0, cacheRead: undefined, cacheWrite: undefined },
              outputTokens: { total: 0, text: undefined, reasoning: undefined }
            },
            response: undefined
          }]
        }),
      streamText: () => Stream.die("not played")
    })
  )
  return { layer, seen }
}

export const exec = (source: string): Say => [{ name: "exec", params: { source } }]

export const wait = (params: Readonly<Record<string, unknown>>): Say => [{ name: "wait", params }]

const any = Schema.Struct({}).annotate({ additionalProperties: true } as never)

/** Tools of a test. `slow` takes a second, `hang` never answers. */
export const tools = {
  echo: Delegate.tool({
    description: "Gives back its argument",
    parameters: Schema.Unknown,
    handler: (value) => Effect.succeed((value ?? null) as Schema.Json)
  }),
  fail: Delegate.tool({
    description: "Fails",
    parameters: any,
    handler: () => Effect.fail("path is required")
  }),
  slow: Delegate.tool({
    description: "Answers after a while",
    parameters: any,
    handler: () => Effect.as(Effect.sleep("300 millis"), "slow")
  }),
  hang: Delegate.tool({
    description: "Never answers",
    parameters: any,
    handler: () => Effect.never
  })
}

/** Code mode over a real session with these tools. */
export const layer = (options: {
  readonly codeMode?: CodeMode.Options
  readonly runtime?: Runtime.Options
  readonly delegate?: Layer.Layer<Delegate.Delegate>
} = {}) =>
  CodeMode.layer(options.codeMode).pipe(
    Layer.provideMerge(Runtime.layer({ cellIds: "sequential", ...options.runtime })),
    Layer.provide([options.delegate ?? Delegate.layerTools(tools), V8.layer({ warmLanes: 0 })])
  )

/** A result's items, texts alone. */
export const textsOf = ({ items }: { readonly items: ReadonlyArray<Protocol.OutputItem> }) =>
  items.map((item) => item.type === "input_text" ? item.text : item.type)

/** What stands after the header. */
export const outputOf = (result: CodeMode.Output) => {
  const [header, ...others] = textsOf(result)
  return { header: header!.replace(/Wall time \d+\.\d seconds/, "Wall time T seconds"), output: others }
}
