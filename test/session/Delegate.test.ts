import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

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
