/**
 * One call of `exec` or `wait`: from a model's source to a cell, and from what a cell says to a reply.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { defined } from "../data/Defined.ts"
import { Remembered } from "../data/Remembered.ts"
import {
  type CellError,
  type CellEvent,
  CellId,
  type Completed,
  type Ledger,
  type ToolDefinition
} from "../Protocol.ts"
import type { Cell, SessionRuntime } from "../Runtime.ts"
import * as Identifier from "../text/Identifier.ts"
import * as Checked from "./Checked.ts"
import * as Hints from "./Hints.ts"
import * as Pragma from "./Pragma.ts"
import * as Preamble from "./Preamble.ts"
import * as Repair from "./Repair.ts"
import * as Reply from "./Reply.ts"
import * as Unwrap from "./Unwrap.ts"

export interface Options {
  readonly yieldTime: Duration.Duration
  readonly maxWait: Duration.Duration
  readonly maxOutputTokens: number
  readonly console: boolean
  readonly language: "javascript" | "typescript"
  /** What a cell may call, as it is told of there. */
  readonly tools: Effect.Effect<ReadonlyArray<ToolDefinition>>
  /** What sources are checked with before they run. */
  readonly check: Checked.Checker | undefined
}

export interface ExecRequest {
  /** JavaScript, which may begin with a line `// @exec: {"yield_time_ms": 10000, "max_output_tokens": 1000}`. */
  readonly source: string
  /** The model's call. It comes back with every notification and every tool call of the cell. */
  readonly callId?: string | undefined
  readonly language?: "javascript" | "typescript" | undefined
}

export interface WaitRequest {
  readonly cellId: string
  /**
   * Without it, the wait goes on until the cell ends, yields by itself, or can never go on. A number is milliseconds. The
   * option `maxWait` bounds both. Output alone ends no wait, nor does a call that begins to wait for a person.
   */
  readonly yieldTime?: Duration.Input | undefined
  /** A budget in tokens of four bytes. */
  readonly maxTokens?: number | undefined
  /** Ends the cell, instead of waiting for it. */
  readonly terminate?: boolean | undefined
}

/** What has to be known of a cell from one call to the next. */
interface Seen {
  /** Nothing, if it is long: it is kept for hints. */
  readonly source: string
  readonly places: Preamble.Places
  readonly tools: ReadonlyArray<ToolDefinition>
  hasOutput: boolean
}

const maxKeptSource = 32 * 1024

/** A call of a model: when it began, and how much output it may give. */
interface Call {
  readonly began: bigint
  readonly maxTokens: number
  /** What else there is to say of it. */
  note?: string
}

/** An error of a source that does not compile. It has no frames, and nothing has run. */
const isRefusal = (event: CellEvent, { calls }: Ledger): event is Completed =>
  event._tag === "Completed" && event.items.length === 0 && calls.length === 0 &&
  event.error?._tag === "ScriptError" && /^SyntaxError: (?![^]*\n {4}at )/.test(event.error.text)

const statuses = { Yielded: "Running", Completed: "Completed", Terminated: "Terminated" } as const

const budget = (asked: number | undefined, otherwise: number): number =>
  asked === undefined || Number.isNaN(asked) ? otherwise : Math.max(0, Math.floor(asked))

