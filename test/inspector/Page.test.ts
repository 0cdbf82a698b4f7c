import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Schema, Scope } from "effect"
import * as Delegate from "effect-code-mode/Delegate"
import * as Inspector from "effect-code-mode/Inspector"
import { ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Page } from "playwright-core"
import * as Browser from "./Browser.ts"

const { of } = Browser

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Opened by a test that lets the calls of `hold` go on. */
const held = new Map<string, Deferred.Deferred<void>>()
const gate = (name: string) => {
  const known = held.get(name) ?? Deferred.makeUnsafe<void>()
  held.set(name, known)
  return known
}

const removed: Array<string> = []

const tools = Delegate.layerTools({
  add: Delegate.tool({
    description: "Adds",
    parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
    handler: ({ a, b }) => Effect.succeed({ sum: a + b })
  }),
  refuse: Delegate.tool({
    description: "Always fails",
    parameters: Schema.Struct({}),
    handler: () => Effect.fail(new ToolError({ text: "not today" }))
  }),
  hold: Delegate.tool({
    description: "Waits",
    parameters: Schema.Struct({ name: Schema.String }),
    handler: ({ name }) => Effect.as(Deferred.await(gate(name)), null)
  }),
  remove: Delegate.tool({
    description: "Removes <b>everything</b>",
    parameters: Schema.Struct({ path: Schema.String }),
    annotations: { destructive: true, needsApproval: true },
    handler: ({ path }) => Effect.sync(() => removed.push(path))
  })
}).pipe(
  Delegate.mapLayer((delegate) => Delegate.withApproval(delegate)),
  Layer.provide(Inspector.layerApprover)
)

const session = (name: string) =>
  Runtime.layer({ sessionId: name }).pipe(Layer.provide([tools, V8.layer({ warmLanes: 0 })]))

const everything = session("page").pipe(
  Layer.provideMerge(Inspector.layer({ port: 0, title: "a test" })),
  Layer.provideMerge(Browser.layer)
)

const create = (source: string) =>
  Effect.flatMap(Runtime.SessionRuntime, (session) => session.create({ callId: "test", source }))

const run = (source: string) =>
  Effect.flatMap(
    Runtime.SessionRuntime,
    (session) =>
      Effect.flatMap(session.create({ callId: "test", source }), (cell) => Effect.as(session.observe(cell), cell))
  )

/** The page, with this cell chosen: the newest one is. */
const open = (options?: Parameters<Browser.Browser["Service"]["open"]>[1]) =>
  Effect.gen(function*() {
    const { address } = yield* Inspector.Inspector
    const browser = yield* Browser.Browser
    return yield* browser.open(Redacted.value(address), options)
  })

const shows = (page: Page, text: string | RegExp) => of(() => page.getByText(text).first().waitFor())

const seenAs = (page: Page, selector: string) => of(() => page.locator(selector).allTextContents())

