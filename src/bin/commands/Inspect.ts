/**
 * `effect-code-mode inspect`: the pages of what runs, or a cell with a page of its own.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { foreign, join, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"
import * as InspectFlag from "./InspectFlag.ts"
import * as OpenPages from "./OpenPages.ts"
import * as PathFlag from "./PathFlag.ts"
import * as Run from "./Run.ts"
import * as SessionLayer from "./SessionLayer.ts"
import * as StoreFlag from "./StoreFlag.ts"

/** Most do without it. */
const loadStore = Effect.promise(() => import("./OpenStore.ts"))

const list = Effect.gen(function*() {
  const pages = yield* OpenPages.all
  if (pages.length === 0) {
    return yield* Failure.toStart(
      text`nothing that runs has a page: --inspect PORT gives one to host, mcp and repl, and inspect FILE runs a cell with one`
    )
  }
  yield* Printer.print(
    join(
      pages.map(({ address, folder, pid, title }) =>
        text`${foreign("address of a page", address, "word")}  ${
          foreign("what has a page", title, "word")
        }, pid ${pid}, ${foreign("folder of what has a page", folder, "word")}\n`
      )
    )
  )
})

export const command = Command.make(
  "inspect",
  {
    file: PathFlag.argument("file").pipe(
      Argument.withDescription("A cell to run and to look at. Without it, the pages of what runs are listed"),
      Argument.optional
    ),
    ...SessionLayer.flags,
    store: StoreFlag.flags.store.pipe(
      Flag.withDescription("Show the sessions of this file, too, with a cell or alone"),
      Flag.optional
    ),
    storeKeys: StoreFlag.keysFlag,
    port: InspectFlag.make("port", "With a file: the port of its page (default: a free one)")
  },
  ({ file, port, store, storeKeys, ...flags }) => {
    const at = Option.orElseSome(port, () => ({ port: 0, host: undefined }))
    const page = InspectFlag.layer(at, "inspect")
    const inspector = Option.isNone(store) ? page : Layer.unwrap(
      Effect.map(loadStore, (OpenStore) =>
        Layer.provide(page, OpenStore.layer({ store: store.value, storeKeys })).pipe(
          Layer.catchTag("StoreFailure", (error) => Layer.effectDiscard(Effect.fail(OpenStore.ofStore(error))))
        ))
    )
    return Option.isSome(file)
      ? Run.runInspected(file.value, flags, inspector).pipe(
        Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart)
      )
      : Option.isSome(store)
      ? Layer.launch(inspector)
      : list
  }
).pipe(
  Command.withDescription("Look at sessions in the browser while they go on"),
  Command.withExamples([
    { command: "effect-code-mode inspect", description: "List the pages of hosts, servers and prompts that have one" },
    { command: "effect-code-mode inspect cell.js --config mcp.json", description: "Run a cell, and look at it" },
    { command: "effect-code-mode inspect --store sessions.db", description: "Look at what a store keeps" }
  ])
)
