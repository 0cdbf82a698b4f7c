import { assert, describe, it } from "@effect/vitest"
import { IsolateEvent, type Program } from "effect-code-mode/Isolate"
import { maxErrorTextBytes } from "effect-code-mode/isolate/Frames"
import { Contract, type Heard, maxEventBytes } from "effect-code-mode/isolate/LaneMessage"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { damage, type Dice, makeDice, randomBytes } from "../host/Dice.ts"
import { events, replacePart } from "./forged/Chance.ts"
import { write } from "./forged/Script.ts"
import { program } from "./harness.ts"

const decode = Schema.decodeUnknownExit(IsolateEvent, { onExcessProperty: "error" })

/** The same JSON for the same value. */
const sameInputs = (event: any): unknown =>
  Array.isArray(event?.calls)
    ? {
      ...event,
      calls: event.calls.map((call: any) =>
        typeof call?.input === "string" ? { ...call, input: JSON.stringify(JSON.parse(call.input)) } : call
      )
    }
    : event

/** What the bytes say by the schema of events, which has inputs as text. */
const read = (bytes: Buffer): unknown => {
  const event = decode(JSON.parse(bytes.toString(), (key, value) => key === "input" ? JSON.stringify(value) : value))
  return Exit.isSuccess(event) && event.value._tag === "Finished" && event.value.error !== undefined
    ? { ...event.value, error: { ...event.value.error, text: event.value.error.text.toWellFormed() } }
    : Exit.isSuccess(event) && event.value
}

const say = (contract: Contract, event: unknown): Heard =>
  contract.read(Buffer.from(typeof event === "string" ? event : write(event)))

/** A cell that has started. */
const running = (options?: Partial<Program>) => {
  const contract = new Contract(program("", options))
  assert.deepStrictEqual(say(contract, { _tag: "Started" }), { _tag: "Started" })
  return contract
}

const anyBytes = (dice: Dice): Buffer => {
  const event = dice.pick(events)
  const bytes = Buffer.from(write(dice.chance(0.5) ? event : replacePart(dice, event)))
  switch (dice.below(4)) {
    case 0:
      return damage(dice, bytes)
    case 1:
      return dice.chance(0.1) ? randomBytes(dice, dice.below(100)) : bytes.subarray(0, dice.below(bytes.length + 1))
    default:
      return bytes
  }
}

describe("an event of a lane", () => {
  it("is what it is by its schema, or none", () => {
    const counts: Record<string, number> = {}
    for (let seed = 1; seed <= 20_000; seed++) {
      const dice = makeDice(seed)
      const bytes = anyBytes(dice)
      const contract = dice.chance(0.9) ? running({ pausable: dice.chance(0.5) }) : new Contract(program(""))
      const heard = contract.read(bytes)
      counts[heard._tag] = (counts[heard._tag] ?? 0) + 1
      if (heard._tag !== "Broken" && heard._tag !== "TooMuch") {
        assert.deepStrictEqual(sameInputs(heard), read(bytes), `seed ${seed}`)
      }
    }
    for (const tag of ["Broken", ...Object.keys(IsolateEvent.cases)]) {
      assert.isAbove(counts[tag] ?? 0, 20, tag)
    }
  })

  it("has its fields in any order", () => {
    assert.deepStrictEqual(
      say(running(), "{\"_tag\":\"ToolCalls\",\"calls\":[{\"input\":[],\"tool\":1,\"id\":\"tool-1\"}]}"),
      { _tag: "ToolCalls", calls: [{ id: "tool-1", tool: 1, input: "[]" }] } as unknown as Heard
    )
  })

  it("says which line a call is from where that is asked, and nowhere else", () => {
    const calls = [{ id: "tool-1", tool: 0, line: 7 }]
    assert.deepStrictEqual(
      say(running({ locatesCalls: true }), { _tag: "ToolCalls", calls }),
      { _tag: "ToolCalls", calls } as unknown as Heard
    )
    assert.strictEqual(say(running(), { _tag: "ToolCalls", calls })._tag, "Broken")
    for (const line of [-1, 1.5, "7", null]) {
      const forged = { _tag: "ToolCalls", calls: [{ id: "tool-1", tool: 0, line }] }
      assert.strictEqual(say(running({ locatesCalls: true }), forged)._tag, "Broken", String(line))
    }
  })

  it("has texts of all characters that JSON has", () => {
    for (const text of ["é語😀", "\u0000\"\\/\b\f\n\r\t\u2028\u007f\u0085", "\ud800", "\\u0041", "x".repeat(100_000)]) {
      assert.deepStrictEqual(say(running(), { _tag: "Notify", text }), { _tag: "Notify", text })
    }
    assert.deepStrictEqual(say(running(), "{\"_tag\":\"Notify\",\"text\":\"\\u8a9E\\/\"}"), {
      _tag: "Notify",
      text: "語/"
    })
  })

  it("has inputs of every depth that others can read", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    const call = (input: string) => say(running(), { _tag: "ToolCalls", calls: [{ id: "tool-1", tool: 0, input }] })
    assert.strictEqual(call(nested(127))._tag, "ToolCalls")
    assert.strictEqual(call(`{"a":${nested(126)}}`)._tag, "ToolCalls")
    assert.deepStrictEqual(call(nested(128)), {
      _tag: "Broken",
      what: "the input of a tool call is nested more than 127 levels deep"
    })
    assert.strictEqual(call(`"${nested(1000)}"`)._tag, "ToolCalls")
  })
})

