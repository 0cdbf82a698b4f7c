/**
 * `effect-code-mode repl`: a session at a prompt.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Suggestion from "../../declarations/Suggestion.ts"
import { Delegate } from "../../Delegate.ts"
import type { Outcome } from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import * as Identifier from "../../text/Identifier.ts"
import * as Media from "../report/Media.ts"
import * as Render from "../report/Render.ts"
import * as Reporter from "../report/Reporter.ts"
import * as Value from "../report/Value.ts"
import { empty, foreign, join, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Prompt from "../terminal/Prompt.ts"
import * as Questions from "../terminal/Questions.ts"
import type * as Screen from "../terminal/Screen.ts"
import * as Checking from "./Checking.ts"
import * as Completion from "./Completion.ts"
import * as Declared from "./Declared.ts"
import * as DurationFlag from "./DurationFlag.ts"
import * as Execute from "./Execute.ts"
import * as Failure from "./Failure.ts"
import * as Input from "./Input.ts"
import * as InspectFlag from "./InspectFlag.ts"
import * as ListTools from "./ListTools.ts"
import * as Recording from "./Recording.ts"
import * as SessionFile from "./SessionFile.ts"
import * as SessionLayer from "./SessionLayer.ts"

const flags = {
  ...SessionLayer.flags,
  inspect: InspectFlag.flag,
  yieldAfter: DurationFlag.make("yield-after").pipe(
    Flag.withDescription("How long the prompt waits for a cell before it comes back (10s)"),
    Flag.withDefault(Duration.seconds(10))
  ),
  timeline: Recording.flags.timeline
}

type Flags = Command.Command.Config.Infer<typeof flags>

const help = text`Every input is a cell of its own; what it keeps with store(key, value), later ones load(key).
  .tools             the tools, as TypeScript declarations
  .tools NAME        one of them
  .cells             the cells that are still running
  .wait ID           wait for a cell again
  .terminate ID      end a cell
  .break             forget what was typed so far
  .exit              leave (as does Ctrl-D)
Ctrl-C ends the cell that is running, and nothing else.
`

/** What a cell does, in words. */
const words = {
  Running: "running",
  Paused: "paused",
  Stalled: "stalled",
  Terminating: "terminating",
  Settled: "settled"
} as const

/** Whether a line is a command, or meant as one. In the middle of an input it may be the rest of an expression. */
const isCommand = (line: string, isFirst: boolean) => {
  const name = /^\.[a-z]+(?=\s|$)/.exec(line)?.[0]
  return name !== undefined && (isFirst || Completion.commands.some((each) => each === name))
}

/** A cell that is not over yet. */
interface Job {
  readonly cell: Runtime.Cell
  /** Whether the prompt waits for it. */
  awaited: boolean
  readonly end: Fiber.Fiber<void, Printer.OutputClosed>
}

