/**
 * `effect-code-mode run FILE`: runs a cell to its end.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Suggestion from "../../declarations/Suggestion.ts"
import { Delegate } from "../../Delegate.ts"
import type { CellEvent } from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import * as Identifier from "../../text/Identifier.ts"
import * as Media from "../report/Media.ts"
import * as Render from "../report/Render.ts"
import * as Reporter from "../report/Reporter.ts"
import { foreign, type Printable, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Questions from "../terminal/Questions.ts"
import * as Checking from "./Checking.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as Execute from "./Execute.ts"
import * as Failure from "./Failure.ts"
import * as ListTools from "./ListTools.ts"
import * as PathFlag from "./PathFlag.ts"
import * as Recording from "./Recording.ts"
import * as SessionFile from "./SessionFile.ts"
import * as SessionLayer from "./SessionLayer.ts"
import * as Source from "./Source.ts"
import * as StoreFlag from "./StoreFlag.ts"
import * as ToolFlags from "./ToolFlags.ts"

/** What `--list-tools` prints, unless it says something else. */
const everything = "all"

const flags = {
  ...SessionLayer.flags,
  listTools: Flag.String("list-tools").pipe(
    Flag.withMetavar("names|NAME"),
    Flag.withOptionalValue(everything),
    Flag.withDescription(
      "Run nothing; print the tools that a cell would see, as TypeScript declarations, or a line for each, or one of them"
    ),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object per event, for programs"),
    Flag.withDefault(false)
  ),
  durable: PathFlag.make("durable").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Keep what happens in this file, so that the same command goes on after a crash, and what cells store"
    ),
    Flag.optional
  ),
  storeKeys: StoreFlag.keysFlag,
  yieldAfter: DurationFlag.make("yield-after").pipe(
    Flag.withDescription("Print output in the pieces that a host would hear, each after this time at the latest"),
    Flag.optional
  ),
  once: Flag.Boolean("once").pipe(
    Flag.withDescription("With --yield-after: end the cell at its first yield, with status 3"),
    Flag.withDefault(false)
  ),
  ...Recording.flags
}

type Flags = Command.Command.Config.Infer<typeof flags>

const listTools = Effect.fn("Run.listTools")(function*(wanted: string, flags: Flags) {
  const { instructions, tools: listed } = yield* Delegate
  const isOne = wanted !== everything && wanted !== "names"
  const tools = isOne ? listed.filter(({ name }) => Identifier.fromName(name) === wanted) : listed
  if (isOne && tools.length === 0) {
    return yield* Failure.toStart(
      text`there is no tool ${foreign("tool that is asked for", wanted, "word")}; --list-tools=names shows their names`
    )
  }
  if (tools.length === 0) {
    return yield* Failure.toStart(
      flags.allow.length + flags.deny.length > 0
        ? text`--allow and --deny leave no tools`
        : text`there are no tools; --mcp and --config bring some`
    )
  }
  yield* Printer.print(
    flags.json
      ? ListTools.json(tools)
      : wanted === "names"
      ? ListTools.names(tools)
      : isOne
      ? ListTools.render(tools, instructions)
      : ListTools.file(tools, instructions)
  )
}, (effect, _, flags) => Effect.provide(effect, ToolFlags.layer(flags)))

/** `find` looks for the cell of a source that an earlier process has left. */
const execute = Effect.fn("Run.execute")(function*<E, R>(
  source: Source.Source,
  flags: Flags,
  find: (source: string) => Effect.Effect<Runtime.Cell | undefined, E, R>
) {
  const session = yield* Runtime.SessionRuntime
  const check = yield* Checking.make(flags.check)
  const findings = yield* check(source.text, source.language)
  if (findings.length > 0) {
    yield* (yield* Reporter.Reporter).mistaken(findings)
    return yield* Failure.toCell(Render.mistakes(source, findings))
  }
  const options = {
    yieldAfter: Option.getOrUndefined(flags.yieldAfter),
    once: flags.once,
    isKept: Option.isSome(flags.durable)
  }
  const before = yield* find(source.text)
  const event = yield* Recording.during(
    flags,
    before === undefined
      ? Execute.execute({ callId: "run", source: source.text, language: source.language }, options)
      : Execute.attend(Effect.succeed(before), options)
  )
  if (event._tag !== "Yielded") {
    yield* SessionFile.write(flags.session, yield* session.storedValues)
  }
  if (event._tag !== "Completed" || event.error === undefined) {
    return event
  }
  const names = (yield* Delegate).tools.map(({ name }) => Identifier.fromName(name))
  return { ...event, error: { ...event.error, text: Suggestion.explain(event.error.text, names) } }
}, Effect.scoped)

const findNone = () => Effect.succeed(undefined)

const keptIn = (file: string) =>
  text`${foreign("store that keeps a cell", file, "word")} keeps the cell; the same command goes on with it`

/** In a session of the file, and with the cell that it has of this source. */
const durably = Effect.fnUntraced(function*(source: Source.Source, flags: Flags, file: string) {
  const { explained, find, layer } = yield* Effect.promise(() => import("./Durable.ts"))
  return yield* explained(Effect.provide(execute(source, flags, find), layer(flags, file, flags.storeKeys))).pipe(
    Effect.onInterrupt(() => Printer.tell(text`effect-code-mode: ${keptIn(file)}`))
  )
})