layer(everything, { excludeTestServices: true })("the page", (it) => {
  it.effect("shows a cell while it runs: source, lines of calls, values, output, and how it ends", () =>
    Effect.gen(function*() {
      const cell = yield* create(`
        text("first")
        const { sum } = await tools.add({ a: 1, b: 2 })
        await tools.add({ a: 2, b: 2 })
        await tools.refuse({}).catch(text)
        await tools.hold({ name: "shown" })
        store("sum", sum)
        notify("done soon")
        image("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
        undefinedName
      `)
      const { page, troubles } = yield* open()
      yield* shows(page, "not today")
      yield* of(() => page.locator(".call", { hasText: "hold" }).waitFor())
      assert.deepStrictEqual(yield* seenAs(page, ".call .call-line"), [":3", ":4", ":5", ":6"])
      yield* of(() => page.locator(".pane-facts .status", { hasText: "running" }).waitFor())

      yield* of(() => page.locator(".call", { hasText: "add" }).first().click())
      yield* shows(page, "\"sum\": 3")
      assert.deepStrictEqual(yield* seenAs(page, ".value pre"), [
        "{\n  \"a\": 1,\n  \"b\": 2\n}",
        "{\n  \"sum\": 3\n}"
      ])

      yield* Deferred.succeed(gate("shown"), undefined)
      yield* of(() => page.locator(".pane-facts .status", { hasText: "failed" }).waitFor())
      yield* of(() => page.getByRole("tab", { name: "Output" }).click())
      yield* shows(page, "undefinedName is not defined")
      yield* of(() => page.locator("figure", { hasText: "1 × 1" }).waitFor())
      assert.deepStrictEqual(yield* seenAs(page, ".output .item-text"), [
        "first",
        "not today",
        "done soon",
        "ReferenceError: undefinedName is not defined\n    at exec_main.mjs:10:9"
      ])
      yield* of(() => page.getByRole("tab", { name: "Source" }).click())
      assert.deepStrictEqual(yield* seenAs(page, ".line.wrong .line-number"), ["10"])
      assert.deepStrictEqual(troubles, [])
      yield* Effect.ignore(Effect.flatMap(Runtime.SessionRuntime, (session) => session.observe(cell)))
    }))

  it.effect("shows hostile output as text, runs nothing of it, and asks for nothing elsewhere", () =>
    Effect.gen(function*() {
      const hostile = [
        "<script>pwned = 1</script>",
        "<img src=x onerror=pwned=1><svg onload=pwned=1><iframe srcdoc='<script>parent.pwned=1</script>'>",
        "\u202egnp.exe\u202c \u2066hidden\u2069 \u200bzero\ufeff",
        "bell\u0007 back\b escape\u001b[31m null\u0000 c1\u009b half\ud83d",
        "שלום עולם",
        `long ${"x".repeat(300_000)} end`
      ]
      const media = [
        "data:text/html,<script>pwned=1</script>",
        "https://elsewhere.example/track.png",
        "javascript:pwned=1",
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='pwned=1' width='9' height='9'>" +
        "<script>pwned=1</script><image href='https://elsewhere.example/in.svg.png'/></svg>",
        "data:image/png;base64,AAAA"
      ]
      yield* run(`
        // <script>pwned = 1</script> \u202e
        for (const each of ${JSON.stringify(hostile)}) text(each)
        for (const each of ${JSON.stringify(media)}) try { image(each) } catch (error) { text("refused: " + error) }
        store("<b>\u202e", { "<img src=x onerror=pwned=1>": 1 })
      `)
      const { page, troubles } = yield* open()
      yield* of(() => page.locator(".output .item", { hasText: "long" }).waitFor())
      yield* of(() => page.locator("figure", { hasText: "9 × 9" }).waitFor())
      yield* shows(page, /An image that the browser cannot show/)
      const shown = yield* seenAs(page, ".output .item-text")
      assert.strictEqual(shown[0], hostile[0])
      assert.strictEqual(shown[1], hostile[1])
      assert.strictEqual(shown[2], "\\u202egnp.exe\\u202c \\u2066hidden\\u2069 \\u200bzero\\ufeff")
      assert.include(shown[3], "bell\\u0007 back\\u0008 escape\\u001b[31m null\\u0000 c1\\u009b half")
      assert.strictEqual(shown[4], hostile[4])
      assert.isBelow(shown[5]!.length, 5000)
      yield* of(() => page.getByRole("button", { name: /Show all 262,144 characters/ }).click())
      yield* shows(page, /more characters were not kept/)

      yield* of(() => page.getByRole("tab", { name: "Source" }).click())
      yield* shows(page, "// <script>pwned = 1</script> \\u202e")
      yield* of(() => page.getByRole("option", { name: /^page/ }).click())
      yield* of(() => page.locator(".stored-name", { hasText: "<b>\\u202e" }).click())
      yield* of(() => page.locator(".stored pre", { hasText: "<img src=x onerror=pwned=1>" }).waitFor())

      assert.isTrue(yield* of(() => page.evaluate<boolean>("typeof pwned === 'undefined'")))
      assert.strictEqual(yield* of(() => page.locator("script").count()), 1)
      assert.strictEqual(yield* of(() => page.locator("iframe, .item-text *").count()), 0)
      assert.deepStrictEqual(troubles, [])
    }))

  it.effect("has calls approved, also with another argument, and denied, by hand and by key", () =>
    Effect.gen(function*() {
      const { page, troubles } = yield* open()
      const cell = yield* create(`
        for (const path of ["a", "b", "c", "d", "e"]) {
          await tools.remove({ path }).then(() => text(path + " removed"), text)
        }
      `)
      const approve = page.getByRole("button", { name: "Approve" })
      yield* shows(page, "Removes <b>everything</b>")
      assert.deepStrictEqual(yield* seenAs(page, ".args"), ["{\n  \"path\": \"a\"\n}"])
      yield* of(() => approve.click())
      yield* of(() => page.locator(".args", { hasText: "\"b\"" }).waitFor())
      yield* of(() => page.getByLabel("Reason for a denial, for the model").fill("it is needed"))
      yield* of(() => page.getByRole("button", { name: "Deny" }).click())
      yield* of(() => page.locator(".args", { hasText: "\"c\"" }).waitFor())
      // Enabled once it has been there for a while: until then no key counts either.
      yield* of(() => page.locator("button.primary:enabled").waitFor())
      yield* of(() => page.keyboard.press("Shift+A"))
      yield* of(() => page.locator(".args", { hasText: "\"d\"" }).waitFor())
      yield* of(() => page.locator("button.primary:enabled").waitFor())
      yield* of(() => page.keyboard.press("Shift+D"))
      yield* of(() => page.locator(".args", { hasText: "\"e\"" }).waitFor())
      yield* of(() => page.getByRole("button", { name: "Edit" }).click())
      const edited = page.getByLabel("Argument, in JSON")
      assert.strictEqual(yield* of(() => edited.inputValue()), "{\n  \"path\": \"e\"\n}")
      yield* of(() => edited.fill("{ path: 'none'"))
      yield* of(() => approve.click())
      yield* shows(page, "remove: the argument is to be JSON")
      yield* of(() => edited.fill("{ \"path\": \"edited\" }"))
      yield* of(() => approve.click())
      yield* of(() => page.locator(".pane-facts .status", { hasText: "completed" }).waitFor())
      assert.deepStrictEqual(removed, ["a", "c", "edited"])
      const texts = yield* seenAs(page, ".output .item-text")
      assert.deepStrictEqual(texts.filter((text) => text.endsWith(" removed")), ["a removed", "c removed", "e removed"])
      assert.match(texts[1]!, /denied, because it is needed/)
      assert.strictEqual(yield* of(() => page.locator(".question").count()), 0)
      assert.deepStrictEqual(troubles, [])
      yield* Effect.flatMap(Runtime.SessionRuntime, (session) => session.observe(cell))
    }))

  it.effect("is used by the keyboard alone: a cell is found, a call opened, the cell terminated", () =>
    Effect.gen(function*() {
      const runtime = yield* Runtime.SessionRuntime
      const waiting = yield* create("await tools.add({ a: 1, b: 1 }); await tools.hold({ name: \"never\" })")
      const observed = yield* Effect.forkChild(runtime.observe(waiting))
      yield* run("text(\"newer\")")
      const { page, troubles } = yield* open()
      yield* shows(page, "newer")
      const press = (key: string) => of(() => page.keyboard.press(key))
      const focused = of(() =>
        page.evaluate<string>(
          "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent"
        )
      )
      // Past the buttons of the header, to the list of cells.
      for (let presses = 0; (yield* focused) !== "Sessions and cells"; presses++) {
        assert.isBelow(presses, 6)
        yield* press("Tab")
      }
      yield* press("ArrowDown")
      yield* of(() => page.locator(".pane-facts .status", { hasText: "running" }).waitFor())
      yield* of(() => page.locator(".call", { hasText: "hold" }).waitFor())
      for (let presses = 0; (yield* focused) !== "Calls along time"; presses++) {
        assert.isBelow(presses, 12)
        yield* press("Tab")
      }
      yield* press("Home")
      yield* press("ArrowUp")
      yield* press("z")
      yield* of(() => page.locator(".overview-part").waitFor())
      yield* press("Escape")
      yield* of(() => page.locator(".overview-part").waitFor({ state: "detached" }))
      yield* press("Enter")
      yield* shows(page, "\"sum\": 2")
      yield* press("1")
      yield* press("Shift+T")
      yield* press("Shift+T")
      yield* of(() => page.locator(".pane-facts .status", { hasText: "terminated" }).waitFor())
      // Who waits for the cell hears of it, as the page takes nothing away.
      assert.strictEqual((yield* Fiber.join(observed))._tag, "Terminated")
      yield* press("?")
      yield* of(() => page.getByRole("dialog", { name: "Keys" }).waitFor())
      yield* press("Escape")
      yield* of(() => page.getByRole("dialog").waitFor({ state: "detached" }))
      assert.deepStrictEqual(troubles, [])
    }))

  it.effect("leaves the outcome of a cell that it stops to who asks for it later", () =>
    Effect.gen(function*() {
      const runtime = yield* Runtime.SessionRuntime
      const waiting = yield* create("text(\"kept\"); await tools.hold({ name: \"never\" })")
      const { page } = yield* open()
      yield* of(() => page.getByRole("button", { name: "Terminate" }).click())
      yield* of(() => page.getByRole("button", { name: "Really terminate?" }).click())
      yield* of(() => page.locator(".pane-facts .status", { hasText: "terminated" }).waitFor())
      const event = yield* runtime.observe(waiting)
      assert.strictEqual(event._tag, "Terminated")
      assert.deepStrictEqual(event.items, [{ type: "input_text", text: "kept" }])
    }))

  it.effect("gives who waits for a cell its output when it is told to yield", () =>
    Effect.gen(function*() {
      const runtime = yield* Runtime.SessionRuntime
      const waiting = yield* create("text(\"so far\"); await tools.hold({ name: \"never\" })")
      const { page } = yield* open()
      yield* shows(page, "so far")
      const observed = yield* Effect.forkChild(runtime.observe(waiting), { startImmediately: true })
      yield* of(() => page.getByRole("button", { name: "Yield" }).click())
      const event = yield* Fiber.join(observed)
      assert.strictEqual(event._tag, "Yielded")
      assert.strictEqual(event.items.length, 1)
      yield* runtime.terminate(waiting)
    }))

  it.effect("shows a cell of 10,000 calls with few elements, and goes through it quickly", () =>
    Effect.gen(function*() {
      const { page, troubles } = yield* open()
      yield* run("await Promise.all(Array.from({ length: 10_000 }, (_, i) => tools.add({ a: i, b: 1 })))")
      yield* of(() => page.locator(".count", { hasText: "10,000 calls" }).waitFor())
      yield* of(() => page.locator(".pane-facts .status", { hasText: "completed" }).waitFor())
      yield* of(() => page.getByRole("grid").focus())
      yield* of(() => page.keyboard.press("End"))
      yield* of(() => page.locator("#call-10000[aria-selected=true]").waitFor())
      yield* shows(page, "\"sum\": 10000")
      yield* of(() => page.keyboard.press("Home"))
      yield* of(() => page.locator("#call-1[aria-selected=true]").waitFor())
      const { height, width, x, y } = (yield* of(() => page.locator(".overview").boundingBox()))!
      yield* of(() => page.mouse.move(x + width * 0.4, y + height / 2))
      yield* of(() => page.mouse.down())
      yield* of(() => page.mouse.move(x + width * 0.6, y + height / 2, { steps: 3 }))
      yield* of(() => page.mouse.up())
      yield* of(() => page.getByRole("button", { name: "All of the time" }).click())
      assert.strictEqual(yield* of(() => page.locator(".overview-part").count()), 0)
      assert.isBelow(yield* of(() => page.locator(".call").count()), 100)
      assert.isBelow(yield* of(() => page.locator("*").count()), 1500)
      yield* of(() => page.getByRole("button", { name: "failed" }).click())
      yield* shows(page, "No call fits.")
      assert.deepStrictEqual(troubles, [])
    }))

  it.effect("has no sideways scrolling at phone width, whatever it shows", () =>
    Effect.gen(function*() {
      const cell = yield* create(`
        text("x".repeat(5000)); text("word ".repeat(500))
        await tools.add({ a: 1, b: 2 })
        await tools.remove({ path: "/${"deep/".repeat(60)}" })
      `)
      const { page } = yield* open({ viewport: { width: 360, height: 740 }, hasTouch: true })
      const fits = (what: string) =>
        Effect.map(
          of(() => page.evaluate<ReadonlyArray<number>>("[document.documentElement.scrollWidth, innerWidth]")),
          ([width, room]) => assert.strictEqual(width, room, what)
        )
      yield* of(() => page.getByRole("button", { name: "Approve" }).waitFor())
      yield* fits("a question")
      yield* of(() => page.getByRole("button", { name: "Deny" }).tap())
      yield* of(() => page.locator(".question").waitFor({ state: "detached" }))
      for (const tab of ["Output", "Source", "Calls", "Call", "Log"]) {
        yield* of(() => page.getByRole("tab", { name: new RegExp(`^${tab}\\b`) }).first().tap())
        yield* fits(tab)
      }
      yield* of(() => page.getByRole("button", { name: "Sessions and cells" }).tap())
      yield* of(() => page.getByRole("option", { name: /^page/ }).tap())
      yield* of(() => page.getByRole("heading", { name: "page" }).waitFor())
      yield* fits("a session")
      yield* Effect.ignore(Effect.flatMap(Runtime.SessionRuntime, (session) => session.terminate(cell)))
    }))

  it.effect("can be read by everyone in both themes, as far as axe can tell", () =>
    Effect.gen(function*() {
      const cell = yield* create(`
        text("hello"); store("a", 1)
        await tools.add({ a: 1, b: 2 })
        await tools.refuse({}).catch(text)
        await tools.remove({ path: "a" })
      `)
      const { page } = yield* open({ colorScheme: "light", reducedMotion: "reduce" })
      yield* of(() => page.locator("button.primary:enabled").waitFor())
      yield* of(() => page.evaluate(`${axe}; 0`))
      const check = (options: string) =>
        Effect.map(
          of(() =>
            page.evaluate<ReadonlyArray<string>>(
              `axe.run(${options}).then(({ violations }) =>
                violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`
            )
          ),
          (violations) => assert.deepStrictEqual(violations, [])
        )
      const inBoth = check("{}").pipe(
        Effect.andThen(of(() => page.emulateMedia({ colorScheme: "dark" }))),
        Effect.andThen(check("{ runOnly: ['color-contrast'] }")),
        Effect.andThen(of(() => page.emulateMedia({ colorScheme: "light" })))
      )
      yield* inBoth
      yield* of(() => page.keyboard.press("3"))
      yield* of(() => page.getByRole("button", { name: "Edit" }).click())
      yield* inBoth
      yield* of(() => page.getByRole("option", { name: /^page/ }).click())
      yield* of(() => page.getByRole("heading", { name: "Stored values" }).waitFor())
      yield* inBoth
      yield* Effect.flatMap(Runtime.SessionRuntime, (session) => session.terminate(cell))
    }))

  it.effect("shows at once what a store keeps, where there is nothing else", () =>
    Effect.gen(function*() {
      const browser = yield* Browser.Browser
      const store = yield* Layer.build(Store.layerMemory())
      const kept = Runtime.layerDurable({ session: "kept" }).pipe(
        Layer.provide([tools, V8.layer({ warmLanes: 0 }), Layer.succeedContext(store)]),
        Layer.fresh
      )
      yield* run("text(JSON.stringify(await tools.add({ a: 20, b: 22 })))").pipe(Effect.provide(kept), Effect.scoped)
      const inspector = yield* Layer.build(
        Inspector.layer({ port: 0 }).pipe(Layer.provide(Layer.succeedContext(store)), Layer.fresh)
      )
      const { page, troubles } = yield* browser.open(
        Redacted.value(Context.get(inspector, Inspector.Inspector).address)
      )
      yield* of(() => page.getByText("in the store").waitFor())
      yield* shows(page, "{\"sum\":42}")
      yield* of(() => page.locator(".pane-facts .status", { hasText: "completed" }).waitFor())
      assert.strictEqual(yield* of(() => page.getByRole("button", { name: "Terminate" }).count()), 0)
      assert.deepStrictEqual(troubles, [])
    }))

  it.effect("goes on when the process is there again, and says what another one is to be opened with", () =>
    Effect.gen(function*() {
      const browser = yield* Browser.Browser
      const token = Redacted.make("the-same-secret-each-time")
      const start = (port: number, token: Redacted.Redacted<string>, name: string) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const context = yield* Layer.buildWithScope(
            session(name).pipe(Layer.provideMerge(Inspector.layer({ port, token }))),
            scope
          )
          return {
            address: yield* Effect.provide(
              Effect.map(Inspector.Inspector, ({ address }) => Redacted.value(address)),
              context
            ),
            end: Scope.close(scope, Exit.void)
          }
        })
      const first = yield* start(0, token, "before")
      const { page } = yield* browser.open(first.address)
      yield* shows(page, "before")
      yield* first.end
      yield* of(() => page.getByRole("alert").waitFor())
      const port = Number(new URL(first.address).port)
      const second = yield* start(port, token, "afterwards")
      yield* shows(page, "afterwards")
      assert.strictEqual(yield* of(() => page.getByRole("alert").count()), 0)
      assert.strictEqual(yield* of(() => page.getByText("before").count()), 0)
      yield* second.end
      const third = yield* start(port, Redacted.make("another-secret"), "another")
      yield* shows(page, /started again, with another address/)
      yield* third.end
    }))
})