describe("an error's text", () => {
  const errorOf = (text: string) => {
    const heard = say(running(), { _tag: "Finished", stored: [], error: { _tag: "ScriptError", text } })
    return heard._tag === "Finished" ? heard.error?.text : undefined
  }

  it("is what it is up to its bound, in bytes", () => {
    for (
      const text of [
        "",
        "S".repeat(maxErrorTextBytes),
        "語".repeat(Math.floor(maxErrorTextBytes / 3)),
        "\u0000".repeat(maxErrorTextBytes)
      ]
    ) {
      assert.isTrue(errorOf(text) === text)
    }
  })

  it("is cut past it, and no character with it", () => {
    for (const character of ["S", "é", "語", "😀", "\"", "\u0001", "\ud800", "\\u00"]) {
      for (const length of [maxErrorTextBytes + 1, 600_000]) {
        const text = character.repeat(length)
        const cut = errorOf(text)!
        assert.isAtMost(Buffer.byteLength(cut), maxErrorTextBytes)
        assert.isAbove(Buffer.byteLength(cut), maxErrorTextBytes - 100)
        assert.isTrue(cut.endsWith("… (cut at 256 KiB)"))
        const kept = cut.slice(0, cut.indexOf("…"))
        assert.isTrue(text.toWellFormed().startsWith(kept), character)
      }
    }
  })

  it("has whole characters in the end", () => {
    assert.strictEqual(errorOf("a\ud800"), "a\ufffd")
  })
})

describe("a cell's contract", () => {
  const calls = (...ids: ReadonlyArray<number>) => ({
    _tag: "ToolCalls",
    calls: ids.map((id) => ({ id: `tool-${id}`, tool: 0, input: "\"語\"" }))
  })

  it("frees what a call took when it is answered, once", () => {
    const contract = running({ maxPendingToolCalls: 2, maxPendingInputBytes: 12 })
    assert.strictEqual(say(contract, calls(1, 2))._tag, "ToolCalls")
    assert.isTrue(contract.answer("tool-1"))
    assert.isFalse(contract.answer("tool-1"))
    assert.isFalse(contract.answer("tool-3"))
    assert.strictEqual(say(contract, calls(3))._tag, "ToolCalls")
    assert.deepStrictEqual(say(contract, calls(4)), {
      _tag: "Broken",
      what: "more than 2 tool calls of a cell wait for an answer"
    })
  })

  it("counts inputs in bytes, and takes one that is too long by itself", () => {
    const contract = running({ maxPendingInputBytes: 4 })
    assert.strictEqual(say(contract, calls(1))._tag, "ToolCalls")
    assert.strictEqual(say(contract, calls(2))._tag, "TooMuch")
    const other = running({ maxPendingInputBytes: 10 })
    assert.strictEqual(say(other, calls(1, 2))._tag, "ToolCalls")
    assert.deepStrictEqual(say(other, calls(3)), {
      _tag: "TooMuch",
      text: "the tool calls that wait for an answer carry more than 10 bytes"
    })
  })

  it("takes answers that are under way for calls that wait, until the cell has gone on", () => {
    const contract = running({ pausable: true })
    const frontier = (...ids: ReadonlyArray<number>) =>
      say(contract, { _tag: "Frontier", pendingToolCalls: ids.map((id) => `tool-${id}`), timers: 0 })._tag
    say(contract, calls(1, 2, 3))
    contract.answer("tool-2")
    assert.strictEqual(frontier(1, 2, 3), "Frontier")
    assert.isTrue(contract.resume())
    assert.isFalse(contract.resume())
    assert.strictEqual(frontier(1, 3), "Frontier")
    contract.resume()
    assert.strictEqual(frontier(1, 2, 3), "Broken")
  })

  it("hears nothing after it was broken", () => {
    const contract = running()
    assert.strictEqual(say(contract, "x")._tag, "Broken")
    assert.strictEqual(say(contract, { _tag: "Notify", text: "x" })._tag, "Broken")
  })

  it("has values past counting as a limit of the cell", () => {
    const entries = Array.from({ length: 2 ** 18 + 1 }, (_, key) => `["${key}","1"]`).join(",")
    assert.deepStrictEqual(say(running(), `{"_tag":"Finished","stored":[${entries}]}`), {
      _tag: "TooMuch",
      text: "the cell has stored more than 262144 values"
    })
  })
})

describe("the longest event", () => {
  it("has room for the largest of a cell's limits, and for words", () => {
    const small = { maxOutputBytes: 0, maxPendingInputBytes: 0, maxStoredBytes: 0 }
    const most = (options: Partial<Program>) => maxEventBytes(program("", { ...small, ...options })) / 2 ** 20
    assert.strictEqual(most({}), 1)
    assert.strictEqual(most({ maxOutputBytes: 1 }), 2)
    assert.strictEqual(most({ maxStoredBytes: 2 ** 20 }), 5)
    assert.strictEqual(most({ maxPendingInputBytes: 2 ** 26 }), 256)
  })
})
