/**
 * Tools as TypeScript, for those who write calls of them: models, and people with an editor.
 *
 * **Details**
 *
 * A declaration is never wrong: TypeScript takes every argument that a tool's schema accepts, except for members that the
 * schema does not mention. What a type cannot say (bounds, defaults, formats) is in comments. One that would be longer
 * than 16,000 bytes is made shorter a member at a time, and keeps what a call must have.
 *
 * **Example** (What a cell may write)
 *
 * ```ts
 * import * as Declarations from "effect-code-mode/Declarations"
 * import { Delegate } from "effect-code-mode/Delegate"
 * import * as Effect from "effect/Effect"
 *
 * const declarations = Effect.map(Delegate, ({ tools }) => Declarations.ofTools(tools))
 * ```
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import * as TypeScript from "./declarations/TypeScript.ts"
import type { ToolDefinition } from "./Protocol.ts"

/**
 * The type of the values that a JSON schema accepts.
 *
 * @category declarations
 * @since 0.1.0
 */
export const fromJsonSchema: (schema: Schema.Json) => string = TypeScript.fromJsonSchema

/**
 * A tool as a method of `tools`: `name(args: …): Promise<…>;`. Where it is an MCP server's, that needs `mcpTypes`.
 *
 * @category declarations
 * @since 0.1.0
 */
export const ofTool: (tool: ToolDefinition) => string = TypeScript.signature

/**
 * The results of MCP servers. A declaration that names one of these types needs all of them.
 *
 * @category declarations
 * @since 0.1.0
 */
export const mcpTypes: string = TypeScript.mcpTypes

/**
 * What a cell finds besides its tools: `text`, `store` and the other helpers.
 *
 * @category declarations
 * @since 0.1.0
 */
export const cellTypes: string = TypeScript.cellTypes

/**
 * The object `tools` with all tools and their descriptions, and the types that it needs. `instructions` are what to know
 * of the tools of a namespace, as a `Delegate` has them; they stand above its first tool.
 *
 * @category declarations
 * @since 0.1.0
 */
export const ofTools: (
  tools: ReadonlyArray<ToolDefinition>,
  instructions?: ReadonlyMap<string, string>
) => string = TypeScript.declarations
