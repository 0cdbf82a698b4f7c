import { assert, describe, it } from "@effect/vitest"
import * as QuestionForm from "effect-code-mode/mcp-server/QuestionForm"

const form = {
  type: "object",
  properties: {
    name: { type: "string", default: "Ada", maxLength: 10 },
    sure: { type: "boolean", default: true },
    pet: { type: "string", title: "Pet", enum: ["cat", "dog"], enumNames: ["A cat", "A dog"], default: "cat" },
    hero: { type: "string", description: "Who?", oneOf: [{ const: "1", title: "One" }, { const: "2" }] }
  },
  required: ["name"]
}

describe("a form", () => {
  it("is as it is for a version that knows all of it", () => {
    assert.strictEqual(QuestionForm.forVersion(form, "2025-11-25"), form)
  })

  it("names its choices where a version has none, and leaves out what else that does not know", () => {
    assert.deepStrictEqual(QuestionForm.forVersion(form, "2025-06-18"), {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 10 },
        sure: { type: "boolean", default: true },
        pet: { type: "string", title: "Pet", description: "One of: cat, dog" },
        hero: { type: "string", description: "Who?\nOne of: 1 (One), 2" }
      },
      required: ["name"]
    })
  })
})
