import { assert, describe, it } from "@effect/vitest"
import * as TypeScript from "effect-code-mode/declarations/TypeScript"
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
    [{ oneOf: [{ type: "string" }, false] }, "string"],
    [{ allOf: [{ type: "string" }, { enum: ["a", "b"] }] }, "string & (\"a\" | \"b\")"],
    [{ type: "array" }, "unknown[]"],
    [{ items: { type: ["string", "null"] } }, "Array<string | null>"],
    [{ type: "array", prefixItems: [{ type: "string" }, true], minItems: 2, items: false }, "[string, unknown]"],
    [
      { type: "array", prefixItems: [{ type: "string" }, { type: ["null", "number"] }], minItems: 1, maxItems: 2 },
      "[string, (null | number)?]"
    ],
    [{ prefixItems: [{ type: "string" }], items: { type: "number" } }, "[string?, ...Array<number>]"],
    [{ type: "array", items: [{ type: "string" }], minItems: 1 }, "[string, ...Array<unknown>]"],
    [{ type: "array", items: [{ type: "string" }], minItems: 1, additionalItems: false }, "[string]"],
    [{ type: "object" }, "{ [key: string]: unknown; }"],
    [{ type: "object", additionalProperties: false }, "{}"],
    [{ additionalProperties: { type: "number" } }, "{ [key: string]: number; }"],
    [{ required: ["a"] }, "{ a: unknown; [key: string]: unknown; }"],
    [{ type: "string", nullable: true }, "string | null"],
    [{ $ref: "#/$defs/A", nullable: true, $defs: { A: { enum: ["a"] } } }, "\"a\" | null"],
    [{ enum: ["a", null], nullable: true }, "\"a\" | null"],
    [{ anyOf: [{ type: "string" }, {}] }, "unknown"],
    [{ not: { type: "string" } }, "unknown"],
    [{ type: null }, "unknown"],
    [
      { type: "object", patternProperties: { "^x": { type: "number" } }, additionalProperties: false },
      "{ [key: string]: number; }"
    ],
    [
      { patternProperties: { "^x": { type: "number" } }, additionalProperties: { type: "string" } },
      "{ [key: string]: number | string; }"
    ],
    [
      { properties: { a: { type: "number" } }, additionalProperties: { type: "string" } },
      "{ a?: number; [key: string]: string | number | undefined; }"
    ],
    [
      { properties: { a: { type: "number" } }, required: ["a"], additionalProperties: { type: "number" } },
      "{ a: number; [key: string]: number; }"
    ],
    [{ properties: { a: { type: "string" } }, required: ["a", "z"] }, "{ a: string; z: unknown; }"],
    [
      { properties: {}, required: ["z"], additionalProperties: { type: "number" } },
      "{ z: number; [key: string]: number; }"
    ],
    [
      {
        type: "object",
        properties: { id: { type: "string" }, name: { type: "string" } },
        anyOf: [{ required: ["id"] }, { required: ["name"] }]
      },
      "{ id?: string; name?: string; } & ({ id: unknown; } | { name: unknown; })"
    ],
    [
      {
        type: "object",
        properties: { c: { type: "string" } },
        required: ["c"],
        oneOf: [
          { properties: { a: { type: "string" } }, required: ["a"] },
          { properties: { b: { type: "string" } }, required: ["b"] }
        ]
      },
      "{ c: string; } & ({ a: string; } | { b: string; })"
    ],
    [
      { type: "object", allOf: [{ properties: { a: { type: "string" } } }, { properties: { b: { type: "null" } } }] },
      "{ a?: string; } & { b?: null; }"
    ],
    [
      {
        type: "object",
        properties: { mode: { enum: ["x", "y"] }, x: { type: "number" } },
        required: ["mode"],
        allOf: [{ if: { properties: { mode: { const: "x" } } }, then: { required: ["x"] } }]
      },
      "{ mode: \"x\" | \"y\"; x?: number; }"
    ],
    [
      {
        properties: { mode: { type: "string" } },
        if: { properties: { mode: { const: "x" } } },
        then: { properties: { x: { type: "number" } }, required: ["x"] },
        else: { properties: { x: { type: "string" } }, required: ["y"] }
      },
      "{ mode?: string; x?: number | string; y?: unknown; }"
    ],
    [
      { type: ["object", "null"], properties: { a: true } },
      "{ a?: unknown; } | null"
    ],
    [{ allOf: [{ enum: ["a|b"] }, { type: "string" }] }, "\"a|b\" & string"],
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
        "\"A\" & string"
      ],
      ["decodes it", { items: { $ref: "#/$defs/a~1b%20c~0" }, $defs: { "a/b c~": { type: "null" } } }, "Array<null>"],
      [
        "walks through lists",
        { items: { $ref: "#/prefixItems/1" }, prefixItems: [true, { const: 1 }], minItems: 2 },
        "[unknown, 1, ...Array<1>]"
      ],
      [
        "finds an anchor",
        { properties: { a: { $ref: "#thing" } }, $defs: { t: { $anchor: "thing", type: "integer" } } },
        "{\n  // (integer)\n  a?: number;\n}"
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
        minItems: 40,
        items: false,
        $defs: { A: { const: 1 } }
      }
      const items = TypeScript.fromJsonSchema(schema).slice(1, -1).split(", ")
      assert.deepStrictEqual(items, [
        ...Array.from({ length: 32 }, () => "1"),
        ...Array.from({ length: 8 }, () => "unknown")
      ])
    })
  })

  it("says the beginning of schemas that are too deep", () => {
    let deep: Schema.Json = { type: "string" }
    for (let i = 0; i < 100_000; i++) {
      deep = { items: deep }
    }
    assert.strictEqual(TypeScript.fromJsonSchema(deep), "Array<Array<Array<Array<unknown[]>>>>")
  })

  describe("of what is too long", () => {
    const many = (count: number, schema: Schema.Json) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`field${i}`, schema]))
    const long = { type: "string", description: "The value of this field of the item, which may be any text" }

    it("shortens the longest member, and leaves the others", () => {
      const id = { type: "string", description: "Its id" }
      const type = TypeScript.fromJsonSchema({
        type: "object",
        properties: { id, body: { type: "object", properties: many(300, long) } },
        required: ["id"]
      })
      assert.include(type, "  // Its id\n  id: string;\n")
      assert.include(type, "  body?: { field0?: string; field1?: string;")
      assert.isBelow(type.length, 16_000)
    })

    it("says what is left of it when even that is too long", () => {
      const deep = { type: "object", properties: many(1000, { type: "object", properties: many(20, long) }) }
      assert.strictEqual(
        TypeScript.fromJsonSchema({ properties: { body: deep, id: { type: "string" } }, required: ["id", "body"] }),
        "{ body: { [key: string]: unknown; }; id: string; }"
      )
    })

    it("keeps what is required of members that are too many", () => {
      assert.strictEqual(
        TypeScript.fromJsonSchema({
          properties: { ...many(2000, { type: "string" }), id: { type: "number" } },
          required: ["id"]
        }),
        "{ id: number; [key: string]: unknown; }"
      )
      assert.strictEqual(
        TypeScript.fromJsonSchema({ properties: many(2000, true), required: Object.keys(many(2000, true)) }),
        "{ [key: string]: unknown; }"
      )
    })

    it("keeps what is required of a schema that refers to itself much", () => {
      const $defs = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`T${i}`, {
        type: "object",
        properties: Object.fromEntries(Array.from({ length: 20 }, (_, j) => [`p${j}`, { $ref: `#/$defs/T${j}` }]))
      }]))
      const type = TypeScript.fromJsonSchema({
        $defs,
        type: "object",
        properties: { a: { $ref: "#/$defs/T0" }, id: { type: "string" }, z: { $ref: "#/$defs/T1" } },
        required: ["id", "z"]
      })
      assert.match(type, /^\{\s+a\?: \{ .*\n?\s*id: string;\s+z: \{ /s)
      assert.isBelow(type.length, 16_000)
    })

    it("leaves room for members of its other parts", () => {
      assert.include(
        TypeScript.fromJsonSchema({
          properties: { body: { properties: many(400, long) } },
          anyOf: [{ properties: { a: true } }]
        }),
        "[key: string]: unknown;"
      )
    })

    it("takes the kinds of values that are too many", () => {
      const values = Array.from({ length: 1000 }, (_, i) => `value ${i}`)
      assert.strictEqual(
        TypeScript.fromJsonSchema({ enum: [...values, 1, null, [1]] }),
        "string | number | null | unknown[]"
      )
    })
  })

  describe("of what a type cannot say", () => {
    const comment = (name: string, schema: Schema.Json) =>
      TypeScript.fromJsonSchema({ properties: { [name]: schema } }).split("\n").slice(1, -2).map((line) => line.trim())
    const cases: ReadonlyArray<readonly [Schema.Json, ReadonlyArray<string>]> = [
      [{ type: "number", description: "how many", default: 10, minimum: 1, maximum: 50 }, [
        "// how many (1 to 50; default 10)"
      ]],
      [{ type: "integer", exclusiveMinimum: 0 }, ["// (integer; more than 0)"]],
      [{ type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }, ["// (integer)"]],
      [{ type: "number", maximum: 5, multipleOf: 0.5 }, ["// (at most 5; a multiple of 0.5)"]],
      [{ type: "string", format: "date-time", pattern: "^2" }, ["// (date-time; matches ^2)"]],
      [{ type: "string", minLength: 3, maxLength: 3 }, ["// (3 characters)"]],
      [{ type: "string", minLength: 0 }, []],
      [{ type: "array", minItems: 1, uniqueItems: true }, ["// (at least 1 item; no two alike)"]],
      [{ type: "string", deprecated: true, readOnly: true }, ["// (deprecated; read-only)"]],
      [{ type: "string", examples: ["/x", "/y"], default: "/tmp" }, ["// (default \"/tmp\"; such as \"/x\")"]],
      [{ anyOf: [{ type: "integer", minimum: 1, description: "Page" }, { type: "null" }], default: null }, [
        "// Page (integer; at least 1)"
      ]],
      [{ type: "string", title: "The A" }, ["// The A"]],
      [{ type: "string", title: "Some Name" }, []],
      [{ type: "string", pattern: "x".repeat(100) }, []],
      [{ type: "string", description: "a \u2028 b */ c" }, ["// a", "// b */ c"]]
    ]
    it.each(cases)("%j", (schema, lines) => {
      assert.deepStrictEqual(comment("some_name", schema), lines)
    })

    it("takes the description of what is referred to, and not its title", () => {
      assert.strictEqual(
        TypeScript.fromJsonSchema({
          properties: { a: { $ref: "#/$defs/A" }, b: { $ref: "#/$defs/A", description: "mine" } },
          $defs: { A: { type: "string", title: "TypeA", description: "theirs" } }
        }),
        "{\n  // theirs\n  a?: string;\n  // mine\n  b?: string;\n}"
      )
    })

    it("indents what is within", () => {
      assert.strictEqual(
        TypeScript.fromJsonSchema({
          properties: {
            filter: { type: "object", properties: { value: { type: "string", description: "The value" } } },
            q: { type: "string", description: "Query" }
          }
        }),
        [
          "{",
          "  filter?: {",
          "    // The value",
          "    value?: string;",
          "  };",
          "  // Query",
          "  q?: string;",
          "}"
        ].join("\n")
      )
    })
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
    ],
    ["variadic", tool({ variadic: true }), "a_tool(...args: unknown[]): Promise<unknown>;"],
    [
      "variadic, with schemas",
      tool({
        variadic: true,
        inputSchema: {
          $defs: { n: { type: "number" } },
          minItems: 1,
          prefixItems: [{ title: "the-first", type: "string" }, { $ref: "#/$defs/n" }]
        }
      }),
      "a_tool(the_first: string, arg2?: number): Promise<unknown>;"
    ]
  ]

  it.each(cases)("%s", (_, tool, signature) => {
    assert.strictEqual(TypeScript.signature(tool), signature)
  })
})
