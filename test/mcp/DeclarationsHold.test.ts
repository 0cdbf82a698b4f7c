/**
 * That no declaration is wrong: TypeScript takes what a schema accepts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TypeScript from "effect-code-mode/declarations/TypeScript"
import * as TypeText from "effect-code-mode/declarations/TypeText"
import * as Mcp from "effect-code-mode/Mcp"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "../cli/Process.ts"
import * as Corpus from "./corpus/Corpus.ts"

/** What TypeScript has against a file, in the strictest way. */
const problems = (text: string): string => {
  const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))
  try {
    writeFileSync(join(folder, "file.ts"), text)
    return spawnSync(
      join(root, "node_modules/.bin/tsc"),
      ["--noEmit", "--strict", "--target", "esnext", "--module", "esnext", "--types", "", "file.ts"],
      { cwd: folder, encoding: "utf8", maxBuffer: 1e9 }
    ).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// =============================================================================
// Random schemas, each with values that it accepts
// =============================================================================

type Json = Schema.Json

interface Case {
  readonly schema: Json
  readonly value: () => Json
}

const generator = (seed: number) => {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number) => Math.floor(random() * n)
  const pick = <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!
  const maybe = () => random() < 0.5
  const times = <A>(n: number, make: (index: number) => A): Array<A> => Array.from({ length: n }, (_, i) => make(i))

  const words = ["a", "b c", "quote\"", "it's", "é", "\u2028", "x|y", "// no", "{", "", "a-b", "$x"]
  const names = ["id", "a-b", "name", "kind", "1st", "class", "x.y", "$ref", "items", "constructor", "é"]
  const scalars: ReadonlyArray<Case> = [
    { schema: { type: "string", minLength: 0, description: "some */ text" }, value: () => pick(words) },
    { schema: { type: "integer", minimum: -5, maximum: 5 }, value: () => below(11) - 5 },
    { schema: { type: "number" }, value: () => random() * 100 },
    { schema: { type: "boolean", default: true }, value: maybe },
    { schema: { type: "null" }, value: () => null },
    { schema: { type: "string", nullable: true }, value: () => maybe() ? null : pick(words) },
    { schema: { type: ["string", "integer", "null"] }, value: () => pick<Json>([null, 1, "x"]) },
    { schema: { not: { type: "string" } }, value: () => 5 },
    { schema: {}, value: () => pick<Json>([null, 1, "x", [1], { a: 1 }]) },
    { schema: true, value: () => ({ any: "thing" }) },
    { schema: { type: "custom" }, value: () => 1 }
  ]
  const literal = (): Case => {
    const values: ReadonlyArray<Json> = times(
      1 + below(4),
      () => pick<Json>([...words, 1, -2.5, true, null, { k: [1] }, [1, "a"]])
    )
    return maybe()
      ? { schema: { const: values[0]! }, value: () => values[0]! }
      : { schema: { enum: values, ...maybe() ? { nullable: true } : {} }, value: () => pick(values) }
  }
  const list = (depth: number): Case => {
    const item = any(depth - 1)
    return { schema: { type: "array", items: item.schema }, value: () => times(below(4), item.value) }
  }
  const tuple = (depth: number): Case => {
    const items = times(1 + below(3), () => any(depth - 1))
    const rest = maybe() ? any(depth - 1) : undefined
    const minItems = below(items.length + 1)
    const schemas = items.map(({ schema }) => schema)
    const schema: Json = maybe()
      ? { type: "array", prefixItems: schemas, minItems, items: rest?.schema ?? false }
      : { type: "array", items: schemas, minItems, additionalItems: rest?.schema ?? false }
    return {
      schema,
      value: () => {
        const length = minItems + below(items.length - minItems + 1)
        const more = rest !== undefined && length === items.length ? times(below(3), rest.value) : []
        return [...items.slice(0, length).map(({ value }) => value()), ...more]
      }
    }
  }
  interface Shape {
    readonly schema: Schema.JsonObject
    readonly value: () => Schema.JsonObject
  }
  const object = (depth: number, prefix = ""): Shape => {
    const properties = new Map(times(below(5), () => [prefix + pick(names), any(depth - 1)] as const))
    const required = Array.from(properties.keys()).filter(maybe)
    const others = pick<Case | boolean | undefined>([undefined, true, false, any(depth - 1)])
    const undescribed = others !== false && maybe() && maybe() ? [`${prefix}more`] : []
    const pattern = maybe() && maybe() ? any(depth - 1) : undefined
    return {
      schema: {
        type: "object",
        properties: Object.fromEntries(Array.from(properties, ([name, { schema }]) => [name, schema])),
        required: [...required, ...undescribed],
        ...others === undefined ? {} : { additionalProperties: typeof others === "boolean" ? others : others.schema },
        ...pattern === undefined ? {} : { patternProperties: { "^p-": pattern.schema } }
      },
      value: () => ({
        ...Object.fromEntries(
          Array.from(properties).filter(([name]) => required.includes(name) || maybe()).map((
            [name, { value }]
          ) => [name, value()])
        ),
        ...Object.fromEntries(
          undescribed.map((
            name
          ) => [name, typeof others === "object" ? others.value() : 1])
        ),
        ...others !== undefined && others !== false && maybe()
          ? { other: others === true ? [1] : others.value() }
          : {},
        ...pattern !== undefined && maybe() ? { "p-1": pattern.value() } : {}
      })
    }
  }
  /** An object whose members are spread over parts. */
  const combined = (depth: number): Case => {
    const open = (shape: Shape): Shape => {
      const { additionalProperties: _, patternProperties: __, ...schema } = shape.schema
      const { properties, required } = schema as {
        readonly properties: Schema.JsonObject
        readonly required: ReadonlyArray<string>
      }
      return {
        schema: { ...schema, required: required.filter((name) => Object.hasOwn(properties, name)) },
        value: () =>
          Object.fromEntries(Object.entries(shape.value()).filter(([name]) => Object.hasOwn(properties, name)))
      }
    }
    const base = open(object(depth, "base_"))
    const parts = times(1 + below(3), (i) => open(object(depth, `part${i}_`)))
    const merged = (chosen: ReadonlyArray<Shape>) =>
      Object.assign({}, base.value(), ...chosen.map(({ value }) => value()))
    switch (below(4)) {
      case 0:
        return { schema: { ...base.schema, allOf: parts.map(({ schema }) => schema) }, value: () => merged(parts) }
      case 1:
        return {
          schema: { ...base.schema, [pick(["anyOf", "oneOf"])]: parts.map(({ schema }) => schema) },
          value: () => merged([pick(parts)])
        }
      case 2: {
        const known = Object.keys(base.schema.properties as object)
        return known.length === 0 ? base : {
          schema: { ...base.schema, anyOf: known.map((name) => ({ required: [name] })) },
          value: () => {
            const whole = (base.schema.properties as Record<string, Json>)[known[0]!]
            return { ...base.value(), [known[0]!]: constants.get(whole) ?? null }
          }
        }
      }
      default:
        return {
          schema: { ...base.schema, allOf: [{ if: { required: ["nothing"] }, then: {}, else: parts[0]!.schema }] },
          value: () => merged([parts[0]!])
        }
    }
  }
  const constants = new Map<Json | undefined, Json>()
  const choice = (depth: number): Case => {
    const cases = times(2 + below(2), () => any(depth - 1))
    return {
      schema: { [pick(["anyOf", "oneOf"])]: cases.map(({ schema }) => schema) },
      value: () => pick(cases).value()
    }
  }
  const any = (depth: number): Case => {
    const made = depth <= 0 || random() < 0.3
      ? maybe() ? pick(scalars) : literal()
      : pick([list, tuple, object, combined, choice])(depth)
    constants.set(made.schema, made.value())
    return made
  }
  /** A schema with definitions, of which one may be within itself. */
  const document = (): Case => {
    const inner = any(2)
    const node = {
      type: "object",
      properties: { value: inner.schema, next: { $ref: "#/$defs/Node" } },
      required: ["value"]
    }
    const value = (depth: number): Json => ({
      value: inner.value(),
      ...depth > 0 && maybe() ? { next: value(depth - 1) } : {}
    })
    const main = object(2)
    return maybe() ? any(4) : {
      schema: {
        ...main.schema,
        properties: {
          ...main.schema.properties as object,
          node: { $ref: "#/$defs/Node", description: "A node" },
          nodes: { type: "array", items: { $ref: "#/$defs/Node" } }
        },
        $defs: { Node: node }
      },
      value: () => ({ ...main.value(), node: value(5), nodes: [value(2)] })
    }
  }
  return document
}

