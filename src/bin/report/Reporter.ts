/**
 * Who is told what a cell does: a person in lines, a person at a terminal, or a program.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { Finding } from "../../Check.ts"
import { defined } from "../../data/Defined.ts"
import type { Progress } from "../../Mcp.ts"
import type { CellId, NestedToolCall, Outcome, OutputItem, ToolCallId, ToolError } from "../../Protocol.ts"
import type { Failure } from "../commands/Failure.ts"
import { join, type Printable } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Event from "./Event.ts"
import * as Media from "./Media.ts"
import * as Render from "./Render.ts"

/** A tool call that is under way. */
export interface ToolCall {
  readonly id: ToolCallId
  readonly tool: string
  readonly call: NestedToolCall
}

export class Reporter extends Context.Service<Reporter, {
  /** Says that this takes its time. */
  readonly during: <A, E, R>(what: Printable, self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly started: (cellId: CellId) => Effect.Effect<void, Printer.OutputClosed>
  readonly output: (items: ReadonlyArray<OutputItem>) => Effect.Effect<void, Printer.OutputClosed | Failure>
  readonly toolStarted: (call: ToolCall) => Effect.Effect<void>
  /** Says how far a call has come. */
  readonly toolProgress: (id: ToolCallId, progress: Progress) => Effect.Effect<void>
  /** Says what the server of some calls has for its log. */
  readonly serverSaid: (server: string, text: string) => Effect.Effect<void>
  readonly toolsChanged: (server: string) => Effect.Effect<void>
  readonly toolEnded: (call: ToolCall, millis: number, exit: Exit.Exit<Schema.Json, ToolError>) => Effect.Effect<void>
  readonly notification: (text: string) => Effect.Effect<void>
  readonly yielded: (cellId: CellId) => Effect.Effect<void, Printer.OutputClosed>
  /** Says why a cell is not run. */
  readonly mistaken: (findings: ReadonlyArray<Finding>) => Effect.Effect<void, Printer.OutputClosed>
  readonly ended: (outcome: Outcome) => Effect.Effect<void, Printer.OutputClosed>
}>()("effect-code-mode/bin/report/Reporter") {}

type Shown = OutputItem | Media.Saved

type Printed = Effect.Effect<void, Printer.OutputClosed>

/** Prints items, with their media saved. Where that fails, what came before is printed. */
const printItems = (save: Media.Save | undefined, print: (shown: ReadonlyArray<Shown>) => Printed) =>
  Effect.fnUntraced(function*(items: ReadonlyArray<OutputItem>) {
    const shown: Array<Shown> = []
    for (const item of items) {
      shown.push(
        item.type === "input_text" || save === undefined
          ? item
          : yield* Effect.tapError(save(Media.fromItem(item)), () => print(shown))
      )
    }
    yield* print(shown)
  })

/** Output on standard output, and everything else in lines on standard error. */
export const lines = (save: Media.Save | undefined): Reporter["Service"] =>
  Reporter.of({
    during: (_, self) => self,
    started: () => Effect.void,
    output: printItems(save, (shown) =>
      Printer.print(join(shown.map((item) => "path" in item ? Render.saved(item) : Render.item(item))))),
    toolStarted: () =>
      Effect.void,
    toolProgress: () => Effect.void,
    serverSaid: () => Effect.void,
    toolsChanged: (server) => Printer.tell(Render.toolsChanged(server)),
    toolEnded: ({ tool }, millis, exit) => Printer.tell(Render.toolCall(tool, millis, exit)),
    notification: (text) => Printer.tell(Render.notification(text)),
    yielded: (cellId) => Printer.tell(Render.yielded(cellId)),
    mistaken: () => Effect.void,
    ended: () => Effect.void
  })

const toEvent = (shown: Shown): Event.Event =>
  "path" in shown
    ? {
      type: "media",
      kind: shown.kind,
      mediaType: shown.mediaType,
      bytes: shown.bytes.length,
      path: shown.path
    }
    : { type: "output", item: shown }

/** One JSON object per line on standard output. */
export const json = (save: Media.Save | undefined): Reporter["Service"] => {
  const print = (event: Event.Event) => Printer.print(Event.toLine(event))
  // What a tool call has to say may come when there is no reader any more; the cell's end says that.
  const mention = (event: Event.Event) => Effect.ignore(print(event))
  return Reporter.of({
    during: (_, self) => self,
    started: (cellId) => print({ type: "started", cellId }),
    output: printItems(save, (shown) => Printer.print(join(shown.map(toEvent).map(Event.toLine)))),
    toolStarted: ({ call, id, tool }) =>
      mention({ type: "toolCall", toolCallId: id, tool, ...defined({ input: call.input }) }),
    toolProgress: () => Effect.void,
    serverSaid: () => Effect.void,
    toolsChanged: () => Effect.void,
    toolEnded: ({ id, tool }, millis, exit) => {
      const { outcome, text } = Render.toolOutcome(exit)
      const ended = { type: "toolResult", toolCallId: id, tool, millis: Math.round(millis), outcome } as const
      return mention({ ...ended, ...defined({ text }) })
    },
    notification: (text) => mention({ type: "notification", text }),
    yielded: (cellId) => print({ type: "yielded", cellId }),
    mistaken: (findings) =>
      Printer.print(join(findings.map((finding) => Event.toLine({ type: "mistake", ...finding })))),
    ended: (outcome) =>
      print({
        type: "ended",
        cellId: outcome.cellId,
        ...(outcome._tag === "Terminated"
          ? { outcome: "terminated" }
          : outcome.error === undefined
          ? { outcome: "completed" }
          : { outcome: "failed", error: outcome.error })
      })
  })
}
