/** A browser for tests, and pages of it that tell what went wrong in them. */
import { Context, Effect, Layer, type Scope } from "effect"
import { existsSync } from "node:fs"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"

const places = [
  process.env["CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
]

const find = (): string => {
  const found = places.find((place) => place !== "" && existsSync(place))
  if (found === undefined) {
    throw new Error(
      "there is no browser to test the inspector's page with. On Debian: apt-get update && apt-get install -y chromium. " +
        "Elsewhere, CHROMIUM=/path/to/chromium says where one is"
    )
  }
  return found
}

/** A promise of the browser's. */
export const of = <A>(evaluate: () => Promise<A>): Effect.Effect<A> => Effect.promise(evaluate)

export interface Opened {
  readonly page: Page
  /** What the page has complained about, and what it has asked for elsewhere. */
  readonly troubles: ReadonlyArray<string>
}

export class Browser extends Context.Service<Browser, {
  readonly open: (url: string, options?: BrowserContextOptions) => Effect.Effect<Opened, never, Scope.Scope>
}>()("test/inspector/Browser") {}

export const layer = Layer.effect(
  Browser,
  Effect.map(
    Effect.acquireRelease(
      Effect.suspend(() =>
        of(() => chromium.launch({ executablePath: find(), args: ["--no-sandbox", "--disable-gpu"] }))
      ),
      (browser) => of(() => browser.close())
    ),
    (browser) =>
      Browser.of({
        open: Effect.fnUntraced(function*(url, options) {
          const context = yield* Effect.acquireRelease(
            of(() => browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })),
            (context) => of(() => context.close())
          )
          const page = yield* of(() => context.newPage())
          page.setDefaultTimeout(50_000)
          const troubles: Array<string> = []
          page.on("console", (message) => message.type() === "error" && troubles.push(message.text()))
          page.on("pageerror", (error) => troubles.push(String(error)))
          page.on("dialog", (dialog) => {
            troubles.push(`dialog: ${dialog.message()}`)
            void dialog.dismiss()
          })
          const { origin } = new URL(url)
          page.on("request", (request) => {
            const asked = request.url()
            if (!asked.startsWith(`${origin}/`) && !asked.startsWith("data:")) {
              troubles.push(`request: ${asked.slice(0, 200)}`)
            }
          })
          yield* of(() => page.goto(url))
          return { page, troubles }
        })
      })
  )
)
