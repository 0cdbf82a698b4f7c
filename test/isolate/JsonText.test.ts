import { assert, describe, it } from "@effect/vitest"
import * as JsonText from "effect-code-mode/text/JsonText"
import { anyValue, damage, makeDice } from "../host/Dice.ts"

const isJson = (text: string) => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const pieces =
  "{ } [ ] , : \" \\ a u0041 1 0 - . e E + true null false \n \t \u00a0 \u0001 \ud800 \"a\" \"k\": [1,2] {} \u2028 NaN"
    .split(" ")
    .concat(" ")

describe("JSON that is weighed", () => {
  it("is JSON exactly where it can be parsed", () => {
    let valid = 0
    for (let seed = 1; seed <= 20_000; seed++) {
      const dice = makeDice(seed)
      const text = dice.chance(0.9)
        ? Array.from({ length: 1 + dice.below(8) }, () => dice.pick(pieces)).join("")
        : damage(dice, Buffer.from(JSON.stringify(anyValue(dice, 0)))).toString()
      const weight = JsonText.weigh(text)
      assert.strictEqual(typeof weight === "number", isJson(text), `seed ${seed}: ${JSON.stringify(text)}`)
      valid += isJson(text) ? 1 : 0
    }
    assert.isAbove(valid, 500)
  })

  it("weighs more than its value takes", () => {
    for (
      const text of [
        `[${"[],".repeat(100_000)}0]`,
        `[${"{},".repeat(100_000)}0]`,
        `[${"{\"a\":1},".repeat(100_000)}0]`,
        `[${"\"ab\",".repeat(100_000)}0]`,
        `{${Array.from({ length: 100_000 }, (_, key) => `"${key}k":0`).join(",")}}`
      ]
    ) {
      const values: Array<unknown> = []
      const taken = Array.from({ length: 5 }, () => {
        const before = process.memoryUsage().heapUsed
        values.push(JSON.parse(text))
        return process.memoryUsage().heapUsed - before
      })
      // Where the collector ran meanwhile, it is anything. What is left is about a value's own.
      const [, , median] = taken.sort((a, b) => a - b)
      assert.isAbove(median!, text.length)
      assert.isAbove(Number(JsonText.weigh(text)) + text.length, median!, text.slice(0, 40))
    }
  })

  it("weighs at most its bound where it has nothing but text", () => {
    const text = JSON.stringify({ text: "x".repeat(1e6) })
    assert.isBelow(Number(JsonText.weigh(text)), 1000)
  })
})

describe("the number of a member", () => {
  it("is the last one of the outermost object, as it is written", () => {
    for (
      const [text, number] of [
        ["{\"id\":1}", "1"],
        ["{ \"id\" : 9007199254740993 , \"x\":2}", "9007199254740993"],
        ["{\"id\":1,\"id\":-2e3}", "-2e3"],
        ["{\"a\":{\"id\":1},\"b\":[{\"id\":2}],\"\\u0069d\":3,\"c\":\"\\\"id\\\":4\"}", "3"]
      ] as const
    ) {
      assert.strictEqual(JsonText.numberOf(text, "id"), number)
    }
  })
})
