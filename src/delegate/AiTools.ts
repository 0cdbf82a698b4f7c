/**
 * Tools of an `effect/ai` toolkit as those of a delegate.
 *
 * @internal
 */
import * as AiError from "effect/ai/AiError"
import * as AiTool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { NestedToolCall, ToolAnnotations, ToolError } from "../Protocol.ts"
import type * as PlainTools from "./PlainTools.ts"
import * as ToolFailure from "./ToolFailure.ts"
import * as ToolSchema from "./ToolSchema.ts"

export const Callers = Context.Reference<"model" | "cells" | "both">("effect-code-mode/Delegate/Callers", {
  defaultValue: () => "both"
})

const annotationKeys = [
  ["readOnly", AiTool.Readonly],
  ["destructive", AiTool.Destructive],
  ["idempotent", AiTool.Idempotent],
  ["openWorld", AiTool.OpenWorld]
] as const

/** What a tool says itself; defaults say nothing. */
const annotationsOf = ({ annotations, needsApproval }: AiTool.Any): ToolAnnotations => {
  const callers = Context.get(annotations, Callers)
  return {
    ...Object.fromEntries(
      annotationKeys.flatMap(([name, key]) =>
        annotations.mapUnsafe.has(key.key) ? [[name, Context.get(annotations, key)] as const] : []
      )
    ),
    ...(needsApproval === undefined || needsApproval === false ? {} : { needsApproval: true }),
    ...(callers === "both" ? {} : { callers })
  }
}

export const describe = (tool: AiTool.Any): PlainTools.Described => ({
  description: AiTool.getDescription(tool) ?? "",
  inputSchema: AiTool.isDynamic(tool) && tool.jsonSchema !== undefined
    ? tool.jsonSchema as Schema.Json
    : ToolSchema.make(tool.parametersSchema),
  ...(tool.successSchema === Schema.Void ? {} : { outputSchema: ToolSchema.make(tool.successSchema) }),
  annotations: annotationsOf(tool)
})

/** A failure in words. A call whose argument does not fit has not reached its tool. */
export const failure = (error: unknown): ToolError => {
  const reason = AiError.isAiError(error) ? error.reason : error
  return AiError.isAiErrorReason(reason) && reason._tag === "ToolParameterValidationError"
    ? ToolFailure.ofArgument(reason.description)
    : ToolFailure.make(error)
}

/** What a toolkit takes and gives as JSON, where that is not JSON already: it leaves dates and the like as they are. */
const codecOf = (schema: unknown): Schema.Codec<unknown, Schema.Json> | undefined => {
  if (!Schema.isSchema(schema)) {
    return undefined
  }
  const encoded = Schema.toEncoded(schema)
  const codec = Schema.toCodecJson(encoded)
  return codec.ast === encoded.ast ? undefined : codec as unknown as Schema.Codec<unknown, Schema.Json>
}

/** The argument of a call as the toolkit takes it. */
export const decoding = (
  { parametersSchema }: AiTool.Any
): (input: Schema.Json) => Effect.Effect<unknown, ToolError> => {
  const codec = codecOf(parametersSchema)
  const decode = codec === undefined ? Effect.succeed<unknown> : Schema.decodeUnknownEffect(codec)
  return (input) => Effect.mapError(decode(input), (error) => ToolFailure.ofArgument(error.message))
}

/** The result of a call as JSON. */
export const encoding = ({ successSchema }: AiTool.Any): (result: unknown) => Effect.Effect<Schema.Json> => {
  const codec = codecOf(successSchema)
  if (codec === undefined) {
    return (result) => Effect.succeed((result ?? null) as Schema.Json)
  }
  const encode = Schema.encodeUnknownEffect(codec)
  return (result) => Effect.orDie(encode(result))
}

/** Whether a person has to agree to a call of the tool. */
export const approvals = (
  { needsApproval = false, parametersSchema }: AiTool.Any
): (call: NestedToolCall) => Effect.Effect<boolean, ToolError> => {
  if (typeof needsApproval === "boolean") {
    return () => Effect.succeed(needsApproval)
  }
  const decode = Schema.decodeUnknownEffect(
    Schema.toCodecJson(parametersSchema as unknown as Schema.Codec<unknown, unknown>)
  )
  return ({ input, toolCallId }) =>
    decode(input ?? {}).pipe(
      Effect.mapError((error) => ToolFailure.ofArgument(error.message)),
      Effect.flatMap((parameters) => {
        const needed = needsApproval(parameters, { toolCallId, messages: [] })
        return typeof needed === "boolean" ? Effect.succeed(needed) : needed
      })
    )
}