export const make = (session: SessionRuntime["Service"], options: Options) => {
  const cells = new Remembered<CellId, Seen>(session.limits.maxRememberedCells)
  let executions = 0

  const ledgerOf = (id: CellId): Effect.Effect<Ledger> =>
    Effect.orElseSucceed(session.ledger(id), () => ({ calls: [], omitted: 0 }))

  const millisSince = ({ began }: Call) => Effect.map(Clock.monotonicTimeNanos, (now) => Number(now - began) / 1e6)

  const hintsOf = (event: CellEvent, error: CellError | undefined, seen: Seen | undefined, ledger: Ledger) => {
    if (event._tag === "Yielded") {
      return [Hints.ofApprovals(ledger)]
    }
    const tools = seen?.tools ?? []
    if (error !== undefined || event._tag === "Terminated") {
      const mistakes = error === undefined
        ? []
        : Hints.ofError(error, seen?.source ?? "", tools.map(({ name }) => Identifier.fromName(name)))
      return [...mistakes, Hints.ofEffects(ledger, tools)]
    }
    const isSilent = seen?.hasOutput !== true && event.items.length === 0
    return [...Hints.ofLeftovers(ledger), isSilent ? Hints.nothingPutOut : undefined]
  }

  /** What a model is told of an event. `failure` is why the cell counts as failed, where its error does not say. */
  const reply = Effect.fnUntraced(function*(call: Call, event: CellEvent, failure?: CellError) {
    const { cellId } = event
    const seen = cells.get(cellId)
    const ledger = yield* ledgerOf(cellId)
    const own = event._tag === "Completed" ? event.error : undefined
    const error = own === undefined ? failure : seen?.places.ofError(own) ?? own
    const hints = [...hintsOf(event, error, seen, ledger), call.note]
    if (event._tag !== "Yielded") {
      cells.delete(cellId)
    } else if (seen !== undefined) {
      seen.hasOutput ||= event.items.length > 0
    }
    return Reply.make({
      status: error === undefined ? statuses[event._tag] : "Failed",
      cellId,
      millis: yield* millisSince(call),
      items: seen === undefined ? event.items : event.items.map(seen.places.ofItem),
      error,
      maxTokens: call.maxTokens,
      hints,
      ledger,
      ...defined({ awaitingApproval: event._tag === "Yielded" ? event.awaitingApproval : undefined })
    })
  })

  /**
   * The cell's next event, within a time. With a time of its own, an observation says too late that a cell can never go
   * on.
   */
  const within = <E>(cell: Cell, event: Effect.Effect<CellEvent, E>, time: Duration.Duration) =>
    Effect.gen(function*() {
      const timer = yield* Effect.sleep(time).pipe(
        Effect.andThen(session.yieldNow(cell)),
        Effect.ignore,
        Effect.forkChild({ startImmediately: true })
      )
      return yield* Effect.ensuring(event, Fiber.interrupt(timer))
    })

  /** A cell that can never go on is ended: no model has to do that. */
  const settle = Effect.fnUntraced(function*(call: Call, cell: Cell, event: CellEvent) {
    if (event._tag !== "Yielded" || event.stalled !== true) {
      return yield* reply(call, event)
    }
    const outcome = yield* session.terminate(cell)
    return yield* reply(
      call,
      { ...outcome, items: [...event.items, ...outcome.items] },
      outcome._tag === "Terminated" ? { _tag: "ScriptError", text: Hints.stalled } : undefined
    )
  })

  const start = Effect.fnUntraced(function*(
    candidate: Repair.Candidate,
    callId: string,
    tools: ReadonlyArray<ToolDefinition>,
    time: Duration.Duration
  ) {
    const { language, locate, program, source } = candidate
    const preamble = Preamble.of(program, { console: options.console })
    const execution = yield* session.execute(
      { callId, source: `${preamble}${program}`, language, tools },
      Duration.isZero(time) ? { yieldAfter: time } : {}
    )
    cells.set(execution.cell.id, {
      source: source.length > maxKeptSource ? "" : source,
      places: Preamble.placesOf(preamble, locate),
      tools,
      hasOutput: false
    })
    return execution
  })

  /** What is wrong with the types of a source that is not too long to be read, if it is checked. */
  const check = Effect.fnUntraced(function*(
    call: Call,
    candidate: Repair.Candidate,
    tools: ReadonlyArray<ToolDefinition>
  ) {
    if (options.check === undefined || candidate.source.length > session.limits.maxSourceBytes) {
      return undefined
    }
    const { console } = options
    const result = yield* Effect.result(Checked.check(options.check, candidate, { tools, console }))
    if (Result.isFailure(result)) {
      call.note = Checked.unchecked(result.failure)
      return undefined
    }
    return result.success === undefined ? undefined : Reply.make({
      status: "Failed",
      cellId: undefined,
      millis: yield* millisSince(call),
      items: [],
      maxTokens: call.maxTokens,
      ...result.success
    })
  })

  /** Runs the candidates until one compiles. A caller who goes away ends the cell, as no `wait` could name it. */
  const run = (call: Call, callId: string, candidates: ReadonlyArray<Repair.Candidate>, time: Duration.Duration) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const tools = yield* options.tools
        const refusals: Array<Reply.Reply> = []
        for (const candidate of candidates) {
          const mistaken = yield* restore(check(call, candidate, tools))
          if (mistaken !== undefined) {
            return mistaken
          }
          const { cell, initial } = yield* restore(start(candidate, callId, tools, time))
          const event = yield* restore(within(cell, initial, time)).pipe(
            Effect.onInterrupt(() => {
              cells.delete(cell.id)
              return Effect.ignore(session.terminate(cell))
            })
          )
          if (!isRefusal(event, yield* ledgerOf(cell.id))) {
            return yield* settle(call, cell, event)
          }
          refusals.push(yield* reply(call, event))
        }
        return refusals.at(candidates[0]!.language === candidates.at(-1)!.language ? 0 : -1)!
      })
    )

  const begin = (maxTokens: number) => Effect.map(Clock.monotonicTimeNanos, (began): Call => ({ began, maxTokens }))

  const exec = Effect.fn("CodeMode.exec")(
    function*({ callId, language = options.language, source: input }: ExecRequest) {
      const parsed = Pragma.parse(Unwrap.unwrap(input))
      if (Result.isFailure(parsed)) {
        return Reply.refused(parsed.failure)
      }
      const { maxOutputTokens, source, yieldTimeMillis } = parsed.success
      const call = yield* begin(budget(maxOutputTokens, options.maxOutputTokens))
      const asked = yieldTimeMillis === undefined ? options.yieldTime : Duration.millis(yieldTimeMillis)
      const time = Duration.min(asked, options.maxWait)
      // It is refused as it is, and not read.
      const candidates = source.length > session.limits.maxSourceBytes
        ? [Repair.plain(source, language)]
        : Repair.candidates(source, language)
      return yield* run(call, callId ?? `exec-${++executions}`, candidates, time)
    },
    Effect.catch((error) => Effect.succeed(Reply.refused(error.message)))
  )

  const missing = (call: Call, cellId: string) =>
    Effect.map(millisSince(call), (millis) =>
      Reply.make({
        status: "Failed",
        cellId: undefined,
        millis,
        items: [],
        error: { _tag: "ScriptError", text: `exec cell ${cellId} not found` },
        maxTokens: call.maxTokens,
        hints: []
      }))

  const observe = Effect.fnUntraced(function*(call: Call, { cellId, terminate, yieldTime }: WaitRequest) {
    const cell = yield* session.cell(CellId.make(cellId))
    if (terminate === true) {
      return yield* reply(call, yield* session.terminate(cell))
    }
    const asked = yieldTime === undefined ? options.maxWait : Duration.fromInputUnsafe(yieldTime)
    const time = Duration.min(asked, options.maxWait)
    const event = Duration.isZero(time)
      ? yield* session.observe(cell, { yieldAfter: time })
      : yield* within(cell, session.observe(cell), time)
    return yield* settle(call, cell, event)
  })

  const wait = Effect.fn("CodeMode.wait")(
    function*(request: WaitRequest) {
      const call = yield* begin(budget(request.maxTokens, options.maxOutputTokens))
      return request.cellId === ""
        ? yield* missing(call, "")
        : yield* observe(call, request).pipe(
          Effect.catchTag(["MissingCell", "WrongCellKind"], () => missing(call, request.cellId))
        )
    },
    Effect.catch((error) => Effect.succeed(Reply.refused(error.message)))
  )

  return { exec, wait }
}
