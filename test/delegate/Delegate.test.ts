import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { toolCall } from "../toolCall.ts"

class OutOfStock extends Data.TaggedError("OutOfStock")<{ readonly item: string; readonly left: number }> {}

class Closed extends Schema.TaggedError<Closed>()("Closed", {}) {}

describe("the failure of a tool", () => {
  it.effect.each<[string, unknown, string]>([
    ["with a message", new Error("no shelf"), "no shelf"],
    ["that is text", "no shelf", "no shelf"],
    ["with fields", new OutOfStock({ item: "fig", left: 0 }), "OutOfStock {\"item\":\"fig\",\"left\":0}"],
    ["with a tag", new Closed(), "Closed"],
    ["without a message", new TypeError(""), "TypeError"],
    ["that is an object", { code: 7, why: ["a"] }, "{\"code\":7,\"why\":[\"a\"]}"],
    ["that is nothing", undefined, "undefined"]
  ])("is told in words: one %s", ([, failure, text]) =>
    Effect.gen(function*() {
      const tool = Delegate.tool({ parameters: Schema.Struct({}), handler: () => Effect.fail(failure) })
      assert.strictEqual((yield* Effect.flip(tool.invoke({}))).text, text)
    }))
})

const tool = (says: string) =>
  Delegate.tool({ description: says, parameters: Schema.Struct({}), handler: () => Effect.succeed(says) })

describe("Delegate.layerTools", () => {
  it.effect("tells tools apart whose names come out alike; an exact name stays", () =>
    Effect.gen(function*() {
      const self = yield* Delegate.Delegate
      assert.deepStrictEqual(self.tools.map(({ description, name }) => [name, description]), [
        ["get_stock_2", "by hyphen\n(This is \"get-stock\".)"],
        ["get.price", "by dot"],
        ["get_stock", "exact"]
      ])
      const said = yield* Effect.forEach(self.tools, ({ toolName }) => self.invokeTool(toolCall(toolName)))
      assert.deepStrictEqual(said, ["by hyphen", "by dot", "exact"])
    }).pipe(Effect.provide(Delegate.layerTools({
      "get-stock": tool("by hyphen"),
      "get.price": tool("by dot"),
      get_stock: tool("exact")
    }))))
})
