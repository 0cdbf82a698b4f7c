/**
 * A model behind an HTTP API of the shape of OpenAI's Responses: as much of it as an agent needs. It stands in for the
 * provider packages of `effect/ai` until these are out for Effect 4.1.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const Answer = Schema.Struct({
  output: Schema.Array(Schema.Union([
    Schema.Struct({
      type: Schema.Literal("message"),
      content: Schema.Array(Schema.Struct({ type: Schema.Literal("output_text"), text: Schema.String }))
    }),
    Schema.Struct({
      type: Schema.Literal("function_call"),
      call_id: Schema.String,
      name: Schema.String,
      arguments: Schema.fromJsonString(Schema.Json)
    })
  ])),
  usage: Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int })
})

const outputOf = ({ modelOutput, result }: Prompt.ToolResultPart) =>
  modelOutput === undefined
    ? JSON.stringify(result)
    : modelOutput.map((part) =>
      part.type === "text"
        ? { type: "input_text", text: part.text }
        : { type: "input_image", image_url: `data:${part.mediaType};base64,${part.data}` }
    )

const inputOf = (message: Prompt.Message): ReadonlyArray<object> => {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }]
    case "user":
      return [{
        role: "user",
        content: message.content.flatMap((part) =>
          part.type === "text" ? [{ type: "input_text", text: part.text }] : []
        )
      }]
    case "assistant":
    case "tool":
      return message.content.flatMap((part): ReadonlyArray<object> =>
        part.type === "text"
          ? [{ role: "assistant", content: [{ type: "output_text", text: part.text }] }]
          : part.type === "tool-call"
          ? [{ type: "function_call", call_id: part.id, name: part.name, arguments: JSON.stringify(part.params) }]
          : part.type === "tool-result"
          ? [{ type: "function_call_output", call_id: part.id, output: outputOf(part) }]
          : []
      )
  }
}

const partsOf = ({ output, usage }: typeof Answer.Type): Array<Response.PartEncoded> => [
  ...output.flatMap((item): ReadonlyArray<Response.PartEncoded> =>
    item.type === "message"
      ? item.content.map(({ text }) => ({ type: "text", text }))
      : [{ type: "tool-call", id: item.call_id, name: item.name, params: item.arguments }]
  ),
  {
    type: "finish",
    reason: output.some(({ type }) => type === "function_call") ? "tool-calls" : "stop",
    usage: {
      inputTokens: { uncached: undefined, total: usage.input_tokens, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: usage.output_tokens, text: undefined, reasoning: undefined }
    },
    response: undefined
  }
]

export const layer = (options: { readonly url: string; readonly model: string; readonly key: string }) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.gen(function*() {
      const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
      return yield* LanguageModel.make({
        generateText: ({ prompt, tools }) =>
          HttpClientRequest.post(`${options.url}/responses`).pipe(
            HttpClientRequest.bearerToken(options.key),
            HttpClientRequest.bodyJsonUnsafe({
              model: options.model,
              input: prompt.content.flatMap(inputOf),
              tools: tools.map((tool) => ({
                type: "function",
                name: tool.name,
                description: Tool.getDescription(tool),
                parameters: Tool.getJsonSchema(tool)
              }))
            }),
            client.execute,
            Effect.flatMap(HttpClientResponse.schemaBodyJson(Answer)),
            Effect.map(partsOf),
            Effect.mapError((error) =>
              new AiError.AiError({
                module: "Responses",
                method: "generateText",
                reason: new AiError.UnknownError({ description: error.message })
              })
            )
          ),
        streamText: () => Stream.die("not streamed here")
      })
    })
  )
