import { assert, describe, it } from "@effect/vitest"
import * as TypeScript from "effect-code-mode/codemode/TypeScript"
import type { ToolDefinition } from "effect-code-mode/Protocol"
import type * as Schema from "effect/Schema"

describe("TypeScript.fromJsonSchema", () => {
  const cases: ReadonlyArray<[Schema.Json, string]> = [
    [true, "unknown"],
    [false, "never"],
    [{}, "unknown"],
    ["string", "unknown"],
    [{ type: "string" }, "string"],
    [{ type: "integer" }, "number"],
    [{ type: "number" }, "number"],
    [{ type: "boolean" }, "boolean"],
    [{ type: "null" }, "null"],
    [{ type: "file" }, "unknown"],
    [{ type: ["string", "null"] }, "string | null"],
    [{ type: ["integer", "number"] }, "number"],
    [{ const: { a: 1 } }, "{\"a\":1}"],
    [{ const: null }, "null"],
    [{ enum: ["a", 1, null], type: "string" }, "\"a\" | 1 | null"],
    [{ enum: [], type: "string" }, "string"],
    [{ anyOf: [{ type: "string" }, { type: "number" }] }, "string | number"],
    [{ oneOf: [{ type: "string" }, false] }, "string | never"],
    [{ allOf: [{ type: "string" }, { enum: ["a", "b"] }] }, "string & (\"a\" | \"b\")"],
    [{ type: "array" }, "unknown[]"],
    [{ items: { type: ["string", "null"] } }, "Array<string | null>"],
    [{ type: "array", prefixItems: [{ type: "string" }, true] }, "[string, unknown]"],
    [{ type: "object" }, "{ [key: string]: unknown; }"],
    [{ type: "object", additionalProperties: false }, "{}"],
    [{ additionalProperties: { type: "number" } }, "{ [key: string]: number; }"],
    [{ required: ["a"] }, "{ [key: string]: unknown; }"],
    [
      {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false
      },
      "{ city: string; }"
    ],
    [
      { properties: { b: { type: "string" }, "a-b": true, "1": true }, additionalProperties: true },
      "{ \"1\"?: unknown; \"a-b\"?: unknown; b?: string; [key: string]: unknown; }"
    ],
    [
      {
        properties: {
          weather: {
            description: " look up weather\n\nfor a list ",
            type: "array",
            items: { type: "object", properties: { location: { type: "string" } }, required: ["location"] }
          },
          unit: { type: "string", description: " " }
        },
        required: ["weather"]
      },
      "{\n  unit?: string;\n  // look up weather\n  // for a list\n  weather: Array<{ location: string; }>;\n}"
    ]
  ]

  it.each(cases)("%j", (schema, type) => {
    assert.strictEqual(TypeScript.fromJsonSchema(schema), type)
  })

  describe("of references", () => {
    const cases: ReadonlyArray<[string, Schema.Json, string]> = [
      ["follows one", { $ref: "#/$defs/A", $defs: { A: { type: "string" } } }, "string"],
      [
        "combines it with what stands beside it",
        { $ref: "#/$defs/Label", enum: ["A"], $defs: { Label: { type: "string" } } },
        "(string) & (\"A\")"
      ],
      ["decodes it", { items: { $ref: "#/$defs/a~1b%20c~0" }, $defs: { "a/b c~": { type: "null" } } }, "Array<null>"],
      [
        "walks through lists",
        { items: { $ref: "#/prefixItems/1" }, prefixItems: [true, { const: 1 }] },
        "[unknown, 1]"
      ],
      ["knows nothing of one that leads nowhere", { $ref: "#/$defs/B", $defs: {} }, "unknown"],
      ["knows nothing of other documents", { $ref: "https://example.com/schema" }, "unknown"],
      ["knows nothing of one that is malformed", { $ref: "#/%E0%A4%A" }, "unknown"],
      [
        "knows nothing of those within another resource",
        {
          properties: { a: { $id: "other", items: { $ref: "#/$defs/A" } }, b: { $ref: "#/$defs/A" } },
          $defs: { A: { type: "string" } }
        },
        "{ a?: Array<unknown>; b?: string; }"
      ],
      [
        "goes into itself twice",
        { type: "object", properties: { next: { $ref: "#" } } },
        "{ next?: { next?: { next?: unknown; }; }; }"
      ]
    ]

    it.each(cases)("%s", (_, schema, type) => {
      assert.strictEqual(TypeScript.fromJsonSchema(schema), type)
    })

    it("follows 32 in all", () => {
      const schema = {
        prefixItems: Array.from({ length: 40 }, () => ({ $ref: "#/$defs/A" })),
        $defs: { A: { const: 1 } }
      }
      const items = TypeScript.fromJsonSchema(schema).slice(1, -1).split(", ")
      assert.deepStrictEqual(items, [
        ...Array.from({ length: 32 }, () => "1"),
        ...Array.from({ length: 8 }, () => "unknown")
      ])
    })
  })

  it("gives up on types that are too long, and on schemas that are too deep", () => {
    const properties = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`property${i}`, { type: "string" }]))
    assert.strictEqual(TypeScript.fromJsonSchema({ properties }), "unknown")
    let deep: Schema.Json = { type: "string" }
    for (let i = 0; i < 100_000; i++) {
      deep = { items: deep }
    }
    assert.strictEqual(TypeScript.fromJsonSchema(deep), "unknown")
  })
})

describe("TypeScript.signature", () => {
  const tool = (more: Partial<ToolDefinition>): ToolDefinition => ({
    name: "a-tool",
    toolName: { name: "a-tool", namespace: null },
    description: "",
    kind: "function",
    ...more
  })
  const result = (structuredContent?: Schema.Json) => ({
    type: "object",
    properties: {
      content: { type: "array", items: { type: "object" } },
      isError: { type: "boolean" },
      _meta: { type: "object" },
      ...(structuredContent === undefined ? {} : { structuredContent })
    }
  })
  const cases: ReadonlyArray<[string, ToolDefinition, string]> = [
    ["without schemas", tool({}), "a_tool(args: unknown): Promise<unknown>;"],
    ["freeform", tool({ kind: "freeform", name: "1st" }), "_st(input: string): Promise<unknown>;"],
    [
      "with schemas",
      tool({ inputSchema: { properties: { a: true } }, outputSchema: { type: "string" } }),
      "a_tool(args: { a?: unknown; }): Promise<string>;"
    ],
    ["of an MCP server", tool({ outputSchema: result() }), "a_tool(args: unknown): Promise<CallToolResult>;"],
    [
      "of an MCP server that describes its results",
      tool({ outputSchema: result({ $ref: "#/properties/isError" }) }),
      "a_tool(args: unknown): Promise<CallToolResult<boolean>>;"
    ]
  ]

  it.each(cases)("%s", (_, tool, signature) => {
    assert.strictEqual(TypeScript.signature(tool), signature)
  })
})
