// Takes the picture of the inspector: a real session, seen in a real browser. With a folder as its argument, it takes pictures
// of everything else there, to be looked at: `npm run picture:inspector -- FOLDER`.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import * as Delegate from "../../src/Delegate.ts"
import * as Inspector from "../../src/Inspector.ts"
import { ToolError } from "../../src/Protocol.ts"
import * as Runtime from "../../src/Runtime.ts"
import * as V8 from "../../src/V8.ts"

const images = join(import.meta.dirname, "../../docs/images")
const folder = process.argv[2]
if (folder !== undefined) {
  mkdirSync(folder, { recursive: true })
}

/** The same waits each time. */
let seed = 7
const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647
const working = (least: number, most: number) => Effect.sleep(least + random() * (most - least))

const tools = Delegate.layerTools({
  search_issues: Delegate.tool({
    description: "Finds issues of a repository",
    parameters: Schema.Struct({ query: Schema.String, page: Schema.Int }),
    annotations: { readOnly: true },
    handler: ({ page }) =>
      Effect.as(
        working(90, 320),
        Array.from({ length: 12 }, (_, index) => ({ number: page * 12 + index + 1, open: true }))
      )
  }),
  read_issue: Delegate.tool({
    description: "Reads an issue with its comments",
    parameters: Schema.Struct({ number: Schema.Int }),
    annotations: { readOnly: true },
    handler: ({ number }) =>
      Effect.andThen(
        working(60, 900),
        Effect.suspend(() =>
          number % 17 === 0
            ? Effect.fail(new ToolError({ text: `issue ${number} is locked` }))
            : Effect.succeed({
              number,
              title: `Issue ${number}`,
              comments: number % 9,
              labels: ["bug", "runtime"].slice(number % 3)
            })
        )
      )
  }),
  close_issue: Delegate.tool({
    description: "Closes an issue, and says why in a comment",
    parameters: Schema.Struct({ number: Schema.Int, comment: Schema.String }),
    annotations: { needsApproval: true, destructive: true },
    handler: ({ number }) => Effect.as(working(80, 200), { number, open: false })
  })
}).pipe(
  Delegate.mapLayer((delegate) => Delegate.withApproval(delegate)),
  Layer.provide(Inspector.layerApprover)
)

const triage = `// Which open issues have gone quiet?
const pages = await Promise.all([0, 1, 2].map((page) => tools.search_issues({ query: "is:open", page })))
const numbers = pages.flat().map((issue) => issue.number)
text(\`\${numbers.length} open issues\`)

const read = await Promise.allSettled(numbers.map((number) => tools.read_issue({ number })))
const issues = read.filter((each) => each.status === "fulfilled").map((each) => each.value)
const quiet = issues.filter((issue) => issue.comments === 0)
for (const failed of read.filter((each) => each.status === "rejected")) {
  text("skipped: " + failed.reason)
}

const bars = issues.slice(0, 24).map((issue, i) =>
  \`<rect x="\${8 + i * 13}" y="\${92 - issue.comments * 9}" width="9" height="\${issue.comments * 9 + 2}" rx="2" fill="#4453c4"/>\`)
image("data:image/svg+xml;base64," + btoa64(\`<svg xmlns="http://www.w3.org/2000/svg" width="330" height="104">\${bars.join("")}</svg>\`))
store("quiet", quiet.map((issue) => issue.number))
notify(\`\${quiet.length} issues are quiet\`)

for (const issue of quiet) {
  await tools.close_issue({ number: issue.number, comment: "Closed, as nothing has happened here for a year." })
}

function btoa64(text) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  let out = ""
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [0, 1, 2].map((j) => text.charCodeAt(i + j))
    out += digits[a >> 2] + digits[(a & 3) << 4 | b >> 4] +
      (i + 1 < text.length ? digits[(b & 15) << 2 | c >> 6] : "=") + (i + 2 < text.length ? digits[c & 63] : "=")
  }
  return out
}
`

const many = `
const results = await Promise.allSettled(Array.from({ length: 2000 }, (_, i) => tools.read_issue({ number: i + 1 })))
text("read " + results.filter((r) => r.status === "fulfilled").length)
`

const failing = `
const issue = await tools.read_issue({ number: 3 })
text(issue.title)
issue.assignee.name.toUpperCase()
`

