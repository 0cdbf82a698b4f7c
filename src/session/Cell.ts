/**
 * One cell: what its isolate does goes in, what its observers hear comes out.
 *
 * **Details**
 *
 * The cell carries out the decisions of `CellPhase` and decides nothing about outcomes itself. All of its state changes
 * happen synchronously; only waiting is an effect. Its own fibers (the reader of the isolate's events, the yield timer,
 * the finishing of callbacks) are cooperative and end with it.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Gate } from "../data/Gate.ts"
import type { Delegate } from "../Delegate.ts"
import { Deadline } from "../delegate/Deadline.ts"
import { Owner } from "../delegate/Owner.ts"
import type { IsolateEvent, IsolateHandle } from "../Isolate.ts"
import {
  AlreadyTerminating,
  BusyObserver,
  type CellError,
  type CellEvent,
  type CellId,
  type CellKind,
  type CellStatus,
  type Completed,
  type Frontier,
  InvalidGeneration,
  type Lagged,
  type Ledger,
  type Limits,
  MissingCell,
  type Outcome,
  type OutputItem,
  type Settled,
  type Terminated,
  type ToolCallId,
  type ToolDefinition,
  ToolError,
  type Yielded
} from "../Protocol.ts"
import * as Monotonic from "../system/Monotonic.ts"
import type { Meter } from "../telemetry/Meter.ts"
import * as Spans from "../telemetry/Spans.ts"
import type * as Trace from "../telemetry/Trace.ts"
import * as Utf8 from "../text/Utf8.ts"
import * as Visible from "../text/Visible.ts"
import * as Broadcast from "./Broadcast.ts"
import * as Callbacks from "./Callbacks.ts"
import * as CellPhase from "./CellPhase.ts"
import { Delivery } from "./Delivery.ts"
import { Inbox } from "./Inbox.ts"
import { type Keeper, Observation, type Restored } from "./Keeper.ts"
import { CellLedger } from "./Ledger.ts"
import * as Outbox from "./Outbox.ts"
import type * as Slots from "./Slots.ts"
import type { Watched } from "./Watched.ts"

/** Stored values as JSON text, by key. */
export type StoredWrites = ReadonlyArray<readonly [key: string, json: string]>

/** What a cell needs of its session. */
export interface Session {
  /** Names the session in logs. */
  readonly id: string
  readonly context: Context.Context<never>
  readonly delegate: Delegate["Service"]
  readonly limits: Limits
  /** Whether a cell waits while too much of its output is not read, and does not fail. */
  readonly waitsForReaders: boolean
  readonly toolSlots: Slots.Slots
  readonly notificationSlots: Slots.Slots
  readonly watched: Watched
  /** Those who keep the session, where it is to outlive its process. */
  readonly keeper?: Keeper | undefined
  readonly meter: Meter
  /** Whether the session goes on elsewhere, and its cells with it. */
  readonly isLeft: () => boolean
  /** Why no session could take a cell's stored values, if none could. */
  readonly refuseAlways: (writes: StoredWrites) => CellError | undefined
  /** Why the session cannot take a cell's stored values now, if it cannot. */
  readonly refuse: (writes: StoredWrites) => CellError | undefined
  /** Merges a cell's stored values into the session's. */
  readonly commit: (writes: StoredWrites) => void
  /** A call is there, made from a line of the source where that is asked for. */
  readonly onCalled: (cell: Cell, call: ToolCallId, tool: string, line: number) => void
  readonly onStalled: (cell: Cell) => void
  readonly onSettled: (cell: Cell, outcome: Settled, error: CellError | undefined) => void
  readonly onClosed: (cell: Cell, outcome: Settled, ledger: Effect.Effect<Ledger, MissingCell>) => void
}

type ToolCall = Extract<IsolateEvent, { readonly _tag: "ToolCalls" }>["calls"][number]

type Told = Yielded | Completed | Terminated | Frontier

type Refusal = (CellPhase.Decision & { readonly _tag: "Refuse" })["reason"]

