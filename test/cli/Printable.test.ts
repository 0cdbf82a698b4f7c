import { assert, describe, it } from "@effect/vitest"
import * as Printable from "effect-code-mode/bin/terminal/Printable"
import * as Printer from "effect-code-mode/bin/terminal/Printer"
import type { CellId } from "effect-code-mode/Protocol"
import * as Duration from "effect/Duration"

const { foreign, text } = Printable

const terminal = { isTerminal: true, hasColours: true } as const
const file = { isTerminal: false, hasColours: false } as const

const as = (way: Printable.As, value: string, surface: Printable.Surface = terminal) =>
  Printable.render(foreign("text in a test", value, way), surface)

const ways: ReadonlyArray<Printable.As> = ["word", "prose", "lines", "quote", "code", "output"]

/** Every character that moves, hides or turns something, but for ends of lines and tabs. */
const unseen = [
  ...Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter((each) => !"\t\n".includes(each)),
  ...Array.from({ length: 0x21 }, (_, code) => String.fromCharCode(0x7f + code)),
  ..."\u00ad\u034f\u061c\u115f\u17b4\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
  ..."\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206f\u3164\ufe00\ufe0e\ufe0f\ufeff\uffa0\ufff9\ufffb",
  "\ud800",
  "\udfff",
  "\u{e0001}",
  "\u{e0041}",
  "\u{e007f}",
  "\u{e0100}",
  "\u{1d173}"
]

const escaped = (text: string) =>
  text.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