const repl = Effect.fnUntraced(function*(flags: Flags, { leaveTo }: Screen.Bottom) {
  const delegate = yield* Delegate
  const session = yield* Runtime.SessionRuntime
  const told = yield* Reporter.Reporter
  const reporter = Reporter.Reporter.of({
    ...told,
    output: (items) =>
      told.output(
        items.map((item) => item.type === "input_text" ? { ...item, text: Value.show(item.text) } : item)
      )
  })
  /** What cells call the tools that there are now. */
  const names = () => delegate.tools.map(({ name }) => Identifier.fromName(name))
  const declared = Declared.make()
  const check = yield* Checking.make(flags.check)
  const showTimeline = yield* Recording.timelines(flags)
  const forPerson = Printer.isConversation()
  let typed = ""
  const prompt = yield* Prompt.make({
    complete: (line) => Completion.complete(typed, line, delegate.tools),
    hasHistory: true
  })

  const jobs = new Map<string, Job>()
  const scope = yield* Effect.scope
  const write = Semaphore.withPermit(yield* Semaphore.make(1))

  /** Follows a cell to its end, whether it is waited for or not. */
  const begin = Effect.fnUntraced(function*(cell: Runtime.Cell, explain: (text: string) => string) {
    const report = Effect.fnUntraced(function*(event: Outcome) {
      const error = event._tag === "Completed" ? event.error : undefined
      if (error !== undefined) {
        yield* Printer.tell(
          foreign(
            "error of a cell at the prompt",
            declared.explain(Suggestion.explain(explain(error.text), names())),
            "lines"
          )
        )
      }
      if (!job.awaited) {
        const end = event._tag === "Terminated" ? "is terminated" : "has ended"
        yield* Printer.tell(text`cell ${cell.id} ${end}`)
      } else if (event._tag === "Terminated") {
        yield* Printer.tell(text`terminated`)
      }
      yield* showTimeline(cell.id)
      if (event._tag === "Completed") {
        yield* write(Effect.flatMap(session.storedValues, (values) => SessionFile.write(flags.session, values)))
      }
    })
    const job: Job = {
      cell,
      awaited: true,
      end: yield* Execute.watch(session, cell).pipe(
        Effect.provideService(Reporter.Reporter, reporter),
        Effect.flatMap(report),
        Effect.catchTag("Failure", (failure) => Printer.tell(failure.text)),
        Effect.ensuring(Effect.sync(() => jobs.delete(cell.id))),
        Effect.forkIn(scope)
      )
    }
    jobs.set(cell.id, job)
    return job
  })

  const terminate = (job: Job) => {
    job.awaited = true
    return Effect.andThen(Effect.ignore(session.terminate(job.cell)), Fiber.join(job.end))
  }

  /** Waits for a cell until it ends, until it has taken long, or until a Ctrl-C ends it. */
  const wait = Effect.fnUntraced(function*(job: Job) {
    job.awaited = true
    const { id } = job.cell
    const outcome = yield* Effect.raceFirst(
      Effect.raceFirst(Effect.as(Fiber.join(job.end), "ended"), Effect.as(prompt.interrupt, "interrupted")),
      Printer.closed
    ).pipe(Effect.timeoutOrElse({ duration: flags.yieldAfter, orElse: () => Effect.succeed("yielded") }))
    if (outcome === "interrupted") {
      yield* terminate(job)
    } else if (outcome === "yielded") {
      job.awaited = false
      yield* Printer.tell(text`${Render.yielded(id)}\n.wait ${id} waits for it again, .terminate ${id} ends it`)
    }
  })

  const showTool = (wanted: string) => {
    const tool = delegate.tools.find(({ name }) => Identifier.fromName(name) === wanted)
    if (tool !== undefined) {
      return Printer.print(ListTools.render([tool]))
    }
    const meant = Suggestion.nearest(wanted, names())
    const hint = meant === undefined
      ? empty
      : text`; did you mean ${foreign("tool that may be meant at the prompt", meant, "word")}?`
    return Printer.tell(
      text`there is no tool ${foreign("tool that is asked for at the prompt", wanted, "word")}${hint}`
    )
  }

  /** Does what a line with a dot says. */
  const obey = (name: string, argument: string): Effect.Effect<void, Printer.OutputClosed> => {
    switch (name) {
      case ".break":
        return Effect.void
      case ".help":
        return Printer.print(help)
      case ".tools":
        return argument !== ""
          ? showTool(argument)
          : Printer.print(
            delegate.tools.length === 0
              ? text`no tools; --mcp and --config bring some\n`
              : ListTools.render(delegate.tools)
          )
      case ".cells":
        return Effect.flatMap(session.cells, (cells) =>
          Printer.print(
            cells.length === 0
              ? text`no cells\n`
              : join(cells.map(({ cell, status }) => text`${cell.id}  ${words[status]}\n`))
          ))
      case ".wait":
      case ".terminate": {
        const job = jobs.get(argument)
        return job !== undefined
          ? (name === ".wait" ? wait(job) : terminate(job))
          : Printer.tell(
            argument === ""
              ? text`${name} takes the id of a cell; .cells shows them`
              : text`there is no such cell; .cells shows those that there are`
          )
      }
      default:
        return Printer.tell(
          text`there is no command ${foreign("unknown command", name, "word")}; .help shows those that there are`
        )
    }
  }

  const run = Effect.fnUntraced(function*(input: string, cell: Input.Cell) {
    const { explain, language = "javascript", locate, source } = cell
    const findings = (yield* check(source, language)).flatMap((finding) => {
      const location = locate(finding.location)
      return location === undefined ? [] : [{ location, text: declared.explain(finding.text) }]
    })
    if (findings.length > 0) {
      return yield* Printer.tell(Render.mistakes({ label: text`input`, text: input }, findings))
    }
    const created = yield* Effect.result(session.create({ callId: "repl", source, language }))
    yield* created._tag === "Failure"
      ? Printer.tell(foreign("cell that is refused", created.failure.message, "quote"))
      : Effect.flatMap(begin(created.success, explain), wait)
  })

  let leaving = false
  while (true) {
    const next = yield* leaveTo(prompt.above, prompt.next(typed === "" ? text`> ` : text`… `))
    if (next._tag === "Interrupt") {
      const isEmpty = typed === "" && next.line === ""
      if (isEmpty && leaving) {
        return
      }
      yield* Printer.tell(isEmpty ? text`\nCtrl-C again, Ctrl-D or .exit leaves` : empty)
      leaving = isEmpty
      prompt.remember(typed)
      typed = ""
      continue
    }
    leaving = false
    if (isCommand(next.line, typed === "")) {
      prompt.remember(typed)
      prompt.remember(next.line)
      typed = ""
      const [name = "", argument = ""] = next.line.trim().split(/\s+/)
      if (name === ".exit") {
        return
      }
      yield* obey(name, argument)
      continue
    }
    typed += typed === "" ? next.line : `\n${next.line}`
    const cell = yield* Input.read(typed, forPerson)
    if (cell !== undefined) {
      const source = typed
      typed = ""
      prompt.remember(source)
      if (source.trim() !== "") {
        yield* run(source, cell)
        declared.add(source)
      }
    }
  }
}, Effect.catchTag("Done", () => Effect.void))

export const command = Command.make(
  "repl",
  flags,
  Effect.fnUntraced(function*(flags) {
    const stored = yield* SessionFile.read(flags.session)
    const save = yield* Media.fromFlag(flags.saveMedia)
    if (process.stdin.isTTY) {
      yield* Printer.tell(text`Starting. Each input is a cell of its own; .help says more`)
    }
    yield* Questions.atScreen(
      Reporter.lines(save),
      (bottom) =>
        Effect.provide(
          Effect.scoped(repl(flags, bottom)),
          SessionLayer.layer(flags, stored).pipe(Layer.provide(InspectFlag.layer(flags.inspect, "repl")))
        )
    )
  }, Effect.catchTag(["McpConnectError", "IsolateFailure"], Failure.ofStart))
).pipe(
  Command.withDescription("Run one cell after the other, at a prompt"),
  Command.withExamples([
    { command: "effect-code-mode repl --config ~/.cursor/mcp.json", description: "Try the tools of a config file" }
  ])
)