/** A caller that waits for the cell. */
class Listener {
  private readonly resume: (effect: Effect.Effect<Told>) => void
  private told: CellPhase.Told | undefined
  private heard = false

  constructor(resume: (effect: Effect.Effect<Told>) => void) {
    this.resume = resume
  }

  /** `onHeard` runs on the listener's own fiber, in the step in which it has the event. */
  tell(what: CellPhase.Told, event: Told, onHeard: () => void, keeper?: Keeper): void {
    this.told = what
    this.resume(Effect.withFiber((fiber) => {
      const deliver = fiber.getRef(Delivery)(event)
      const delivered = keeper === undefined
        ? deliver
        : Effect.andThen(Effect.uninterruptible(keeper.hear(event, fiber.getRef(Observation))), deliver)
      return Effect.map(
        keeper === undefined
          ? delivered
          : Effect.onInterrupt(delivered, () => Effect.sync(() => keeper.unheard(event))),
        () => {
          this.heard = true
          onHeard()
          return event
        }
      )
    }))
  }

  /** What it was told and does not have. */
  missed(): CellPhase.Told | undefined {
    return this.heard ? undefined : this.told
  }
}

/** Which part of the output that may be unread has a cell wait, and which part lets it go on. */
const holdAt = 1 / 2
const letGoAt = 1 / 4

/** Items a reader of `output` may be behind, and how many times as much as there may be of unread output. */
const outputCapacity = 1_000_000
const outputShare = 2

export class Cell implements Callbacks.Caller {
  readonly id: CellId
  readonly kind: CellKind

  private state = CellPhase.initial
  private readonly session: Session
  private readonly options: Options
  private readonly callbacks: Callbacks.Callbacks

  /** Whether the script runs; before that no yield deadline counts. */
  private started = false
  /** Whether the isolate said that only an answer of ours can wake it, and none is due. */
  private idle = false
  private stalled = false
  /** Whether it waits until its output is read. */
  private held = false
  private writes: StoredWrites = []
  /** Why the writes were dropped at once, if they were. */
  private refusal: CellError | undefined
  /** Bytes of the notifications that are being delivered or wait for it. */
  private undelivered = 0
  private observer: Listener | undefined
  private terminator: Listener | undefined
  private yieldAfter = Duration.infinity
  private yieldTimer: Fiber.Fiber<unknown> | undefined
  /** Where there is such a bound. */
  private readonly wallTime: Deadline | undefined
  private readonly calls: CellLedger
  private readonly clock: Clock.Clock
  private readonly since: number
  /** How many calls it has made, and what it has put out, in bytes. */
  private callCount = 0
  private outputBytes = 0
  /** Why it failed, if it did. */
  private failure: CellError["_tag"] | undefined
  private draining: Fiber.Fiber<unknown> | undefined
  /** Closed while it is being kept how the cell has ended: nothing else can end it meanwhile. */
  private readonly keeping = new Gate(true)
  private notified: number
  /** Its ledger, where it had ended before. */
  private earlier: Restored["ledger"]
  private grace: Effect.Effect<void> | undefined
  private outcome: Settled = "Terminated"
  private readonly settled = new Gate()
  private readonly closed = new Gate()
  /** Those who watch its output, where there were any. */
  private watchers: Broadcast.Broadcast<OutputItem> | undefined

  constructor(session: Session, options: Options) {
    this.session = session
    this.id = options.id
    this.kind = options.kind
    const { restored, ...rest } = options
    this.options = rest
    const clock = this.clock = Context.get(session.context, Clock.Clock)
    this.since = Monotonic.millisUnsafe(clock)
    this.calls = new CellLedger({
      sessionId: session.id,
      cellId: options.id,
      callId: options.callId,
      clock,
      watched: session.watched,
      meter: session.meter,
      isTraced: options.work !== undefined,
      bytesOf,
      countsBytes: true
    })
    this.callbacks = Callbacks.make(session, this)
    // First, for the script may have ended by now.
    const { maxWallTime } = session.limits
    this.wallTime = Duration.isFinite(maxWallTime)
      ? new Deadline({
        limit: maxWallTime,
        clock,
        runFork: (effect) => this.runFork(effect),
        onOver: () => this.exceed(`the script ran for longer than its limit of ${Duration.format(maxWallTime)}`)
      })
      : undefined
    this.notified = restored?.notified ?? 0
    if (restored !== undefined) {
      this.restore(restored)
    }
  }