describe("a declaration", () => {
  it("takes what its schema accepts: random schemas", { timeout: 120_000 }, () => {
    const document = generator(20_261_125)
    const lines = Array.from({ length: 400 }, (_, i) => {
      const { schema, value } = document()
      const values = Array.from({ length: 4 }, (_, j) => `export const v${i}_${j}: T${i} = ${JSON.stringify(value())}`)
      return `/* ${JSON.stringify(schema).replaceAll("*/", "* /")} */\nexport type T${i} = ${
        TypeScript.fromJsonSchema(schema)
      }\n${values.join("\n")}`
    })
    assert.strictEqual(problems(lines.join("\n")), "")
  })

  it.effect("compiles: the tools of published servers", () =>
    Effect.gen(function*() {
      assert.isAbove(Corpus.tools.length, 500)
      const servers = Map.groupBy(Corpus.tools, ({ server }) => server)
      const self = yield* Mcp.make(Array.from(servers, ([name, tools]): Mcp.Server => ({
        name,
        tools,
        callTool: () => Effect.succeed(null)
      })))
      const signatures = self.tools.map(TypeScript.signature)
      assert.strictEqual(problems(`${TypeScript.mcpTypes}\ndeclare const tools: {\n${signatures.join("\n")}\n}`), "")
      // What a tool must be given is said of every one, and never `unknown` as a whole.
      for (const [index, { inputSchema }] of self.tools.entries()) {
        const { properties = {}, required = [] } = inputSchema as any
        if (Object.keys(properties).length > 0) {
          assert.notInclude(signatures[index], "(args: unknown)")
        }
        const declared = required.filter((name: string) => Object.hasOwn(properties, name))
        for (const name of declared) {
          assert.include(signatures[index], `${TypeText.propertyName(name)}: `, self.tools[index]?.name)
        }
      }
    }), 60_000)
})