describe("foreign text", () => {
  it.each(ways)("has nothing in it that is not seen: %s", (way) => {
    for (const each of unseen) {
      // White space is what prose has between its words.
      const shown = way === "prose" && /\s/.test(each) ? " " : escaped(each)
      assert.strictEqual(as(way, `a${each}b`), `a${shown}b`)
      assert.strictEqual(as(way, `é${each}`), way === "prose" && shown === " " ? "é" : `é${shown}`)
    }
  })

  it.each(ways)("keeps what is seen: %s", (way) => {
    for (
      const each of [
        "plain text, 漢字, é, e\u0301, «\u00a0»",
        "👩‍👩‍👧 ❤️ ❤️‍🔥 🏴‍☠️ 🕵🏻‍♂️ 1️⃣ ☺︎ 🇩🇪",
        "می\u200cخواهم क्\u200dष",
        "back\\slash \\u001b"
      ]
    ) {
      assert.strictEqual(as(way, each), way === "prose" ? each.replaceAll("\u00a0", " ") : each)
    }
  })

  it("shows joiners where they join nothing, and more than one of them", () => {
    assert.strictEqual(as("word", "ad\u200dmin"), "ad\\u200dmin")
    assert.strictEqual(as("word", "م\u200c\u200c"), "م\u200c\\u200c")
    assert.strictEqual(as("word", "❤\ufe0f\ufe0f"), "❤\ufe0f\\ufe0f")
    assert.strictEqual(as("word", "1\ufe0f"), "1\\ufe0f")
  })

  it.each(ways)("cannot be put together from what is left: %s", (way) => {
    for (
      const each of [
        "\u001b\u001b[0m]0;title\u0007",
        "\u001b\u001b[31m[2J",
        "\u001b[\u001b[0m2J",
        "\u009b\u001b[0m2J",
        "\u001b[3\u001b[1mJ",
        "\u001b[1;\u001b[0m2J"
      ]
    ) {
      // oxlint-disable-next-line no-control-regex -- it is what this is about
      assert.notMatch(as(way, each).replace(/\u001b\[[\d;]*m/g, ""), /[\0-\x08\x0b-\x1f\x7f-\x9f]/)
    }
  })

  it("is one line where one is wanted", () => {
    assert.strictEqual(as("word", "a\nb\tc\r\nd"), "a\\u000ab\\u0009c\\u000d\\u000ad")
    assert.strictEqual(as("prose", "  a\nb\tc\r\n\u2028 d\n"), "a b c d")
    assert.strictEqual(as("prose", "x".repeat(1000)), `${"x".repeat(200)}…`)
    assert.strictEqual(as("prose", `${"x".repeat(199)}👍`), `${"x".repeat(199)}…`)
  })

  it("has its lines", () => {
    assert.strictEqual(as("lines", "a\n\tb\r\nc\rd"), "a\n\tb\nc\\u000dd")
    assert.strictEqual(as("quote", "a\n\nb\r\nc"), "a\n  \n  b\n  c")
    assert.strictEqual(as("quote", "x".repeat(30_000)), `${"x".repeat(20_000)}…`)
  })

  it("has no colours but in output", () => {
    for (const way of ["prose", "lines", "quote"] as const) {
      assert.strictEqual(as(way, "a\u001b[31mb\u001b[0mc\u001b[38:5:1md"), "abcd")
    }
    assert.strictEqual(as("word", "a\u001b[31mb"), "a\\u001b[31mb")
  })

  it("is the same value where it is code", () => {
    for (const each of unseen) {
      const code = as("code", JSON.stringify(each))
      assert.match(code, /^"[\x20-\x7e]+"$/)
      assert.strictEqual(JSON.parse(code), each)
    }
  })
})

describe("output", () => {
  it("is as it is in a file", () => {
    const all = `a\r\n\u001b[2J\u001b[31m${unseen.join("")}`
    assert.strictEqual(as("output", all, file), all)
  })

  it.each([
    ["a\r\nb\n", "a\nb\n"],
    ["\u001b[31mred\u001b[m plain", "\u001b[31mred\u001b[0m plain"],
    ["\u001b[01;04;93mred\u001b[0m", "\u001b[1;4;93mred\u001b[0m"],
    // It ends with its line.
    ["\u001b[31mred", "\u001b[31mred\u001b[0m"],
    ["\u001b[31mred\nplain\n", "\u001b[31mred\u001b[0m\nplain\n"],
    ["a\u001b[1m\n\n", "a\u001b[1m\u001b[0m\n\n"],
    ["\u001b[0;1mred\n\u001b[2mplain", "\u001b[0;1mred\u001b[0m\n\u001b[2mplain\u001b[0m"],
    // It cannot conceal.
    ["\u001b[8mhidden", "hidden"],
    ["\u001b[1;8;31mhidden", "\u001b[1;31mhidden\u001b[0m"],
    ["\u001b[30mblack\u001b[37mwhite\u001b[90mgrey\u001b[97mbright", "blackwhitegreybright"],
    ["\u001b[31;41mred on red", "\u001b[31mred on red\u001b[0m"],
    ["\u001b[7minverse\u001b[5mblinks", "inverseblinks"],
    ["\u001b[38;5;1mred\u001b[48;5;31mback\u001b[58;5;4mline", "redbackline"],
    ["\u001b[38;2;31;32;33;1mbold", "\u001b[1mbold\u001b[0m"],
    ["\u001b[38;5mx\u001b[38;2;1mx\u001b[38mx", "xxx"],
    ["\u001b[4:3mcurly\u001b[38:2::1:1:1mx", "curlyx"]
  ])("on a terminal: %j", (output, shown) => {
    assert.strictEqual(as("output", output), shown)
  })

  it("has no colours on a terminal that has none", () => {
    assert.strictEqual(
      as("output", "\u001b[31mred\u001b[0m\u001b[2J", { isTerminal: true, hasColours: false }),
      "red\\u001b[2J"
    )
  })
})

describe("our text", () => {
  it("takes what is ours, and what was made printable", () => {
    const name = foreign("another text in a test", "a\u001b[2J", "word")
    assert.strictEqual(
      String(text`\u001b[2m${name} ${"ours"} ${5} ${Duration.seconds(5)} ${"id" as CellId}\u001b[22m`),
      "\u001b[2ma\\u001b[2J ours 5 5s id\u001b[22m"
    )
  })

  it("takes no other string", () => {
    const others: string = "\u001b[2J"
    const patterned: `x${string}` = "x\u001b[2J"
    // @ts-expect-error: a string that anybody may have written
    assert.strictEqual(String(text`a ${others}`), "a \\u001b[2J")
    // @ts-expect-error: a part of it, too
    assert.strictEqual(String(text`a ${patterned}`), "a x\\u001b[2J")
    // @ts-expect-error: a path has a name of its own
    foreign(others, "", "word")
    // @ts-expect-error: nothing else is printed
    void (() => Printer.print("text"))
    // @ts-expect-error: nobody makes one
    void new Printable.Printable([])
  })
})

describe("room", () => {
  const line = text`${foreign("wide text in a test", "ab名\u001b", "word")}c`

  it("is counted as it is shown", () => {
    assert.strictEqual(Printable.width(line), 11)
    assert.strictEqual(String(Printable.blank(text`a${foreign("tabs in a test", "\tb", "code")}`)), " \t ")
    assert.strictEqual(String(Printable.padEnd(text`ab`, 4)), "ab  ")
  })

  it("is kept", () => {
    assert.strictEqual(String(Printable.fit(line, 11)), "ab名\\u001bc")
    assert.strictEqual(String(Printable.fit(line, 10)), "ab名\\u00…")
    assert.strictEqual(String(Printable.fit(line, 3, "")), "ab")
  })
})