  private restore({ calls, ledger, state }: Restored): void {
    this.state = state
    this.earlier = ledger
    calls.forEach((call) => this.calls.restore(call))
    if (state.phase !== "Running") {
      this.outcome = outcomeOf(state.ending)
      this.calls.close()
      this.wallTime?.stop()
      this.watchers?.end()
      this.settled.open()
    }
    if (state.phase === "Gone") {
      this.closed.open()
    }
  }

  /** Hears what its isolate has done, and goes on to do. */
  begin(): void {
    const { events } = this.options.handle
    if (events instanceof Inbox) {
      events.listen((some, isOver) => this.runFork(this.read(some, isOver)))
    } else {
      this.runFork(this.readAll(events))
    }
  }

  /** What it does is part of its session, and told of it. A context takes memory, which one that waits does without. */
  private runFork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.within(this.session.context))(effect)
  }

  callbackContext(): Context.Context<never> {
    return Context.add(
      this.within(Context.merge(this.session.context, this.options.context)),
      Owner,
      { session: this.session, cell: this }
    )
  }

  private within(context: Context.Context<never>): Context.Context<never> {
    const { callId, id, work } = this.options
    const annotated = annotate(context, { sessionId: this.session.id, cellId: id, callId })
    return work?.inside(annotated) ?? annotated
  }

  // ---------------------------------------------------------------------------
  // What may be asked of the cell
  // ---------------------------------------------------------------------------

  /** The next event; one caller at a time. Without a bound on its wait, it hears when the cell can never go on. */
  observe(yieldAfter: Duration.Duration): Effect.Effect<CellEvent, BusyObserver | MissingCell> {
    return this.listen("event", yieldAfter) as Effect.Effect<CellEvent, BusyObserver | MissingCell>
  }

  /** The frontier a pausable cell stands at or comes to next, or its outcome. */
  get awaitFrontier(): Effect.Effect<Frontier | Outcome, BusyObserver | MissingCell> {
    return this.listen("frontier", Duration.infinity) as Effect.Effect<Frontier | Outcome, BusyObserver | MissingCell>
  }

  private listen(
    wants: "event" | "frontier",
    yieldAfter: Duration.Duration
  ): Effect.Effect<Told, BusyObserver | MissingCell> {
    return this.wait(
      { _tag: "Observe", wants },
      (refused) => refused === "Busy" ? new BusyObserver({ cellId: this.id }) : this.missing(),
      (listener) => {
        this.observer = listener
        this.yieldAfter = yieldAfter
      }
    )
  }

  /** Feeds an input whose answer may come later. A caller that stops waiting for it takes nothing away. */
  private wait<E>(
    input: CellPhase.Input,
    onRefusal: (reason: Refusal) => E,
    attach: (listener: Listener) => void
  ): Effect.Effect<Told, E> {
    return Effect.suspend(() => {
      let listener: Listener | undefined
      return Effect.callback<Told, E>((resume) => {
        const step = CellPhase.step(this.state, input)
        const refused = refusalOf(step)
        if (refused !== undefined) {
          return resume(Effect.fail(onRefusal(refused)))
        }
        listener = new Listener(resume)
        attach(listener)
        this.take(step)
        if (this.observer === listener) {
          this.startYieldTimer()
          this.tellStalled()
          this.tellHeld()
        }
      }).pipe(
        // It went away, or could not be told.
        Effect.onError(() => Effect.sync(() => listener === undefined ? undefined : this.leave(listener)))
      )
    })
  }

  private leave(listener: Listener): void {
    const missed = listener.missed()
    if (missed !== undefined) {
      this.apply({ _tag: "Unheard", what: missed })
    } else if (this.observer === listener) {
      this.dropObserver()
      this.apply({ _tag: "ObserverLost" })
    } else if (this.terminator === listener) {
      this.terminator = undefined
      this.apply({ _tag: "TerminatorLost" })
    }
  }

  resume(generation: number): Effect.Effect<"Resumed" | "AlreadyRunning", InvalidGeneration | MissingCell> {
    return Effect.suspend(() => {
      const step = CellPhase.step(this.state, { _tag: "Resume", generation })
      const refused = refusalOf(step)
      if (refused === undefined) {
        this.take(step)
        return Effect.succeed(step[1].length === 0 ? "AlreadyRunning" as const : "Resumed" as const)
      }
      const latest = this.state.lastGeneration
      return Effect.fail(
        refused === "InvalidGeneration"
          ? new InvalidGeneration({ cellId: this.id, requested: generation, latest: latest === 0 ? null : latest })
          : this.missing()
      )
    })
  }

  get terminate(): Effect.Effect<Outcome, AlreadyTerminating | MissingCell> {
    return this.onceKept(this.wait(
      { _tag: "Terminate" },
      (refused) => refused === "AlreadyTerminating" ? new AlreadyTerminating({ cellId: this.id }) : this.missing(),
      (listener) => {
        this.terminator = listener
      }
    )) as Effect.Effect<Outcome, AlreadyTerminating | MissingCell>
  }

  private onceKept<A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.session.keeper === undefined ? self : Effect.andThen(this.keeping.await, self)
  }

  /** Answers the observer now, as if its time were over. */
  yieldNow(): void {
    this.apply({ _tag: "Yield", by: "deadline" })
  }

  /** Stops the cell now, for good; its callbacks have until `grace` ends. */
  shutdown(grace: Effect.Effect<void>): void {
    this.grace = grace
    if (this.session.keeper === undefined) {
      this.apply({ _tag: "Shutdown" })
    } else {
      this.runFork(this.onceKept(Effect.sync(() => this.apply({ _tag: "Shutdown" }))))
    }
  }

  /** Waits until no request can reach the cell. */
  get awaitClosed(): Effect.Effect<void> {
    return this.closed.await
  }

  /** Waits until the outcome is final. */
  get awaitSettled(): Effect.Effect<Settled> {
    return Effect.andThen(this.settled.await, Effect.sync(() => this.outcome))
  }

  /** Output that no event gave, then output as it is made. */
  get output(): Stream.Stream<OutputItem, Lagged> {
    return Stream.suspend(() => {
      this.watchers ??= this.makeWatchers()
      return this.watchers.stream(() => Outbox.toArray(CellPhase.remaining(this.state)))
    })
  }

  private makeWatchers(): Broadcast.Broadcast<OutputItem> {
    const watchers = Broadcast.make(outputCapacity, {
      weigh: Outbox.weigh,
      max: outputShare * this.session.limits.maxUndeliveredOutputBytes
    })
    if (this.state.phase !== "Running" && this.state.phase !== "Terminating") {
      watchers.end()
    }
    return watchers
  }

  status(): CellStatus {
    switch (this.state.phase) {
      case "Running":
        return this.stalled ? "Stalled" : this.state.pause === undefined ? "Running" : "Paused"
      case "Terminating":
        return "Terminating"
      case "Buffered":
      case "Claimed":
      case "Gone":
        return "Settled"
    }
  }

  /** The outcome, once it is final. */
  settledAs(): Settled {
    return this.outcome
  }

  /** Whether its script has been computing for a while, without a pause. */
  isBusy(): boolean {
    return this.options.handle.isBusy()
  }

  /** Whether it shares its process with other sessions. */
  isDegraded(): boolean {
    return this.options.handle.isDegraded()
  }

  /** Its tool calls that wait until a person agrees. */
  awaitingApproval(): ReadonlyArray<ToolCallId> {
    return this.calls.awaitingApproval()
  }

  /** What became of its tool calls. */
  get ledger(): Effect.Effect<Ledger, MissingCell> {
    return this.earlier ?? Effect.sync(() => this.calls.toLedger())
  }

  // ---------------------------------------------------------------------------
  // What the isolate does
  // ---------------------------------------------------------------------------

  private readAll(events: IsolateHandle["events"]): Effect.Effect<void> {
    return Queue.takeAll(events).pipe(
      Effect.tap((some) => Effect.sync(() => some.forEach((event) => this.onEvent(event)))),
      Effect.forever({ disableYield: true }),
      Effect.catchCause(() => Effect.sync(() => this.onEventsEnd()))
    )
  }

  private read(events: ReadonlyArray<IsolateEvent>, isOver: boolean): Effect.Effect<void> {
    return Effect.sync(() => {
      events.forEach((event) => this.onEvent(event))
      if (isOver) {
        this.onEventsEnd()
      }
    }).pipe(
      Effect.catchCause(() => Effect.sync(() => this.onEventsEnd()))
    )
  }

  private onEvent(event: IsolateEvent): void {
    if (this.state.phase !== "Running" || this.state.ending !== undefined) {
      return
    }
    switch (event._tag) {
      case "Started": {
        this.started = true
        return this.startYieldTimer()
      }
      case "Output": {
        this.countOutput(event.items)
        this.apply({ _tag: "Output", items: event.items })
        this.watchers?.publish(event.items)
        return this.checkOutput()
      }
      case "ToolCalls":
        return event.calls.forEach((call) => this.onToolCall(call))
      case "Notify":
        return this.onNotify(event.text, event.sequence)
      case "YieldRequested":
        return this.apply({ _tag: "Yield", by: "script" })
      case "Frontier": {
        this.idle = event.pendingToolCalls.length === 0 && event.timers === 0
        if (this.kind === "pausable") {
          this.apply({ _tag: "Frontier", pending: event.pendingToolCalls })
        }
        return this.checkStalled()
      }
      case "Finished": {
        this.refusal = this.session.refuseAlways(event.stored)
        this.writes = this.refusal === undefined ? event.stored : []
        return this.apply({ _tag: "Finished", error: event.error })
      }
    }
  }

  private onEventsEnd(): void {
    this.apply({ _tag: "Finished", error: { _tag: "IsolateLost", text: "exec runtime ended unexpectedly" } })
  }

  private onToolCall({ attempt = 1, id, input, line, tool: index }: ToolCall): void {
    const tool = this.options.tools[index]
    if (tool === undefined) {
      return this.options.handle.reject(id, `unknown tool call \`${id}\``)
    }
    if (!this.admitCallback()) {
      return
    }
    if (line !== undefined) {
      this.session.onCalled(this, id, tool.name, line)
    }
    this.callCount++
    const entry = this.calls.made({ id, tool: tool.name, kind: tool.kind })
    const { keeper } = this.session
    const invoke = Effect.flatMap(parseInput(input), (parsed) =>
      entry.follow(
        input,
        (queued) =>
          this.session.delegate.invokeTool({
            sessionId: this.session.id,
            cellId: this.id,
            callId: this.options.callId,
            toolCallId: id,
            idempotencyKey: `${this.session.id}/${this.id}/${id}`,
            attempt,
            tool: tool.name,
            toolName: tool.toolName,
            kind: tool.kind,
            ...queued,
            ...parsed
          }),
        (waits) => waits ? this.wallTime?.pause() : this.wallTime?.resume(),
        keeper && {
          asked: () => keeper.asked(this.id, id),
          begins: Effect.suspend(() => keeper.begins(this.id, id, attempt))
        }
      ))
    const answer = Effect.annotateLogs(Effect.map(invoke, toJsonText), "toolCallId", id)
    const onDropped = () => entry.ended(Exit.interrupt())
    const onExit = (exit: Exit.Exit<string, ToolError>) => {
      entry.ended(exit)
      keeper?.called(this.id, id, entry.toRecord().state)
      if (Exit.isSuccess(exit)) {
        return this.options.handle.resolve(id, exit.value)
      }
      const failure = Cause.findErrorOption(exit.cause)
      if (Option.isSome(failure)) {
        return this.options.handle.reject(id, failure.value.text)
      }
      if (Cause.hasInterruptsOnly(exit.cause)) {
        return this.options.handle.reject(id, "code mode nested tool call cancelled")
      }
      const report = Effect.annotateLogs(
        Effect.logError(`code mode tool ${Visible.line(tool.name)} died`, exit.cause),
        "toolCallId",
        id
      )
      this.runFork(entry.span === undefined ? report : Effect.provideService(report, Tracer.ParentSpan, entry.span))
      this.options.handle.reject(id, "code mode tool task panicked")
    }
    this.callbacks.tool(tool.name, answer, onExit, onDropped)
    entry.queued()
  }

  private onNotify(text: string, sequence = ++this.notified): void {
    if (!this.admitCallback()) {
      return
    }
    const bound = this.session.limits.maxUndeliveredOutputBytes
    const bytes = Utf8.byteLength(text)
    this.session.meter.moved("notification", bytes)
    this.undelivered += bytes
    if (this.undelivered > bound) {
      return this.exceed(`the cell has notified more than ${bound} bytes that were not delivered`)
    }
    const deliver = Effect.suspend(() =>
      this.session.delegate.notify({ callId: this.options.callId, cellId: this.id, sequence, text })
    )
    this.callbacks.notification(deliver, (exit) => {
      this.undelivered -= bytes
      if (!Exit.hasInterrupts(exit)) {
        this.session.keeper?.delivered(this.id, sequence)
      }
      if (Exit.isFailure(exit) && this.state.phase === "Running") {
        this.runFork(Effect.logWarning("failed to deliver code mode notification", exit.cause))
      }
    })
  }

  private admitCallback(): boolean {
    const bound = this.session.limits.maxPendingCallbacks
    if (this.callbacks.size() >= bound) {
      this.exceed(`the cell has more than ${bound} tool calls and notifications outstanding`)
    }
    return this.state.ending === undefined
  }

  private countOutput(items: ReadonlyArray<OutputItem>): void {
    let bytes = 0
    for (const item of items) {
      bytes += Outbox.bytesOf(item)
    }
    this.outputBytes += bytes
    this.session.meter.moved("output", bytes)
  }

  /** Says how it has ended, to those who are no observers of it. */
  private report(): void {
    const { isLeft, meter } = this.session
    const { work } = this.options
    const sizes = { "code_mode.calls": this.callCount, "code_mode.output.bytes": this.outputBytes }
    if (isLeft()) {
      return work && Spans.cellLeft(work, sizes)
    }
    meter.cellTook(this.outcome, Monotonic.millisUnsafe(this.clock) - this.since)
    return work && Spans.cellEnded(work, this.outcome, this.failure, sizes)
  }

  private checkOutput(): void {
    const bound = this.session.limits.maxUndeliveredOutputBytes
    if (CellPhase.remainingSize(this.state) > bound) {
      this.exceed(`the cell has put out more than ${bound} bytes that were not read`)
    }
  }

  /** Ends the cell as failed because of a bound. */
  private exceed(text: string): void {
    this.apply({ _tag: "Finished", error: { _tag: "LimitExceeded", text } })
    // After that, so that the end of its events says nothing.
    this.options.handle.stop()
  }

  onIdle(): void {
    this.checkStalled()
  }

  private checkStalled(): void {
    if (this.idle && !this.stalled && this.state.phase === "Running" && this.callbacks.size() === 0) {
      this.stalled = true
      this.session.onStalled(this)
      this.tellStalled()
    }
  }

  /** An observer that would wait for ever hears of it. One that waits for some time was told how long it may take. */
  private tellStalled(): void {
    if (this.stalled && this.observer !== undefined && !Duration.isFinite(this.yieldAfter)) {
      this.yieldNow()
    }
  }

  // ---------------------------------------------------------------------------
  // Decisions
  // ---------------------------------------------------------------------------

  private apply(input: CellPhase.Input): void {
    this.take(CellPhase.step(this.state, input))
  }

  private take([next, decisions]: CellPhase.Step): void {
    this.state = next
    for (const decision of decisions) {
      this.carryOut(decision)
    }
    if (this.session.waitsForReaders) {
      this.pace()
    }
  }

  /** Has the script wait for those who read its output. One who waits for its next frontier reads nothing before that. */
  private pace(): void {
    const { observer, phase } = this.state
    if (phase !== "Running") {
      return
    }
    const bound = this.session.limits.maxUndeliveredOutputBytes
    const unread = CellPhase.remainingSize(this.state)
    const isHeld = observer !== "frontier" && unread > bound * (this.held ? letGoAt : holdAt)
    if (isHeld !== this.held) {
      this.held = isHeld
      this.options.handle.hold(isHeld)
      this.tellHeld()
    }
  }

  /** An observer of a cell that waits for it would wait for ever. */
  private tellHeld(): void {
    if (this.held && this.state.observer === "event") {
      this.yieldNow()
    }
  }

  private carryOut(decision: CellPhase.Decision): void {
    switch (decision._tag) {
      case "Cancel": {
        this.options.handle.stop()
        this.wallTime?.stop()
        this.calls.cancel()
        this.draining?.interruptUnsafe()
        this.runFork(
          this.callbacks.cancel(this.grace ?? Effect.sleep(this.session.limits.cancellationGrace)).pipe(
            Effect.andThen(this.keep({ _tag: "Terminated" }, [])),
            Effect.andThen(Effect.sync(() => this.apply({ _tag: "Cancelled" })))
          )
        )
        return
      }
      case "Drain": {
        this.wallTime?.stop()
        this.calls.cancel()
        this.draining = this.runFork(Effect.andThen(this.callbacks.finish, this.drained))
        return
      }
      case "Commit":
        return this.session.commit(this.writes)
      case "Settle": {
        const error = decision.ending._tag === "Terminated" ? undefined : decision.ending.error
        this.outcome = outcomeOf(decision.ending)
        this.failure = error?._tag
        this.calls.close()
        this.report()
        // First, for those who hear of the end of its output may ask for its outcome at once, and so close it.
        this.session.onSettled(this, this.outcome, error)
        this.watchers?.end()
        this.settled.open()
        return
      }
      case "Continue":
        return this.options.handle.resume()
      case "Tell":
        return this.tell(decision.who, decision.what)
      case "Close": {
        this.session.onClosed(this, this.outcome, this.earlier ?? Effect.succeed(this.calls.toLedger()))
        this.closed.open()
        return
      }
      case "Refuse":
    }
  }

  /** The callbacks of a finished script are done. */
  private get drained(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const refusal = this.refusal ?? this.session.refuse(this.writes)
      const { ending } = this.state
      if (this.session.keeper === undefined || ending === undefined) {
        return this.settle(refusal)
      }
      this.keeping.close()
      return Effect.uninterruptible(Effect.ensuring(
        refusal === undefined
          ? Effect.flatMap(
            this.keep(ending, this.writes),
            (kept) => kept === true ? this.settle(undefined) : kept === false ? Effect.void : this.settleRefused(kept)
          )
          : this.settleRefused(refusal),
        Effect.sync(() => this.keeping.open())
      ))
    })
  }

  private settle(refusal: CellError | undefined): Effect.Effect<void> {
    return Effect.sync(() => this.apply({ _tag: "Drained", refusal }))
  }

  private settleRefused(error: CellError): Effect.Effect<void> {
    return Effect.flatMap(
      this.keep({ _tag: "Completed", error }, []),
      (kept) => kept === true ? this.settle(error) : Effect.void
    )
  }

  private keep(ending: CellPhase.Ending, writes: StoredWrites): Effect.Effect<boolean | CellError> {
    return this.session.keeper?.settle(this.id, ending, writes) ?? Effect.succeed(true)
  }

  private tell(who: "observer" | "terminator" | "both", what: CellPhase.Told): void {
    const observer = who === "terminator" ? undefined : this.observer
    const terminator = who === "observer" ? undefined : this.terminator
    if (observer !== undefined) {
      this.dropObserver()
    }
    if (terminator !== undefined) {
      this.terminator = undefined
    }
    const event = this.toEvent(what)
    const onHeard = () => {
      if (what._tag === "Completed" || what._tag === "Terminated") {
        this.apply({ _tag: "Heard" })
      }
    }
    observer?.tell(what, event, onHeard, this.session.keeper)
    terminator?.tell(what, event, onHeard, this.session.keeper)
  }

  private toEvent(what: CellPhase.Told): Told {
    const items = Outbox.toArray(what.items)
    const cellId = this.id
    switch (what._tag) {
      case "Yielded":
        return {
          _tag: "Yielded",
          cellId,
          items,
          ...(this.stalled ? { stalled: true } : {}),
          ...waiting(this.calls.awaitingApproval())
        }
      case "Terminated":
        return { _tag: "Terminated", cellId, items }
      case "Completed":
        return { _tag: "Completed", cellId, items, ...(what.error === undefined ? {} : { error: what.error }) }
      case "Frontier":
        return { _tag: "Frontier", cellId, generation: what.generation, items, pendingToolCallIds: what.pending }
    }
  }

  private startYieldTimer(): void {
    if (!this.started || this.observer === undefined || !Duration.isFinite(this.yieldAfter)) {
      return
    }
    if (Duration.isZero(this.yieldAfter)) {
      return this.yieldNow()
    }
    this.yieldTimer = this.runFork(
      Effect.andThen(Effect.sleep(this.yieldAfter), Effect.sync(() => this.yieldNow()))
    )
  }

  private dropObserver(): void {
    this.observer = undefined
    this.yieldTimer?.interruptUnsafe()
    this.yieldTimer = undefined
  }

  private missing(): MissingCell {
    return new MissingCell({ cellId: this.id, finished: true })
  }
}