const open = (browser: Browser, url: string, options: Parameters<Browser["newPage"]>[0]) =>
  Effect.promise(() =>
    browser.newPage({ deviceScaleFactor: 1.5, ...options }).then((page) => page.goto(url).then(() => page))
  )

const shoot = (page: Page, name: string) =>
  folder === undefined
    ? Effect.void
    : Effect.promise(() => page.screenshot({ path: join(folder, `${name}.png`) }))

const program = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const { address } = yield* Inspector.Inspector
  const browser = yield* Effect.acquireRelease(
    Effect.promise(() =>
      chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] })
    ),
    (browser) => Effect.promise(() => browser.close())
  )
  const url = Redacted.value(address)
  const desk = { width: 1280, height: 800 }
  const first = yield* open(browser, url, { viewport: desk, colorScheme: "light" })
  const pictured = yield* open(browser, url, {
    viewport: { width: 1180, height: 720 },
    colorScheme: "light",
    deviceScaleFactor: 1
  })
  yield* shoot(first, "empty-light")

  const run = (source: string) => Effect.flatMap(session.create({ callId: "picture", source }), session.observe)
  yield* run(failing)
  yield* run(many)
  const triaging = yield* Effect.forkChild(run(triage))
  yield* Effect.promise(() => first.getByRole("button", { name: /Approve/ }).waitFor({ timeout: 20_000 }))
  yield* Effect.promise(() => pictured.locator("button.primary:enabled").waitFor())
  yield* Effect.promise(() => pictured.screenshot({ path: join(images, "inspector.png") }))
  if (folder === undefined) {
    return
  }

  const dark = yield* open(browser, url, { viewport: desk, colorScheme: "dark" })
  const phone = yield* open(browser, url, { viewport: { width: 390, height: 844 }, colorScheme: "light" })
  const phoneDark = yield* open(browser, url, { viewport: { width: 390, height: 844 }, colorScheme: "dark" })
  yield* Effect.sleep("900 millis")
  yield* shoot(first, "inspector-light")
  yield* shoot(dark, "inspector-dark")
  yield* shoot(phone, "phone-approve")
  yield* Effect.promise(() => phoneDark.getByRole("button", { name: "Sessions and cells" }).click())
  yield* Effect.sleep("200 millis")
  yield* shoot(phoneDark, "phone-list")

  for (let left = 10; left > 0 && triaging.pollUnsafe() === undefined; left--) {
    yield* Effect.promise(() =>
      first.getByRole("button", { name: /Approve/ }).first().click({ timeout: 2000 }).catch(() => {})
    )
  }
  yield* Fiber.await(triaging)
  yield* Effect.promise(() => first.getByRole("tab", { name: /Source/ }).click())
  yield* Effect.promise(() => first.getByRole("grid").press("End"))
  yield* Effect.sleep("300 millis")
  yield* shoot(first, "source-light")
  yield* Effect.promise(() => dark.getByRole("grid").press("Home"))
  yield* Effect.sleep("500 millis")
  yield* shoot(dark, "call-dark")
  yield* Effect.promise(() => dark.keyboard.press("j"))
  yield* Effect.sleep("600 millis")
  yield* shoot(dark, "many-dark")
  yield* Effect.promise(() => first.keyboard.press("j"))
  yield* Effect.promise(() => first.keyboard.press("j"))
  yield* Effect.promise(() => first.keyboard.press("2"))
  yield* Effect.sleep("600 millis")
  yield* shoot(first, "failed-light")
  yield* Effect.promise(() => first.getByRole("option", { name: /^triage/ }).first().click())
  yield* Effect.sleep("1500 millis")
  yield* shoot(first, "session-light")
  yield* Effect.promise(() => first.keyboard.press("?"))
  yield* Effect.sleep("300 millis")
  yield* shoot(first, "keys-light")
  yield* Effect.promise(() => phone.keyboard.press("1"))
  yield* Effect.sleep("300 millis")
  yield* shoot(phone, "phone-calls")
}).pipe(Effect.scoped)

const layer = Runtime.layer({ sessionId: "triage" }).pipe(
  Layer.provide([tools, V8.layer()]),
  Layer.provideMerge(Inspector.layer({ port: 0, title: "issue triage" }))
)

NodeRuntime.runMain(Effect.provide(program, layer))
