import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder, run } from "./Process.ts"
import * as Terminal from "./Terminal.ts"

const { key } = Terminal

const command = `'${process.execPath}' bin/effect-code-mode.js`

const scripted = fileURLToPath(new URL("../mcp/fixtures/scripted.js", import.meta.url))

/** Files for a run whose one tool asks this, and puts out the answer. */
const asking = (params: object) =>
  Effect.map(folder, (home) => {
    const request = JSON.stringify({ jsonrpc: "2.0", id: "s", method: "elicitation/create", params })
    const script = {
      "tools/call": [
        request,
        { answer: true },
        "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[],\"answer\":$answer}}"
      ]
    }
    const config = join(home, "mcp.json")
    const cell = join(home, "cell.js")
    writeFileSync(
      config,
      JSON.stringify({ mcpServers: { shop: { command: process.execPath, args: [scripted, JSON.stringify(script)] } } })
    )
    writeFileSync(cell, "text((await tools.mcp__shop__do({})).answer.result)")
    return { cell, config }
  })

const order = {
  message: "Which one?",
  requestedSchema: {
    type: "object",
    properties: {
      colour: { type: "string", title: "Colour", enum: ["red", "blue"] },
      count: { type: "integer", description: "How many", minimum: 1, maximum: 3, default: 2 },
      gift: { type: "boolean" },
      note: { type: "string", maxLength: 5 }
    },
    required: ["colour", "gift"]
  }
}

describe.runIf(Terminal.isAvailable)("what a server asks", () => {
  const start = (params: object) =>
    Effect.gen(function*() {
      const { cell, config } = yield* asking(params)
      const terminal = yield* Terminal.make(`${command} run '${cell}' --config '${config}'`, { columns: 100 })
      yield* terminal.until(/shop asks: Which one\?/)
      return terminal
    })
  const line = (text: string) => [text, key.enter]

  it.live("is answered at the terminal", () =>
    Effect.gen(function*() {
      const { show, type, until } = yield* start(order)
      const answers: ReadonlyArray<readonly [RegExp, string]> = [
        [/Answer: ?$/, "perhaps"],
        [/It should be y or n\.\n {2}Answer: ?$/, "y"],
        [/Colour: ?$/, "green"],
        [/It should be one of these: red, blue\.\n {2}Colour: ?$/, "Red"],
        [/How many \[2\]: ?$/, "9"],
        [/It should be a number: integer; 1 to 3; default 2\.\n {2}How many \[2\]: ?$/, ""],
        [/gift: ?$/, ""],
        [/It should be y or n\.\n {2}gift: ?$/, "no"],
        [/note \(may be left empty\): ?$/, "much too long"],
        [/It should be some text: at most 5 characters\.\n {2}note \(may be left empty\): ?$/, ""]
      ]
      for (const [prompt, answer] of answers) {
        yield* until(prompt)
        yield* type(...line(answer))
      }
      yield* until(/status 0$/)
      assert.include(show(), "{\"action\":\"accept\",\"content\":{\"colour\":\"red\",\"count\":2,\"gift\":false}}")
    }))

  it.live("is declined, or cancelled", () =>
    Effect.gen(function*() {
      const answered = Effect.fnUntraced(function*(...keys: ReadonlyArray<string>) {
        const { show, type, until } = yield* start(order)
        yield* until(/Answer: ?$/)
        yield* type(...keys)
        yield* until(/status 0$/)
        return /\{"action":.*\}/.exec(show())?.[0]
      })
      assert.strictEqual(yield* answered("n", key.enter), "{\"action\":\"decline\"}")
      assert.strictEqual(yield* answered(key.ctrlD), "{\"action\":\"decline\"}")
      assert.strictEqual(yield* answered(key.ctrlC), "{\"action\":\"cancel\"}")
    }))

  it.live("may be a matter of yes or no", () =>
    Effect.gen(function*() {
      const { show, type, until } = yield* start({ message: "Which one?" })
      yield* until(/Yes or no: ?$/)
      yield* type("y", key.enter)
      yield* until(/status 0$/)
      assert.include(show(), "{\"action\":\"accept\",\"content\":{}}")
    }))

  it.live("is declined where it cannot be typed", () =>
    Effect.gen(function*() {
      const { show, until } = yield* start({
        message: "Which one?",
        requestedSchema: { type: "object", properties: { list: { type: "array" } }, required: ["list"] }
      })
      yield* until(/status 0$/)
      assert.include(show(), "It wants what cannot be typed here, so that is declined.")
      assert.include(show(), "{\"action\":\"decline\"}")
    }))

  it.live("is declined where nobody is at a terminal", () =>
    Effect.gen(function*() {
      const { cell, config } = yield* asking(order)
      const { stdout } = yield* run(["run", cell, "--config", config])
      assert.strictEqual(stdout, "{\"action\":\"decline\"}\n")
    }))
})