/** The JSON text of a value, as it comes from the script or goes to it. */
const bytesOf = (text: unknown): number => typeof text === "string" ? Utf8.byteLength(text) : 0

const outcomeOf = (ending: CellPhase.Ending | undefined): Settled =>
  ending?._tag !== "Completed" ? "Terminated" : ending.error === undefined ? "Completed" : "Failed"

const waiting = (calls: ReadonlyArray<ToolCallId>) => calls.length === 0 ? {} : { awaitingApproval: calls }

const annotate = (context: Context.Context<never>, annotations: Readonly<Record<string, string>>) =>
  Context.add(context, References.CurrentLogAnnotations, {
    ...Context.get(context, References.CurrentLogAnnotations),
    ...annotations
  }) as Context.Context<never>

const refusalOf = ([, [decision]]: CellPhase.Step): Refusal | undefined =>
  decision?._tag === "Refuse" ? decision.reason : undefined

/** The input as a field of a call, if there is one. */
const parseInput = (input: string | undefined): Effect.Effect<{ readonly input?: Schema.Json }, ToolError> =>
  Effect.try({
    try: () => input === undefined ? {} : { input: JSON.parse(input) as Schema.Json },
    catch: () => new ToolError({ text: "the input of the tool call is not JSON" })
  })

/** A tool that gives what has no JSON has a bug, as has one that throws. */
const toJsonText = (value: Schema.Json): string => {
  const text: string | undefined = JSON.stringify(value ?? null)
  if (text === undefined) {
    throw new TypeError(`the tool's result is a ${typeof value}, and no JSON`)
  }
  return text
}

/** The hold on its isolate, or on one that comes and goes. */
export type Handle = IsolateHandle | Omit<IsolateHandle, "events"> & { readonly events: Inbox }

export interface Options {
  readonly id: CellId
  readonly kind: CellKind
  /** That of the request. */
  readonly callId: string
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly handle: Handle
  /** What the fiber that asked for the cell had: its span, its log annotations. Tool calls have it, too. */
  readonly context: Context.Context<never>
  /** What is known of it, where it was kept. */
  readonly restored?: Restored | undefined
  /** The span of the cell, if it is traced. */
  readonly work: Trace.Work | undefined
}

/** A cell whose isolate has just started. */
