/**
 * The subcommands of `effect-code-mode`.
 *
 * @internal
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as EffectRuntime from "effect/Runtime"
import * as Package from "../../system/Package.ts"
import { empty, foreign, isEmpty, join, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Doctor from "./Doctor.ts"
import * as ExportFlags from "./ExportFlags.ts"
import * as Failure from "./Failure.ts"
import * as Inspect from "./Inspect.ts"
import * as Mcp from "./Mcp.ts"
import * as Repl from "./Repl.ts"
import * as Run from "./Run.ts"
import * as Sessions from "./Sessions.ts"

/** What is behind it never comes here, unless something else comes before it. */
const host = Command.make("host", {}, () =>
  Effect.fail(
    new Failure.Failure({ text: text`host comes first: effect-code-mode host --help`, status: Failure.status.start })
  )).pipe(Command.withDescription("Serve sessions to other programs, as code-mode-host does"))

const command = Command.make("effect-code-mode").pipe(
  Command.withDescription("Runs JavaScript that composes tool calls, in an isolate without authority"),
  Command.withSubcommands([
    Run.command,
    Repl.command,
    Mcp.command,
    host,
    Inspect.command,
    Sessions.command,
    Doctor.command
  ]),
  Command.provide(ExportFlags.layer),
  Command.withGlobalFlags([ExportFlags.otlp, ExportFlags.metrics])
)

/** Standard output is for cells: what is wrong with a command goes to standard error, in few words. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Printer.tell(join([
        ...event.errors.map(({ message }) => text`effect-code-mode: ${foreign("wrong usage", message, "quote")}`),
        text`Try ${foreign("name of a command", event.commandPath.join(" "), "word")} --help`
      ], text`\n`))
      : CliOutput.defaultPresenter.present(event)
})

const badUsage = (error: CliError.CliError) =>
  error._tag === "ShowHelp" && error.errors.length === 0
    ? Effect.void
    : Effect.fail(new Failure.Failure({ text: empty, status: Failure.status.start }))

/** What the parser says of paths takes one for granted. */
const requireFolder = Effect.try({
  try: () => process.cwd(),
  catch: () => Failure.toStart(text`the working folder is gone`)
})

const program = Printer.adoptProcess("effect-code-mode").pipe(
  Effect.andThen(Printer.ignoreClosedStreams),
  Effect.andThen(requireFolder),
  Effect.andThen(Command.run(command, { version: Package.version })),
  Effect.catchTag("OutputClosed", () => Effect.void),
  Effect.tapErrorTag("Failure", (failure) => isEmpty(failure.text) ? Effect.void : Printer.tell(failure.text)),
  Effect.catchIf(CliError.isCliError, badUsage),
  Effect.tapDefect((defect) => Effect.logError("This is a bug", defect)),
  Effect.provide([
    NodeServices.layer,
    Printer.layer,
    presenter,
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] }),
    Layer.succeed(Logger.LogToStderr, true),
    // A person who runs a cell wants to hear of what is wrong. --log-level says otherwise, nearer to the command.
    Layer.succeed(References.MinimumLogLevel, "Warn")
  ])
)

// A closed terminal ends everything, as Ctrl-C does.
process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))

/**
 * How long a second Ctrl-C is taken for the first: a launcher, such as npx, passes on to us what the terminal has sent
 * to both of us.
 */
const echo = 0.3

let interruptedAt: number | undefined
process.on("SIGINT", () => {
  interruptedAt ??= process.uptime()
  if (process.uptime() - interruptedAt > echo) {
    process.exit(130)
  }
})

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  // Whatever is still pending, the command is over.
  teardown: (exit, onExit) =>
    EffectRuntime.defaultTeardown(exit, (code) => {
      onExit(code)
      process.exit(code)
    })
})
