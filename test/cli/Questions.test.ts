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

/** Files for a run whose one tool asks this, once it is told to if it is not to ask at once, and puts out the answer. */
const asking = (params: object, isTold = false) =>
  Effect.map(folder, (home) => {
    const request = JSON.stringify({ jsonrpc: "2.0", id: "s", method: "elicitation/create", params })
    const told = join(home, "told")
    const script = {
      "tools/call": [
        ...isTold ? [{ file: told }] : [],
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
    return { cell, config, home, tell: Effect.sync(() => writeFileSync(told, "")) }
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

describe.runIf(Terminal.isAvailable)("what a server asks at the prompt", () => {
  const start = Effect.fnUntraced(function*(isTold: boolean, ...flags: ReadonlyArray<string>) {
    const { config, home, tell } = yield* asking(order, isTold)
    const terminal = yield* Terminal.make([command, "repl", `--config '${config}'`, ...flags].join(" "), {
      columns: 100,
      rows: 40,
      env: { XDG_STATE_HOME: home }
    })
    yield* terminal.until(/\n>$/)
    return { ...terminal, tell }
  })
  const call = "(await tools.mcp__shop__do({})).answer.result"

  it.live("is answered while a cell is waited for, and is nothing to be recalled", () =>
    Effect.gen(function*() {
      const { type, until } = yield* start(false)
      yield* type("'before'", key.enter)
      yield* until(/\nbefore\n>$/)
      yield* type(call, key.enter)
      yield* until(/shop asks: Which one\?\n {2}Ctrl-C cancels\.\n {2}Answer: ?$/)
      yield* type(key.up, "yes", key.enter)
      yield* until(/Colour: ?$/)
      yield* type("blue", key.enter)
      yield* until(/How many \[2\]: ?$/)
      yield* type(key.enter)
      yield* until(/gift: ?$/)
      yield* type("y", key.enter)
      yield* until(/empty\): ?$/)
      yield* type(key.enter)
      yield* until(/\n\{ action: 'accept', content: \{ colour: 'blue', count: 2, gift: true \} \}\n>$/)
      yield* type(key.up, key.up)
      yield* until(/> 'before'$/)
    }))

  it.live("leaves what is being typed as it was, and ends with Ctrl-C or Ctrl-D alone", () =>
    Effect.gen(function*() {
      for (const [leave, action] of [[key.ctrlC, "cancel"], [key.ctrlD, "decline"]] as const) {
        const { tell, type, until } = yield* start(true, "--yield-after 300ms")
        yield* type(`${call}.action`, key.enter)
        yield* until(/ends it\n>$/)
        yield* type("[1,", key.enter, "  2, 33", "\x1b[D")
        yield* until(/> \[1,\n… {3}2, 33$/)
        yield* tell
        yield* until(/> \[1,\nshop asks: Which one\?\n {2}Ctrl-C cancels\.\n {2}Answer: ?$/)
        yield* type("y", leave)
        yield* leave === key.ctrlD ? type("\x7f", leave) : Effect.void
        yield* until(new RegExp(`Ctrl-C cancels\\.\n(?:.*\n)*${action}\n(?:.*\n)*… {3}2, 33$`))
        // By itself: of a key within a line that comes together with Enter, node:readline shows too little.
        yield* type("0")
        yield* until(/… {3}2, 303$/)
        yield* type(key.enter, "]", key.enter)
        yield* until(/… {3}2, 303\n… \]\n\[ 1, 2, 303 \]\n>$/)
        yield* type(key.up)
        yield* until(/\n> \[1,\n\| {3}2, 303\n\| \]$/)
      }
    }))

  it.live("has the prompt wait, and is taken back when its call is over", () =>
    Effect.gen(function*() {
      const { type, until } = yield* start(false, "--yield-after 1s", "--tool-timeout 2s")
      yield* type(call, key.enter)
      yield* until(/Answer: ?$/)
      yield* type("ye")
      yield* until(/yielded: [^]*ends it\n {2}Answer: ye$/)
      yield* until(/no answer within 2s[^]*has ended\n>$/)
      yield* type("'still there'", key.enter)
      yield* until(/\nstill there\n>$/)
    }))
})
