/**
 * `effect-code-mode repl`: a session at a prompt.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Delegate } from "../Delegate.ts"
import * as Identifier from "../internal/Identifier.ts"
import { CellId } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as Execute from "./Execute.ts"
import * as Failure from "./Failure.ts"
import * as Input from "./Input.ts"
import * as ListTools from "./ListTools.ts"
import * as Media from "./Media.ts"
import * as Output from "./Output.ts"
import * as Prompt from "./Prompt.ts"
import * as Render from "./Render.ts"
import * as Reporter from "./Reporter.ts"
import * as Screen from "./Screen.ts"
import * as SessionFile from "./SessionFile.ts"
import * as SessionLayer from "./SessionLayer.ts"
import * as ToolFlags from "./ToolFlags.ts"

interface Flags extends ToolFlags.Flags {
  readonly saveMedia: Option.Option<string>
  readonly session: Option.Option<string>
  readonly yieldAfter: Duration.Duration
}

const help = `Every input is a cell of its own; what it keeps with store(key, value), later ones load(key).
  .tools             the tools, as TypeScript declarations
  .cells             the cells that are still running
  .wait ID           wait for a cell again
  .terminate ID      end a cell
  .break             forget what was typed so far
  .exit              leave (as does Ctrl-D)
Ctrl-C ends the cell that is running, and nothing else.
`

const commands = [".tools", ".cells", ".wait", ".terminate", ".break", ".exit", ".help"]

const renderCell = ({ cell: { id }, status }: Runtime.LiveCell) =>
  `${id}  ${status === "Settled" ? `ended; .wait ${id} shows the rest of it` : status.toLowerCase()}\n`

const repl = Effect.fnUntraced(function*(flags: Flags, leaveTo: Screen.LeaveTo) {
  const { tools } = yield* Delegate
  const session = yield* Runtime.SessionRuntime
  const prompt = yield* Prompt.make((word) =>
    [...commands, ...tools.map(({ name }) => `tools.${Identifier.fromName(name)}`)].filter((each) =>
      each.startsWith(word)
    )
  )

  /** Waits for a cell until it ends or yields, or until a Ctrl-C ends it. */
  const wait = Effect.fnUntraced(function*(cell: Runtime.Cell, explain = (text: string) => text) {
    const interrupted = prompt.interrupt.pipe(
      Effect.andThen(Effect.ignore(session.terminate(cell))),
      Effect.as(undefined)
    )
    const event = yield* Effect.raceFirst(
      Effect.raceFirst(Execute.follow(session, cell, flags.yieldAfter, true), interrupted),
      Output.closed
    )
    if (event === undefined || event._tag === "Terminated") {
      yield* Console.error("terminated")
    } else if (event._tag === "Yielded") {
      yield* Console.error(`.wait ${cell.id} waits for it again, .terminate ${cell.id} ends it`)
    } else {
      if (event.error !== undefined) {
        yield* Console.error(Render.harmless(explain(event.error.text)))
      }
      yield* SessionFile.write(flags.session, yield* session.storedValues)
    }
  })

  const findCell = (id: string) =>
    session.cell(CellId.make(id)).pipe(
      Effect.map(Option.some),
      Effect.catchTag(["MissingCell", "WrongCellKind"], () =>
        Effect.as(
          Console.error("there is no such cell; .cells shows those that there are"),
          Option.none<Runtime.Cell>()
        ))
    )

  /** Does what a line with a dot says; false ends the prompt. */
  const obey = Effect.fnUntraced(function*(line: string) {
    const [name, argument = ""] = line.trim().split(/\s+/)
    switch (name) {
      case ".exit":
        return false
      case ".break":
        return true
      case ".help": {
        yield* Output.print(help)
        return true
      }
      case ".tools": {
        yield* Output.print(tools.length === 0 ? "no tools; --mcp and --config bring some\n" : ListTools.render(tools))
        return true
      }
      case ".cells": {
        const cells = yield* session.cells
        yield* Output.print(cells.map(renderCell).join("") || "no cells\n")
        return true
      }
      case ".wait":
      case ".terminate": {
        const cell = argument === ""
          ? yield* Effect.as(
            Console.error(`${name} takes the id of a cell; .cells shows them`),
            Option.none<Runtime.Cell>()
          )
          : yield* findCell(argument)
        if (Option.isSome(cell)) {
          yield* name === ".wait"
            ? wait(cell.value)
            : Effect.andThen(Effect.ignore(session.terminate(cell.value)), Console.error("terminated"))
        }
        return true
      }
      default: {
        yield* Console.error(`there is no command ${name}; .help shows those that there are`)
        return true
      }
    }
  })

  const run = Effect.fnUntraced(function*(source: string) {
    const typed = Input.toCell(source)
    const cell = yield* Effect.result(session.create({ toolCallId: "repl", source: typed.source }))
    yield* cell._tag === "Failure" ? Console.error(cell.failure.message) : wait(cell.success, typed.explain)
  })

  let typed = ""
  let leaving = false
  while (true) {
    const next = yield* leaveTo(prompt.above, prompt.next(typed === "" ? "> " : "… "))
    if (next._tag === "Interrupt") {
      const isEmpty = typed === "" && next.line === ""
      if (isEmpty && leaving) {
        return
      }
      yield* Console.error(isEmpty ? "\nCtrl-C again, Ctrl-D or .exit leaves" : "")
      leaving = isEmpty
      typed = ""
      continue
    }
    leaving = false
    if (/^\.[a-z]+(\s|$)/.test(next.line)) {
      typed = ""
      if (!(yield* obey(next.line))) {
        return
      }
      continue
    }
    typed += typed === "" ? next.line : `\n${next.line}`
    if (!Input.isIncomplete(typed)) {
      const source = typed
      typed = ""
      if (source.trim() !== "") {
        yield* run(source)
      }
    }
  }
}, Effect.catchTag("Done", () => Effect.void))

export const command = Command.make(
  "repl",
  {
    ...ToolFlags.flags,
    saveMedia: Media.flag,
    session: SessionFile.flag,
    yieldAfter: DurationFlag.make("yield-after").pipe(
      Flag.withDescription("How long the prompt waits for a cell before it comes back (10s)"),
      Flag.withDefault(Duration.seconds(10))
    )
  },
  Effect.fnUntraced(function*(flags) {
    const stored = yield* SessionFile.read(flags.session)
    const save = yield* Media.fromFlag(flags.saveMedia)
    if (process.stdin.isTTY) {
      yield* Console.error("Starting. Each input is a cell of its own; .help says more")
    }
    yield* Screen.use(
      Reporter.lines(save),
      (leaveTo) => Effect.provide(Effect.scoped(repl(flags, leaveTo)), SessionLayer.layer(flags, stored))
    )
  }, Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.toStart))
).pipe(
  Command.withDescription("Run one cell after the other, at a prompt"),
  Command.withExamples([
    { command: "effect-code-mode repl --config ~/.cursor/mcp.json", description: "Try the tools of a config file" }
  ])
)
