import { assert, layer } from "@effect/vitest"
import { Isolate, type Lease, type Program } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { definition, run } from "./harness.ts"

class Session extends Context.Service<Session, Lease>()("test/Session") {}

const session = Layer.effect(Session, Isolate.pipe(Effect.flatMap((isolate) => isolate.lease))).pipe(
  Layer.provide(V8.layer({ warmLanes: 0 }))
)

const cell = (source: string, options?: Partial<Program>) =>
  Effect.flatMap(Session, (lease) => run(lease, source, options))

const textsOf = (source: string, options?: Partial<Program>) =>
  Effect.map(cell(source, options), (run) => {
    assert.isUndefined(run.error)
    return run.texts
  })

const errorOf = (source: string, options?: Partial<Program>) =>
  Effect.map(cell(source, options), (run) => {
    assert.isTrue(run.finished)
    return run.error?.text
  })

layer(session, { excludeTestServices: true, timeout: 60_000 })("the cell's environment", (it) => {
  // ---------------------------------------------------------------------------
  // The language
  // ---------------------------------------------------------------------------

  it.effect.each<[string, ReadonlyArray<string>]>([
    ["text(typeof this, typeof import.meta); text(typeof import.meta)", ["undefined", "object"]],
    ["text(String((function() { return this })()))", ["undefined"]],
    ["text(eval(\"1+1\")); text(new Function(\"return 7\")())", ["2", "7"]],
    ["text(new Intl.NumberFormat(\"de\").format(1234.5))", ["1.234,5"]],
    ["text(await Promise.try(() => 3))", ["3"]],
    ["\ufefftext(\"bom\")", ["bom"]],
    ["#!/usr/bin/env node\ntext(new Error(\"x\").stack.split(\"\\n\")[1])", ["    at exec_main.mjs:2:6"]],
    ["text(1)\r\ntext(2)", ["1", "2"]],
    ["text(1) // no line end", ["1"]],
    ["text(1) /* } catch {} try { */", ["1"]],
    ["export const a = 1; export default a; text(a)", ["1"]],
    [
      "text(typeof Math.f16round + typeof RegExp.escape + typeof Iterator)",
      ["functionfunctionfunction"]
    ]
  ])("runs %j", ([source, texts]) => Effect.map(textsOf(source), (seen) => assert.deepStrictEqual(seen, texts)))

  it.effect("offers the helpers and nothing of its host", () =>
    Effect.gen(function*() {
      const [names] = yield* textsOf("text(JSON.stringify(Object.getOwnPropertyNames(globalThis)))")
      const all = new Set<string>(JSON.parse(names!))
      for (
        const name of (
          "text image audio generatedImage content store load notify yield_control exit setTimeout clearTimeout "
          + "tools ALL_TOOLS as_settled stream_settled Intl"
        ).split(" ")
      ) {
        assert.isTrue(all.has(name), name)
      }
      for (
        const name of (
          "console Atomics SharedArrayBuffer WebAssembly FinalizationRegistry process require global Buffer fetch "
          + "program begin setInterval queueMicrotask"
        ).split(" ")
      ) {
        assert.isFalse(all.has(name), name)
      }
    }))

  // ---------------------------------------------------------------------------
  // Errors
  // ---------------------------------------------------------------------------

  it.effect.each<[string, string]>([
    ["return 5", "SyntaxError: Illegal return statement"],
    ["} catch {} try {", "SyntaxError: Unexpected token '}'"],
    ["let a;\nlet a", "SyntaxError: Identifier 'a' has already been declared"],
    ["import fs from \"fs\"", "Unsupported import in exec: fs"],
    ["export * from \"fs\"", "Unsupported import in exec: fs"],
    ["await import(\"fs\")", "unsupported import in exec"],
    ["nope()", "ReferenceError: nope is not defined\n    at exec_main.mjs:1:1"],
    ["text(1); nope()", "ReferenceError: nope is not defined\n    at exec_main.mjs:1:10"],
    [
      "function f() { throw new TypeError(\"deep\") }\nf()",
      "TypeError: deep\n    at f (exec_main.mjs:1:22)\n    at exec_main.mjs:2:1"
    ],
    [
      "async function a() { await 0; throw new Error(\"in a\") }\nawait a()",
      "Error: in a\n    at a (exec_main.mjs:1:37)\n    at async exec_main.mjs:2:1"
    ],
    ["throw \"str\"", "str"],
    ["throw null", "null"],
    ["throw undefined", "undefined"],
    ["throw Symbol(\"s\")", ""],
    ["throw {}", "[object Object]"],
    ["throw { stack: \"mine\" }", "mine"],
    ["export const a = 1; throw new Error(\"with export\")", "Error: with export\n    at exec_main.mjs:1:27"],
    ["export const a = 1; throw \"plain\"", "plain"],
    ["export const a = 1; Promise.reject(\"floating\"); await 0; await tools.echo(); throw \"later\"", "later"],
    ["await tools.fail()", "boom"],
    [
      "setTimeout(() => { throw new Error(\"t\") }); await new Promise(() => {})",
      "Error: t\n    at exec_main.mjs:1:26"
    ],
    [
      "const a = {}; a.a = a; tools.echo(a)",
      "TypeError: Converting circular structure to JSON\n    --> starting at object with constructor 'Object'\n"
      + "    --- property 'a' closes the circle\n    at exec_main.mjs:1:30"
    ],
    ["text({ a: 1n })", "TypeError: Do not know how to serialize a BigInt\n    at exec_main.mjs:1:1"],
    ["text({ get a() { throw \"g\" } })", "g"],
    ["tools.echo(() => 1)", "tools.echo expects a JSON value, got a function"],
    ["store(\"k\", undefined)", "Unable to store \"k\". Only plain serializable objects can be stored."],
    ["store(Symbol(), 1)", "store key must be a string"],
    ["load({ toString() { throw 1 } })", "load key must be a string"],
    ["setTimeout(\"1\")", "setTimeout expects a function callback"],
    ["clearTimeout(1n)", "clearTimeout expects a numeric timeout id"],
    ["notify(\" \\n\")", "notify expects non-empty text"],
    [
      "as_settled(5)",
      "TypeError: promises is not iterable\n    at collect (<anonymous>:1:1)\n    at as_settled (<anonymous>:1:1)\n    at exec_main.mjs:1:1"
    ]
  ])(
    "fails %j",
    ([source, text]) =>
      Effect.map(
        errorOf(source),
        (seen) => assert.strictEqual(seen?.replace(/<anonymous>:\d+:\d+/g, "<anonymous>:1:1"), text)
      )
  )

  it.effect("says where", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* cell("text(1)\n  nope()")).error?.location, { line: 2, column: 3 })
      assert.deepStrictEqual((yield* cell("let a\nlet a")).error?.location, { line: 2, column: 5 })
      assert.isUndefined((yield* cell("throw 1")).error?.location)
    }))

  it.effect.each<[string, string]>([
    ["throw { toString() { throw 1 } }", "unknown code mode exception"],
    ["throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 1 } })", "unknown code mode exception"],
    ["throw { get stack() { throw 1 }, toString: () => \"fine\" }", "fine"],
    ["throw { stack: { toString() { throw 1 } } }", "[object Object]"],
    ["throw Object.create(null)", "unknown code mode exception"],
    ["const e = new Error(\"m\"); e.stack = { }; throw e", "Error: m"],
    ["throw Object.freeze(new RangeError(\"frozen\"))", "RangeError: frozen\n    at exec_main.mjs:1:21"]
  ])(
    "gives the outcome of a hostile %j",
    ([source, text]) => Effect.map(errorOf(source), (seen) => assert.strictEqual(seen, text))
  )

  it.effect("keeps a rejection that nobody handles to itself", () =>
    Effect.gen(function*() {
      const seen = yield* textsOf(`
        Promise.reject(new Error("a")); tools.fail(); text(1); await 0; text(2); await tools.echo()
        Promise.reject({ get message() { throw 1 } }); text(3)`)
      assert.deepStrictEqual(seen, ["1", "2", "3"])
    }))

  it.effect.each<[string, ReadonlyArray<string>]>([
    [
      "try { await import(\"x\") } catch (e) { text(typeof e + e) }",
      ["stringunsupported import in exec"]
    ],
    [
      "const o = { import: (x) => x, f() { return this.import(1) } }; text(o.import(2) + o.f()); text(\"import(3)\")",
      ["3", "import(3)"]
    ],
    [
      "/* import(1) */ class A { import() { return `import(2) ${typeof import /* c */ (3)}` } } text(new A().import())",
      [
        "import(2) object"
      ]
    ]
  ])(
    "tells a dynamic import: %j",
    ([source, texts]) => Effect.map(textsOf(source), (seen) => assert.deepStrictEqual(seen, texts))
  )

  // ---------------------------------------------------------------------------
  // Output
  // ---------------------------------------------------------------------------

  it.effect.each<[string, ReadonlyArray<string>]>([
    ["text(); text(null); text(true); text(-0); text(1.5); text(3n); text(\"\")", [
      "undefined",
      "null",
      "true",
      "0",
      "1.5",
      "3",
      ""
    ]],
    ["text([1, undefined, () => 1]); text(new Date(0)); text(/a/); text(() => 1); text(Symbol())", [
      "[1,null,null]",
      "\"1970-01-01T00:00:00.000Z\"",
      "{}",
      "undefined",
      "undefined"
    ]],
    ["text(\"\\uD800x\")", ["\ufffdx"]],
    ["text({ toJSON() { return new Error(\"x\").stack } })", [
      "\"Error: x\\n    at Object.toJSON (exec_main.mjs:1:26)\\n    at exec_main.mjs:1:1\""
    ]],
    ["BigInt.prototype.toJSON = function() { return \"big\" + this }; text({ a: 1n })", ["{\"a\":\"big1\"}"]],
    ["text(String(text(1)))", ["1", "undefined"]]
  ])("text: %j", ([source, texts]) => Effect.map(textsOf(source), (seen) => assert.deepStrictEqual(seen, texts)))

  const high = (url: string) => ({ type: "input_image", image_url: url, detail: "high" })

  it.effect.each<[string, unknown]>([
    ["image(\"data:a\")", high("data:a")],
    ["image({ image_url: \"data:a\", detail: \"LOW\" })", { ...high("data:a"), detail: "low" }],
    ["image({ image_url: \"data:a\", detail: \"low\" }, \"original\")", { ...high("data:a"), detail: "original" }],
    ["image({ type: \"image\", data: \"AA\", mimeType: \"i/p\" })", high("data:i/p;base64,AA")],
    ["image({ type: \"image\", data: \"AA\" })", high("data:application/octet-stream;base64,AA")],
    ["image({ type: \"image\", data: \"DATA:x\", _meta: { \"codex/imageDetail\": \"auto\" } })", {
      ...high("DATA:x"),
      detail: "auto"
    }],
    ["audio({ audio_url: \"data:a\" })", { type: "input_audio", audio_url: "data:a" }],
    ["content({ type: \"audio\", data: \"AA\", mimeType: \"a/w\" })", {
      type: "input_audio",
      audio_url: "data:a/w;base64,AA"
    }],
    ["content([{ type: \"text\", text: \"t\" }])", { type: "input_text", text: "t" }],
    ["content({ content: [{ type: \"text\", text: \"t\" }], isError: true })", { type: "input_text", text: "t" }],
    ["content({ type: \"resource_link\", uri: \"u\", name: \"n\" })", {
      type: "input_text",
      text: "{\"type\":\"resource_link\",\"uri\":\"u\",\"name\":\"n\"}"
    }]
  ])(
    "media: %j",
    ([source, item]) => Effect.map(cell(source), (run) => assert.deepStrictEqual(run.items, [item as any]))
  )

  it.effect.each<[string, string]>([
    [
      "image(5)",
      "image expects a non-empty image URL string, an object with image_url and optional detail, or a raw MCP image block"
    ],
    ["image({ type: \"text\" })", "image only accepts MCP image blocks, got \"text\""],
    ["image({ type: \"image\" })", "image expected MCP image data"],
    [
      "image(\"https://x\")",
      "Tool call failed: remote image URLs are not supported in tool outputs. Pass a base64 data URI instead"
    ],
    ["image(\"x\")", "Tool call failed: invalid image output. Pass a base64 data URI instead"],
    ["image(\"data:\", \"huge\")", "image detail must be one of: auto, low, high, original"],
    ["image(\"data:\", 5)", "image detail must be a string when provided"],
    ["audio(\"http://x\")", "Tool call failed: invalid audio output. Pass a base64 data URI instead"],
    ["generatedImage(\"data:\")", "generatedImage expects an image generation result object"],
    [
      "generatedImage({ image_url: \"data:\", output_hint: null })",
      "generatedImage output_hint must be a string when provided"
    ],
    ["content({ type: \"text\" })", "content expects one MCP ContentBlock"],
    ["content({ type: \"x\", content: [{ type: \"text\", text: \"t\" }] })", "content expects one MCP ContentBlock"],
    ["content({ content: { type: \"text\", text: \"t\" } })", "content expects one MCP ContentBlock"],
    ["content({ content: [{ content: [] }] })", "content expects one MCP ContentBlock"],
    ["content(\"x\")", "content expects one MCP ContentBlock"]
  ])("refuses %j with a string", ([source, text]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* errorOf(source), text)
      assert.deepStrictEqual(yield* textsOf(`try { ${source} } catch (e) { text(typeof e) }`), ["string"])
    }))

  it.effect("takes no whole result where it is told so", () =>
    Effect.gen(function*() {
      const result = "content({ content: [{ type: \"text\", text: \"t\" }] })"
      const refused = yield* cell(result, { contentTakesResults: false })
      assert.strictEqual(refused.error?.text, "content expects one MCP ContentBlock")
      const blocks = yield* cell("content([{ type: \"text\", text: \"t\" }])", { contentTakesResults: false })
      assert.deepStrictEqual(blocks.texts, ["t"])
    }))

  // ---------------------------------------------------------------------------
  // Stored values, notifications, timers
  // ---------------------------------------------------------------------------

  it.effect("stores JSON and loads copies", () =>
    Effect.gen(function*() {
      const seen = yield* cell(
        "text(load(\"old\")); store(5, [1]); store(5, { a: 1 }); load(5).a = 2; text(load(5)); text(String(load(\"no\")))",
        { stored: new Map([["old", "[\"kept\"]"]]) }
      )
      assert.deepStrictEqual(seen.texts, ["[\"kept\"]", "{\"a\":1}", "undefined"])
      assert.deepStrictEqual(seen.stored, { 5: "{\"a\":1}" })
    }))

  it.effect("stores up to a failure, and what microtasks store after the end", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* cell("store(\"a\", 1); throw 1")).stored, { a: "1" })
      const late = yield* cell(
        "Promise.resolve().then(() => 0).then(() => 0).then(() => { store(\"a\", 2); text(\"late\") })"
      )
      assert.deepStrictEqual([late.stored, late.texts], [{ a: "2" }, ["late"]])
    }))

  it.effect("notifies in order", () =>
    Effect.gen(function*() {
      const seen = yield* cell("for (let i = 0; i < 5; i++) notify({ i }); yield_control(); text(1)")
      assert.deepStrictEqual(seen.notifications, [0, 1, 2, 3, 4].map((i) => `{"i":${i}}`))
      assert.isTrue(seen.tags.indexOf("YieldRequested") > seen.tags.lastIndexOf("Notify"))
      assert.isTrue(seen.tags.indexOf("YieldRequested") < seen.tags.indexOf("Output"))
    }))

  it.effect.each<[string, ReadonlyArray<string>]>([
    ["text(setTimeout(() => {})); text(setTimeout(() => {}, 1e12))", ["1", "2"]],
    ["text(await new Promise((r) => setTimeout(function(a) { r(typeof this + a) }, -1, 2)))", ["undefinedundefined"]],
    [
      "const id = setTimeout(() => text(\"no\")); clearTimeout(id); clearTimeout(); clearTimeout(null); clearTimeout(9.5)\n"
      + "await new Promise((r) => setTimeout(r, 5)); text(\"end\")",
      ["end"]
    ],
    ["setTimeout(() => text(\"late\"), 1); text(\"end\")", ["end"]],
    [
      "const o = []; setTimeout(() => { o.push(1); Promise.resolve().then(() => o.push(\"m\")) }); setTimeout(() => o.push(2))\n"
      + "await new Promise((r) => setTimeout(r, 5)); text(o.join())",
      ["1,m,2"]
    ]
  ])("timers: %j", ([source, texts]) => Effect.map(textsOf(source), (seen) => assert.deepStrictEqual(seen, texts)))

  // ---------------------------------------------------------------------------
  // Tools
  // ---------------------------------------------------------------------------

  it.effect.each<[string, ReadonlyArray<string>]>([
    ["text(await tools.echo({ a: [1, { b: null }], u: undefined }))", ["{\"a\":[1,{\"b\":null}]}"]],
    ["text(String(await tools.echo())); text(String(await tools.echo(undefined)))", ["null", "null"]],
    ["text((await tools.echo(\"a\\uD800b\")).length)", ["3"]],
    ["try { await tools.fail() } catch (e) { text(typeof e + e) }", ["stringboom"]],
    ["text(typeof tools.nope); const f = tools.echo; text(await f(1))", ["undefined", "1"]],
    ["const p = tools.echo(); text(p instanceof Promise); text(Object.keys(tools))", [
      "true",
      "[\"echo\",\"fail\",\"hold\"]"
    ]],
    ["text(ALL_TOOLS[0]); ALL_TOOLS.push(1); text(ALL_TOOLS.length)", [
      "{\"name\":\"echo\",\"description\":\"the tool echo\"}",
      "4"
    ]],
    [
      "const r = []; for await (const x of as_settled([tools.hold, tools.fail(), tools.echo(2)])) r.push(x.status); text(r)",
      [
        "[\"fulfilled\",\"rejected\",\"fulfilled\"]"
      ]
    ],
    ["for await (const x of as_settled(new Map([[\"k\", tools.fail()], [\"l\", 1]]))) text(x)", [
      "{\"index\":\"l\",\"status\":\"fulfilled\",\"value\":1}",
      "{\"index\":\"k\",\"status\":\"rejected\",\"reason\":\"boom\"}"
    ]],
    ["text(Object.prototype.toString.call(as_settled([]))); text(typeof content + content.length + content.name)", [
      "[object AsyncGenerator]",
      "function1content"
    ]],
    ["await stream_settled([1, tools.echo(2)], async ({ value }) => { await 0; text(value) })", ["1", "2"]],
    ["for await (const { value } of as_settled([tools.hold(), 5])) { text(value); break }", ["5"]]
  ])("tools: %j", ([source, texts]) => Effect.map(textsOf(source), (seen) => assert.deepStrictEqual(seen, texts)))

  it.effect("names tools as identifiers", () =>
    Effect.map(
      textsOf("text(Object.keys(tools)); text(ALL_TOOLS.map((t) => t.name))", {
        tools: ["a-b", "1st", "ünï", "", "ok_$", "class", "__proto__", "constructor"].map(definition)
      }),
      (seen) =>
        assert.deepStrictEqual(seen.map((text) => JSON.parse(text)), [
          ["a_b", "_st", "_n_", "_", "ok_$", "class", "constructor"],
          ["a_b", "_st", "_n_", "_", "ok_$", "class", "__proto__", "constructor"]
        ])
    ))

  it.effect("gives a tool that takes several arguments the array of them", () =>
    Effect.gen(function*() {
      const tools = [definition("hold"), { ...definition("echo"), variadic: true }, definition("fail")]
      const echo = (args: string) => `text(await tools.echo(${args}))`
      const seen = yield* textsOf(
        [
          echo("'a', { b: [1] }, undefined, 2"),
          echo(""),
          echo("[3]"),
          echo("{ toJSON: () => 4 }"),
          "Array.prototype.toJSON = () => 5; Object.prototype.toJSON = () => 6; Array.prototype[Symbol.iterator] = null",
          "const late = await tools.echo('a', 'b')",
          "delete Array.prototype.toJSON; delete Object.prototype.toJSON; text(late); text(Object.keys(ALL_TOOLS[1]))"
        ].join("\n"),
        { tools }
      )
      assert.deepStrictEqual(seen, [
        "[\"a\",{\"b\":[1]},null,2]",
        "[]",
        "[[3]]",
        "[4]",
        "[\"a\",\"b\"]",
        "[\"name\",\"description\"]"
      ])
      const refused = (argument: string) => errorOf(`await tools.echo(1, ${argument})`, { tools })
      assert.strictEqual(yield* refused("() => {}"), "tools.echo expects a JSON value, got a function")
      const nested = (levels: number) => `JSON.parse('['.repeat(${levels}) + ']'.repeat(${levels}))`
      assert.isUndefined(yield* refused(nested(126)))
      assert.match((yield* refused(nested(127))) ?? "", /recursion limit exceeded/)
    }))

  it.effect("5,000 tool calls at once", () =>
    Effect.map(
      textsOf(
        "const r = await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.echo(i))); text(r.every((x, i) => x === i))"
      ),
      (seen) => assert.deepStrictEqual(seen, ["true"])
    ))

  it.effect("refuses tool calls past the bound", () =>
    Effect.map(
      cell("tools.hold(); tools.hold(); try { tools.hold() } catch (e) { text(e) }", { maxPendingToolCalls: 2 }),
      (seen) => assert.match(seen.texts[0]!, /tools\.hold was not called: 2 tool calls/)
    ))

  it.effect.each([
    ["ascii", "'x'.repeat(600)"],
    ["three bytes a character", "'\u20ac'.repeat(200)"],
    ["four bytes a character", "'\u{1f600}'.repeat(150)"]
  ])("counts what tool calls carry in bytes: %s", ([, text]) =>
    Effect.map(
      cell(
        `const big = ${text}; tools.hold(big); try { tools.hold(big) } catch (e) { text(e) } tools.hold(1); text("on")`,
        { maxPendingInputBytes: 1000 }
      ),
      (seen) => {
        assert.match(seen.texts.join(), /^tools\.hold was not called: .* carry too much input already,on$/)
        assert.isUndefined(seen.error)
      }
    ))

  it.effect("refuses tool calls that carry too much together", () =>
    Effect.map(
      cell(
        "const big = 'x'.repeat(2 ** 18); try { for (;;) tools.hold(big) } catch (e) { text(e) } text(await tools.echo(1))",
        { maxPendingInputBytes: 2 ** 20 }
      ),
      (seen) => assert.match(seen.texts.join(), /^tools\.hold was not called: .* carry too much input already,1$/)
    ))

  // ---------------------------------------------------------------------------
  // exit
  // ---------------------------------------------------------------------------

  it.effect.each([
    "text(1); store(\"k\", 1); exit(); text(2)",
    "text(1); store(\"k\", 1); try { exit() } catch { text(2) } finally { text(3) }",
    "text(1); store(\"k\", 1); try { exit() } catch {} for (;;);",
    "text(1); store(\"k\", 1); (async () => { await 0; exit() })(); await new Promise(() => {})",
    "text(1); store(\"k\", 1); Promise.resolve().then(exit).finally(() => text(2)); await tools.hold()",
    "text(1); store(\"k\", 1); setTimeout(exit); await tools.hold()",
    "text(1); store(\"k\", 1); text({ toJSON: exit })",
    "text(1); store(\"k\", 1); tools.echo({ get a() { exit() } })",
    "text(1); store(\"k\", 1); store({ toString: exit }, 1)",
    "text(1); store(\"k\", 1); image({ get image_url() { exit() } })",
    "text(1); store(\"k\", 1); throw { get stack() { exit() } }",
    "text(1); store(\"k\", 1); await tools.echo(); exit(1)",
    "text(1); store(\"k\", 1); for (const x of { *[Symbol.iterator]() { try { yield exit() } finally { text(2) } } });"
  ])("exit ends the cell well: %j", (source) =>
    Effect.map(cell(source), (seen) => {
      assert.isTrue(seen.finished)
      assert.isUndefined(seen.error)
      assert.deepStrictEqual([seen.texts, seen.stored], [["1"], { k: "1" }])
    }))

  // ---------------------------------------------------------------------------
  // Realms
  // ---------------------------------------------------------------------------

  it.effect("everything a script can reach is of its own realm", () =>
    Effect.map(
      textsOf(`
        const foreign = [], seen = new Set(), queue = []
        const visit = (value, path) => {
          if ((typeof value === "object" && value !== null || typeof value === "function") && !seen.has(value)) {
            seen.add(value); queue.push([value, path])
          }
        }
        visit(globalThis, "globalThis")
        const call = tools.echo({ a: [1] }); visit(call, "call"); visit(await call, "result")
        const iterator = as_settled([1, tools.fail()]); visit(iterator, "iterator")
        visit(iterator.next(), "next"); visit(await iterator.next(), "item"); visit(await iterator.next(), "item2")
        store("k", {}); visit(load("k"), "load"); visit(stream_settled([], () => {}), "stream"); visit(import("x").catch(() => {}), "import")
        for (const misuse of [() => as_settled(), () => setTimeout(() => {}, 1n), () => setTimeout(() => {}, { valueOf: () => ({}), toString: () => ({}) })]) {
          try { misuse() } catch (e) { visit(e, "misuse"); if (!(e instanceof Error)) foreign.push("misuse " + misuse) }
        }
        for (let next; (next = queue.pop());) {
          const [value, path] = next
          let root = value
          for (let proto; (proto = Object.getPrototypeOf(root)) !== null;) root = proto
          if (root !== Object.prototype && root !== value) foreign.push(path)
          if (typeof value === "function" && !(value instanceof Function) && value !== Function.prototype) foreign.push(path)
          visit(Object.getPrototypeOf(value), path + ".__proto__")
          for (const key of Reflect.ownKeys(value)) {
            const d = Object.getOwnPropertyDescriptor(value, key)
            visit(d.value, path + "." + String(key)); visit(d.get, path + ".get " + String(key)); visit(d.set, path + ".set " + String(key))
          }
        }
        text(seen.size > 500); text(foreign)`),
      (seen) => assert.deepStrictEqual(seen, ["true", "[]"])
    ))

  it.effect("helpers work after a script has replaced what it can", () =>
    Effect.map(
      cell(`
        const tell = text, call = tools.echo, settled = as_settled, put = store, get = load, wait = setTimeout
        const { iterator } = Symbol, { ownKeys } = Reflect, P = Promise, evil = () => { throw "spoilt" }
        const spoil = (o) => {
          const keys = ownKeys(o)
          for (let i = 0; i < keys.length; i++) { try { if (keys[i] !== "constructor") o[keys[i]] = evil } catch {} }
        }
        const targets = [JSON, Reflect, Object, Array, String, Number, Map, Set, RegExp, Math, Date, Symbol, Error, P]
        for (let i = 0; i < targets.length; i++) { const p = targets[i].prototype; spoil(targets[i]); if (p) spoil(p) }
        spoil(globalThis)
        put("k", { a: 1 }); tell(get("k").a); tell({ b: [1] })
        tell((await call({ c: 1 })).c)
        let left = 1
        const all = settled({ [iterator]: () => ({ next: () => ({ done: left-- === 0, value: call({ d: 2 }) }) }) })
        tell((await all.next()).value.value.d)
        await new P((r) => wait(r, 1)); tell("end")`),
      (seen) => {
        assert.isUndefined(seen.error)
        assert.deepStrictEqual(seen.texts, ["1", "{\"b\":[1]}", "1", "2", "end"])
        assert.deepStrictEqual(seen.stored, { k: "{\"a\":1}" })
      }
    ))

  it.effect("call sites show no code but the script's", () =>
    Effect.map(
      textsOf(`
        Error.prepareStackTrace = (_, sites) => sites.map((s) => s.getFileName() + typeof s.getFunction() + typeof s.getThis()).join()
        text({ toJSON() { return new Error("x").stack } })
        text(await new Promise((r) => setTimeout(() => r(new Error("x").stack))))`),
      (seen) =>
        assert.deepStrictEqual(seen, [
          "\"exec_main.mjsundefinedundefined,exec_main.mjsundefinedundefined\"",
          "exec_main.mjsundefinedundefined"
        ])
    ))

  // ---------------------------------------------------------------------------
  // What errors say
  // ---------------------------------------------------------------------------

  it.effect.each<[string, ReadonlyArray<string>]>([
    [
      "new ArrayBuffer(8, { maxByteLength: 2 ** 40 })",
      ["RangeError: Array buffer allocation failed", "    at exec_main.mjs:1:7"]
    ],
    [
      "new ArrayBuffer(-1)",
      [
        "RangeError: Invalid array buffer length",
        "    at new ArrayBuffer (<anonymous>)",
        "    at exec_main.mjs:1:7"
      ]
    ],
    [
      "new ArrayBuffer(8, { maxByteLength: 1n })",
      ["TypeError: Cannot convert a BigInt value to a number", "    at exec_main.mjs:1:7"]
    ],
    [
      "new Proxy(1, {})",
      ["TypeError: Cannot create proxy with a non-object as target or handler", "    at exec_main.mjs:1:7"]
    ],
    ["setTimeout(() => {}, 1n)", ["TypeError: Cannot convert a BigInt value to a number", "    at exec_main.mjs:1:7"]]
  ])("the stack of what %s throws has the script's frames only", ([source, lines]) =>
    Effect.map(
      textsOf(`try { ${source} } catch (e) { text(e instanceof Error ? e.stack : e) }`),
      (seen) => assert.deepStrictEqual(seen, [lines.join("\n")])
    ))

  it.effect.each([
    ["thrown", "throw e"],
    ["thrown by a module that exports", "export const a = 1; throw e"],
    ["thrown by a timer", "setTimeout(() => { throw e }); await new Promise(() => {})"]
  ])(
    "the text of an error has a bound: %s",
    ([, source]) =>
      Effect.map(errorOf(`const e = new Error("S".repeat(5e6)); e.stack = e.message; ${source}`), (text) => {
        assert.isAtMost(text!.length, 64 * 1024 + 100)
        assert.match(text!, /^(Error: )?S+\n\[\d+ more characters\]$/)
      })
  )
})
