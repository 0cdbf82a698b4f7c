/**
 * The page as it was built: a few files, read once.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"

/** The page is not there. */
export class PageMissing extends Schema.TaggedError<PageMissing>("effect-code-mode/inspector/PageMissing")(
  "PageMissing",
  { text: Schema.String }
) {
  override get message() {
    return `the inspector's page cannot be read: ${this.text}`
  }
}

export interface PageFile {
  readonly bytes: Uint8Array
  readonly type: string
}

const folder = new URL("../../dist/page/", import.meta.url)

const types = {
  "index.html": "text/html; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "page.css": "text/css; charset=utf-8"
}

/** The files by their names; the page itself has none. */
export const read: Effect.Effect<ReadonlyMap<string, PageFile>, PageMissing> = Effect.try({
  try: () =>
    new Map(
      Object.entries(types).map(([name, type]) => [
        name === "index.html" ? "" : name,
        { type, bytes: readFileSync(new URL(name, folder)) }
      ])
    ),
  catch: (error) => new PageMissing({ text: String(error) })
})