/** The reporter of what the cell does. */
const withReporter = <A, E, R>(flags: Flags, self: Effect.Effect<A, E, R | Reporter.Reporter>) =>
  Effect.gen(function*() {
    const save = yield* Media.fromFlag(flags.saveMedia)
    return flags.json
      ? yield* Effect.provideService(self, Reporter.Reporter, Reporter.json(save))
      : yield* Questions.atScreen(Reporter.lines(save), () => self)
  })

/** What the end of a cell is for the command. */
const conclude = Effect.fnUntraced(function*(source: Source.Source, event: CellEvent, flags: Flags) {
  switch (event._tag) {
    case "Yielded":
      return yield* new Failure.Failure({
        text: Option.isSome(flags.durable)
          ? keptIn(flags.durable.value)
          : text`the cell is ended at its first yield, as --once asks`,
        status: Failure.status.yielded
      })
    case "Terminated":
      return yield* Failure.toCell(text`the cell waits for something that can never come`)
    case "Completed":
      if (event.error !== undefined) {
        return yield* Failure.toCell(Render.failure(source, event.error))
      }
  }
})

const run = Effect.fn("Run.run")(function*(file: string, flags: Flags) {
  const source = yield* Source.read(file)
  const stored = yield* SessionFile.read(flags.session)
  yield* Recording.requireFile(flags)
  const event = yield* withReporter(
    flags,
    Option.isSome(flags.durable)
      ? durably(source, flags, flags.durable.value)
      : Effect.provide(execute(source, flags, findNone), SessionLayer.layer(flags, stored))
  )
  yield* conclude(source, event, flags)
})

/** Runs a cell whose session is looked at, until the command is told to end. */
export const runInspected = Effect.fn("Run.runInspected")(function*<E, R>(
  file: string,
  chosen: SessionLayer.Flags,
  inspector: Layer.Layer<never, E, R>
) {
  const flags: Flags = {
    ...chosen,
    json: false,
    listTools: Option.none(),
    once: false,
    yieldAfter: Option.none(),
    durable: Option.none(),
    storeKeys: Option.none(),
    timeline: false,
    trace: Option.none()
  }
  const source = yield* Source.read(file)
  const stored = yield* SessionFile.read(flags.session)
  const toTheEnd = execute(source, flags, findNone).pipe(
    Effect.flatMap((event) => conclude(source, event, flags)),
    Effect.catchTag("Failure", ({ text }) => Printer.tell(text)),
    Effect.andThen(Printer.tell(text`The cell has ended. Its page is there until Ctrl-C`)),
    Effect.andThen(Effect.never)
  )
  return yield* withReporter(
    flags,
    Effect.provide(toTheEnd, SessionLayer.layer(flags, stored).pipe(Layer.provide(inspector)))
  )
})

const badUsage = (problem: Printable) => Failure.toStart(text`${problem}\nTry effect-code-mode run --help`)

export const command = Command.make(
  "run",
  {
    file: PathFlag.argument("file").pipe(
      Argument.withDescription(
        "The cell: an ES module with top-level await, in TypeScript if it ends in .ts. - is standard input"
      ),
      Argument.optional
    ),
    ...flags
  },
  Effect.fnUntraced(function*({ file, ...flags }) {
    if (Option.isSome(flags.listTools)) {
      return yield* listTools(flags.listTools.value, flags)
    }
    if (flags.once && Option.isNone(flags.yieldAfter)) {
      return yield* badUsage(text`--once goes with --yield-after DURATION`)
    }
    if (Option.isSome(flags.durable) && Option.isSome(flags.session)) {
      return yield* badUsage(text`--durable keeps what cells store, as --session does: one of them is enough`)
    }
    if (Option.isSome(flags.storeKeys) && Option.isNone(flags.durable)) {
      return yield* badUsage(text`--store-keys goes with --durable FILE`)
    }
    if (Option.isNone(file)) {
      return yield* badUsage(text`Missing required argument: file`)
    }
    return yield* run(file.value, flags)
  }, Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart))
).pipe(
  Command.withDescription("Run JavaScript that calls the tools of MCP servers"),
  Command.withExamples([
    { command: "echo 'text(6 * 7)' | effect-code-mode run -", description: "Run a cell from standard input" },
    {
      command: "effect-code-mode run cell.js --mcp 'fs=npx -y @modelcontextprotocol/server-filesystem .'",
      description: "Run a cell with the tools of a server, named fs"
    },
    {
      command: "effect-code-mode run --list-tools --config ~/.cursor/mcp.json",
      description: "See which tools the servers of a config file have"
    },
    {
      command: "effect-code-mode run cell.js --config mcp.json --durable runs.db",
      description: "Go on where it was, if it was killed meanwhile"
    },
    {
      command: "effect-code-mode run cell.ts --config mcp.json --deny '*write*' --session notes.json",
      description: "Run TypeScript with some of those tools, and keep what it stores"
    }
  ])
)
