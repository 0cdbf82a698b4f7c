import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { toolCall } from "../toolCall.ts"
import * as Noting from "./Noting.ts"

const redacting = (secrets: ReadonlyArray<string>, answer: Effect.Effect<Schema.Json, ToolError>) =>
  Delegate.withRedaction(Noting.make(answer).self, secrets.map((text) => Redacted.make(text)))

const redact = Effect.fnUntraced(function*(secrets: ReadonlyArray<string>, value: Schema.Json) {
  const self = yield* redacting(secrets, Effect.succeed(value))
  return yield* self.invokeTool(toolCall({ name: "a" }))
})

describe("Delegate.withRedaction", () => {
  it.effect("keeps secrets out of results, whatever they are a part of", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* redact(["hunter2", "hunter22"], {
          "k hunter2": ["a hunter22 b", { deep: "hunter2hunter2" }],
          n: 1,
          t: true,
          z: null
        }),
        { "k [redacted]": ["a [redacted] b", { deep: "[redacted][redacted]" }], n: 1, t: true, z: null }
      )
      // Of two that overlap, nothing is left.
      assert.strictEqual(yield* redact(["abcdef", "defghi"], "<abcdefghi>"), "<[redacted]>")
      // No member is lost over its name.
      assert.deepStrictEqual(yield* redact(["hunter2", "secret!"], { "hunter2": 1, "secret!": 2 }), {
        "[redacted]": 1,
        "[redacted]'": 2
      })
      assert.deepStrictEqual(yield* redact(["4711"], [4711, 147_110, 4712]), ["[redacted]", "[redacted]", 4712])
      const proto: Schema.Json = JSON.parse("{\"__proto__\":{\"a\":\"hunter2\"}}")
      assert.strictEqual(JSON.stringify(yield* redact(["hunter2"], proto)), "{\"__proto__\":{\"a\":\"[redacted]\"}}")
    }))

  it.effect("knows a secret in JSON, in an address and in base64", () =>
    Effect.gen(function*() {
      const secret = "p@ss \"word\"\n/ü"
      for (const text of [JSON.stringify({ secret }), `https://x.test/?q=${encodeURIComponent(secret)}`]) {
        const told = yield* redact([secret], text)
        assert.include(told, "[redacted]")
        assert.notInclude(told, "word")
      }
      for (const user of ["", "u", "us", "use", "user:"]) {
        for (const encoding of ["base64", "base64url"] as const) {
          const header = `Basic ${Buffer.from(`${user}${secret}!?`).toString(encoding)}`
          const told = String(yield* redact([secret], header))
          assert.include(told, "[redacted]")
          const rest = Buffer.from(told.slice("Basic ".length).replace("[redacted]", ""), encoding).toString()
          assert.notInclude(rest, "word")
          assert.isBelow(told.length, header.length)
        }
      }
    }))

  it.effect("keeps secrets out of errors, notifications, and what is told of tools", () =>
    Effect.gen(function*() {
      const notified: Array<string> = []
      const failing = Noting.make(Effect.fail(new ToolError({ text: "bad password hunter2", performed: false }))).self
      const self = yield* Delegate.withRedaction({
        ...failing,
        tools: [{ ...failing.tools[0]!, description: "hunter2", inputSchema: { default: "hunter2" } }],
        instructions: new Map([["server", "log in with hunter2"]]),
        notify: ({ text }) => Effect.sync(() => notified.push(text))
      }, [Redacted.make("hunter2")])
      const call = toolCall({ name: "a" })
      assert.deepInclude(yield* Effect.flip(self.invokeTool(call)), {
        text: "bad password [redacted]",
        performed: false
      })
      yield* self.notify({ callId: call.callId, cellId: call.cellId, text: "hunter2!" })
      assert.deepStrictEqual(notified, ["[redacted]!"])
      assert.notInclude(JSON.stringify([self.tools, Array.from(self.instructions!)]), "hunter2")
      assert.strictEqual(self.tools, self.tools)
    }))

  it.effect("refuses a secret that is too short", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(redacting(["long enough", "abc"], Effect.succeed(null)))
      assert.deepInclude(error, { _tag: "SecretTooShort", index: 1 })
      assert.notInclude(error.message, "abc")
    }))

  it.effect("says of what is nested too deep that it is", () =>
    Effect.gen(function*() {
      let deep: Schema.Json = "hunter2"
      for (let depth = 0; depth < 100_000; depth++) {
        deep = [deep]
      }
      const error = yield* Effect.flip(redact(["hunter2"], deep))
      assert.strictEqual(error.message, "the result of a is nested too deep")
    }))

  const word = (...letters: ReadonlyArray<string>) => Schema.Array(Schema.Literals(letters))
  const secret = word("a", "b", "c").check(Schema.isMinLength(4), Schema.isMaxLength(6))

  it.effect.prop(
    "leaves nothing of a secret, and everything else",
    {
      secrets: Schema.Array(secret).check(Schema.isMinLength(1), Schema.isMaxLength(4)),
      texts: Schema.Array(word("a", "b", "c", "x")),
      others: Schema.Json
    },
    ({ others, ...given }) =>
      Effect.gen(function*() {
        const [secrets, texts] = [given.secrets.map((each) => each.join("")), given.texts.map((each) => each.join(""))]
        const around = texts.map((text, index) => `${text}${secrets[index % secrets.length]}${text}`)
        const told = yield* redact(secrets, [texts, Object.fromEntries(around.map((text) => [text, text]))])
        const shown = JSON.stringify(told)
        assert.isFalse(secrets.some((each) => shown.includes(each)), shown)
        // What is left is what was there, in its order.
        const count = (list: ReadonlyArray<string>) => list.join("").replace(/[^x]/g, "").length
        assert.strictEqual(count((told as [Array<string>])[0]), count(texts))
        assert.deepStrictEqual(yield* redact(["a secret that is not there"], others), others)
      }),
    { arbitrary: { runs: 200 } }
  )
})
