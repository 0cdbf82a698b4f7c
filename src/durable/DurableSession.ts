/**
 * A session that is kept: it is claimed from a store, goes on from its journal, and keeps what happens before it has an
 * effect.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { createHash, randomBytes } from "node:crypto"
import * as Scopeless from "../data/Scopeless.ts"
import * as Shape from "../delegate/Shape.ts"
import type { IsolateEvent, Lease, Program } from "../Isolate.ts"
import {
  CapacityExceeded,
  type CellError,
  type CellEvent,
  type CellId,
  type CellKind,
  type CellRequest,
  type Frontier,
  IsolateFailure,
  MissingCell,
  SessionSuspended,
  type SessionTaken,
  StoreFailure,
  type ToolCallId,
  type ToolCallState,
  type ToolDefinition
} from "../Protocol.ts"
import type { Handle, StoredWrites } from "../session/Cell.ts"
import type * as CellPhase from "../session/CellPhase.ts"
import * as EndedIsolate from "../session/EndedIsolate.ts"
import type { Keeper, Observation, Restored } from "../session/Keeper.ts"
import * as Ledger from "../session/Ledger.ts"
import { type Record, Store } from "../Store.ts"
import * as Retention from "../store/Retention.ts"
import { Meter } from "../telemetry/Meter.ts"
import { Alarm } from "./Alarm.ts"
import { DurableCell, engine, type Pending, Residence, type Shared } from "./DurableCell.ts"
import { CellHistory, type Created, Hearing, type Kept, SessionHistory, type Values } from "./History.ts"
import * as Holder from "./Holder.ts"
import { Journal, type Loss } from "./Journal.ts"

export interface Options {
  readonly session: string
  readonly owner?: string | undefined
  readonly lease?: Duration.Input | undefined
  readonly idleAfter?: Duration.Input | undefined
  readonly maxIdleInMemory?: number | undefined
  readonly maxReplayTime?: Duration.Input | undefined
  readonly retention?: Retention.Retention | undefined
  /** Ended cells whose outcome was read that stay in the journal. */
  readonly maxRemembered: number
  readonly storedValues: Values
}

const defaults = {
  lease: Duration.seconds(15),
  idleAfter: Duration.seconds(30),
  maxIdleInMemory: 32,
  maxReplayTime: Duration.minutes(1)
}

/** How many isolates may be on their way back at a time. */
const maxReplays = 4

/** A cell that the journal has. */
export interface RestoredCell {
  readonly id: CellId
  readonly kind: CellKind
  readonly request: CellRequest
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly restored: Restored
  readonly handle: Handle
}

/** What the keeper knows of a cell, besides what its isolate does. */
interface Known {
  readonly hearing: Hearing
  readonly driver: DurableCell | undefined
}

/** What a cell is made from. */
export interface Plan {
  readonly id: CellId
  readonly number: number
  readonly kind: CellKind
  readonly request: CellRequest
  readonly tools: ReadonlyArray<ToolDefinition>
}

const unknownText = (tool: string) =>
  `tools.${tool} was interrupted by the end of its process: it may have been performed, and is not performed again`

/** What a restart may do with a call. */
const isRepeatable = (tool: ToolDefinition): boolean =>
  tool.annotations?.onRestart === undefined
    ? Shape.isRepeatable(tool)
    : tool.annotations.onRestart === "retry"

/** The records of one cell. */
type Load = (cell: CellId) => Effect.Effect<ReadonlyArray<Record>, StoreFailure>

export class DurableSession implements Keeper {
  readonly journal: Journal
  /** Behind the ids of its cells. */
  readonly key: string
  readonly sequence: number
  readonly kept: ReadonlyArray<Kept>
  readonly values: Values
  private readonly history: SessionHistory
  private readonly shared: Shared
  private readonly load: Load
  private readonly clock: Clock.Clock
  private readonly maxRemembered: number
  private readonly known = new Map<CellId, Known>()
  private readonly toolNumbers = new Map<string, number>()
  private readonly versions = new WeakMap<object, number>()
  private closed: Array<CellId> = []
  private version: number
  /** The cell with the highest number: the next one has another. */
  private last: CellId | undefined

  private constructor(options: {
    readonly journal: Journal
    readonly key: string
    readonly history: SessionHistory
    readonly shared: Shared
    readonly load: Load
    readonly clock: Clock.Clock
    readonly maxRemembered: number
    readonly values: Values
    readonly version: number
  }) {
    this.journal = options.journal
    this.key = options.key
    this.history = options.history
    this.sequence = options.history.sequence
    this.kept = options.history.kept
    this.shared = options.shared
    this.load = options.load
    this.clock = options.clock
    this.maxRemembered = options.maxRemembered
    this.values = options.values
    this.version = options.version
    options.history.tools.forEach((definitions, number) => this.toolNumbers.set(nameOf(definitions), number))
  }

  /** Claims a session, and reads what its journal has. Closing the scope gives it back, after what was written is kept. */
  static readonly open = Effect.fnUntraced(function*(
    options: Options,
    lease: Lease
  ): Effect.fn.Return<DurableSession, SessionTaken | StoreFailure, Store | Scope.Scope> {
    const store = yield* Store
    const clock = yield* Clock.Clock
    const { session } = options
    // What goes on by itself logs as those who have opened the session do, and is part of no scope.
    const fork = Effect.runForkWith(yield* Scopeless.context<Scope.Scope>())
    const time = Duration.fromInputUnsafe(options.lease ?? defaults.lease)
    const owner = options.owner ?? Holder.make()
    const epoch = yield* Effect.acquireRelease(
      Effect.catchTag(
        store.claim(session, owner, time),
        "SessionTaken",
        (taken) =>
          Holder.hasEnded(taken.owner)
            ? store.claim(session, owner, time, { insteadOf: taken.owner })
            : Effect.fail(taken)
      ),
      (epoch) => Effect.ignore(store.release(session, epoch))
    )
    const meter = new Meter(yield* Effect.context<never>())
    const journal = new Journal({ session, epoch, store, meter, fork })
    yield* Effect.addFinalizer(() => journal.drain)
    const { records } = yield* store.load(session, { ended: "outcomes" })
    if (records.some(({ _tag }) => _tag === "Sealed")) {
      return yield* new StoreFailure({
        reason: "WrongKey",
        text: `session ${session} is encrypted, and its store has no key`
      })
    }
    const plan = Retention.plan(records, options.retention ?? {}, clock.currentTimeMillisUnsafe())
    if (plan.forget.length > 0 || plan.records.length > 0) {
      yield* Effect.catchTag(
        store.append(session, epoch, plan.records, { forget: plan.forget }),
        "Fenced",
        (fenced) => Effect.sync(() => journal.lose(fenced))
      )
    }
    const gone = new Set(plan.forget)
    const history = new SessionHistory(
      records.filter((record) => record._tag === "Stored" || !("cellId" in record && gone.has(record.cellId!)))
    )
    const key = history.key ?? randomDigits()
    let { version } = history
    let values = history.values(new Set()).get(version)!
    if (history.key === undefined) {
      const initial: Array<Record> = [{ _tag: "Opened", key }]
      if (options.storedValues.size > 0) {
        values = options.storedValues
        initial.push({ _tag: "Values", version: ++version, values: Array.from(values) })
      }
      yield* journal.write(initial)
    }
    const load = (cellId: CellId) =>
      Effect.map(
        store.load(session, { cell: cellId }),
        ({ records }) => records.filter((record) => "cellId" in record && record.cellId === cellId)
      )
    if (Duration.isPositive(time) && Duration.isFinite(time)) {
      yield* Effect.forkScoped(renewed(store, journal, time))
    }
    return new DurableSession({
      journal,
      key,
      history,
      clock,
      maxRemembered: options.maxRemembered,
      values,
      version,
      load,
      shared: {
        journal,
        lease,
        meter,
        fork,
        load: ({ cellId }) => Effect.tapError(load(cellId), (failure) => Effect.sync(() => journal.lose(failure))),
        idleAfter: Duration.fromInputUnsafe(options.idleAfter ?? defaults.idleAfter),
        maxReplayTime: Duration.fromInputUnsafe(options.maxReplayTime ?? defaults.maxReplayTime),
        replays: Semaphore.makeUnsafe(maxReplays),
        alarm: new Alarm(fork),
        residence: new Residence(options.maxIdleInMemory ?? defaults.maxIdleInMemory)
      }
    })
  })

  /** Waits until the session is lost, and tells why. */
  get awaitLost(): Effect.Effect<Loss> {
    return this.journal.awaitLost
  }

  get isLost(): Loss | undefined {
    return this.journal.isLost
  }

  /** Keeps what was written, and no more from then on. */
  readonly suspend: Effect.Effect<void> = Effect.suspend(() =>
    Effect.andThen(
      this.journal.drain,
      Effect.sync(() => this.journal.lose(new SessionSuspended({ session: this.journal.session })))
    )
  )

  /** What counts only while the session is kept. */
  unlessLost<A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(self, (value) => this.isLost === undefined ? Effect.succeed(value) : Effect.die(this.isLost))
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  /** The cells of the journal, in the order in which they were made. `bounds` is what a program has of its session. */
  readonly restore = Effect.fnUntraced(function*(
    this: DurableSession,
    bounds: Omit<Program, "source" | "tools" | "stored" | "pausable">,
    currentTools: ReadonlyArray<ToolDefinition>
  ): Effect.fn.Return<ReadonlyArray<RestoredCell>, StoreFailure> {
    const histories = Array.from(this.history.cells.values())
    const live = histories.filter(({ outcome }) => outcome === undefined)
    const values = this.history.values(new Set(live.map(({ created }) => created.stored)))
    const current = new Map(currentTools.map((tool) => [tool.name, tool]))
    const cells: Array<RestoredCell> = []
    const ended = yield* EndedIsolate.make()
    for (const history of histories) {
      const { created, id, outcome } = history
      const tools = this.history.tools.get(created.tools) ?? []
      const program: Program = {
        ...bounds,
        source: created.source ?? created.request.source,
        tools,
        stored: values.get(created.stored) ?? new Map(),
        pausable: true
      }
      const driver = outcome === undefined
        ? yield* this.restoreLive(history, program, (tool) => current.get(tool.name) ?? tool)
        : undefined
      this.known.set(id, { hearing: history.hearing, driver })
      if (history.isClosed) {
        this.closed.push(id)
      }
      this.last = created.number === this.sequence ? id : this.last
      cells.push({
        id,
        kind: created.kind,
        request: created.ownTools ? { ...created.request, tools } : created.request,
        tools,
        restored: history.toRestored(tools, this.ledgerOf(id, tools)),
        handle: driver ?? ended
      })
    }
    // It is not read again.
    this.history.cells.clear()
    this.forgetOld()
    return cells
  })

  /** What became of the calls of a cell that had ended before the session was opened. */
  private ledgerOf(cellId: CellId, tools: ReadonlyArray<ToolDefinition>) {
    return Effect.flatMap(Effect.suspend(() => Effect.orDie(this.load(cellId))), ([created, ...records]) => {
      if (created?._tag !== "Created") {
        // It was forgotten.
        return Effect.fail(new MissingCell({ cellId, finished: true }))
      }
      const history = new CellHistory(created)
      records.forEach((record) => history.add(record))
      return Effect.succeed(Ledger.ofEnded(history.toCalls(tools)))
    })
  }

  private readonly restoreLive = Effect.fnUntraced(function*(
    this: DurableSession,
    history: CellHistory,
    program: Program,
    definitionOf: (tool: ToolDefinition) => ToolDefinition
  ): Effect.fn.Return<DurableCell, StoreFailure> {
    const { id } = history
    const records: Array<Record> = []
    const answers: Array<Pending> = []
    const again: Array<IsolateEvent> = []
    for (const call of history.calls.values()) {
      const tool = program.tools[call.tool]!
      if (call.answer !== undefined) {
        continue
      }
      if (!call.isAsked && !isRepeatable(definitionOf(tool))) {
        records.push({
          _tag: "Answered",
          cellId: id,
          call: call.id,
          answer: { _tag: "Rejected", text: unknownText(tool.name), effect: "unknown" }
        })
        continue
      }
      const attempt = call.isAsked ? call.attempt : call.attempt + 1
      if (!call.isAsked) {
        records.push({ _tag: "Attempted", cellId: id, call: call.id, attempt })
      }
      again.push({
        _tag: "ToolCalls",
        calls: [{ id: call.id, tool: call.tool, attempt, ...(call.input === undefined ? {} : { input: call.input }) }]
      })
    }
    history.undelivered.forEach((text, sequence) => again.push({ _tag: "Notify", text, sequence }))
    if (records.length > 0) {
      yield* this.journal.write(records)
      records.forEach((record) => history.add(record))
    }
    for (const { answer, id, isGiven } of history.answered()) {
      if (!isGiven) {
        answers.push({ id, answer })
      }
    }
    return DurableCell.restore(this.shared, history, program, answers, again)
  })

  /** An engine for a new cell. */
  leaseFor(plan: Plan) {
    return { start: (program: Program) => this.start(plan, program) }
  }

  private start(
    { id, kind, number, request, tools }: Plan,
    program: Program
  ): Effect.Effect<DurableCell, IsolateFailure | CapacityExceeded> {
    return Effect.suspend(() => {
      const { tools: ownTools, ...rest } = request
      const name = nameOf(tools)
      const toolsNumber = this.toolNumbers.get(name) ?? this.toolNumbers.size + 1
      const isNew = !this.toolNumbers.has(name)
      this.toolNumbers.set(name, toolsNumber)
      const created: Created = {
        _tag: "Created",
        cellId: id,
        number,
        at: Math.floor(this.clock.currentTimeMillisUnsafe()),
        kind,
        request: rest,
        ...(program.source === request.source ? {} : { source: program.source }),
        tools: toolsNumber,
        ownTools: ownTools !== undefined,
        engine,
        seed: randomDigits(),
        stored: this.versions.get(program.stored) ?? 0
      }
      const definitions: ReadonlyArray<Record> = isNew
        ? [{ _tag: "Tools", number: toolsNumber, definitions: tools }]
        : []
      return DurableCell.create(this.shared, created, program, definitions).pipe(
        Effect.map((driver) => {
          this.known.set(id, { hearing: new Hearing(), driver })
          this.last = id
          return driver
        }),
        Effect.tapCause(() => Effect.sync(() => isNew && this.toolNumbers.delete(name))),
        Effect.mapError((error) =>
          error._tag === "StoreFailure" ? new CapacityExceeded({ limit: "maxRecordBytes", text: error.text }) : error
        ),
        Effect.catchDefect((cause) =>
          cause === this.journal.isLost
            ? Effect.fail(new IsolateFailure({ text: (cause as Loss).message, cause }))
            : Effect.die(cause)
        )
      )
    })
  }

  // ---------------------------------------------------------------------------
  // What is kept
  // ---------------------------------------------------------------------------

  /** Says which version a snapshot of the stored values is. */
  mark(snapshot: Values, writes?: StoredWrites): void {
    this.versions.set(snapshot, writes === undefined ? this.version : this.versions.get(writes) ?? this.version)
  }

  settle(id: CellId, ending: CellPhase.Ending, writes: StoredWrites): Effect.Effect<boolean | CellError> {
    return Effect.suspend(() => {
      if (this.isLost !== undefined) {
        return Effect.succeed(false)
      }
      const records: Array<Record> = []
      if (!this.known.has(id)) {
        // It was refused before it was one.
        return Effect.succeed(true)
      }
      if (writes.length > 0) {
        this.versions.set(writes, ++this.version)
        records.push({ _tag: "Stored", cellId: id, version: this.version, writes })
      }
      records.push({
        _tag: "Settled",
        cellId: id,
        at: this.clock.currentTimeMillisUnsafe(),
        outcome: ending._tag === "Terminated"
          ? { _tag: "Terminated" }
          : { _tag: "Completed", ...(ending.error === undefined ? {} : { error: ending.error }) }
      })
      return this.journal.write(records).pipe(
        Effect.as(true as boolean | CellError),
        Effect.catch((failure) => Effect.succeed<CellError>({ _tag: "LimitExceeded", text: failure.text })),
        Effect.catchDefect((defect) => defect === this.isLost ? Effect.succeed(false) : Effect.die(defect))
      )
    })
  }

  hear(event: CellEvent | Frontier, { isFirst, key, wait }: Observation): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isLost !== undefined) {
        return Effect.die(this.isLost)
      }
      const hearing = this.known.get(event.cellId)?.hearing
      if (hearing === undefined) {
        return Effect.void
      }
      const isFrontier = event._tag === "Frontier"
      if (isFrontier && hearing.pause?.generation === event.generation) {
        return Effect.void
      }
      if (!isFrontier) {
        hearing.goesOn()
      }
      const from = hearing.heard
      const to = from + event.items.length
      const isNothing = event._tag === "Yielded" && from === to && key === undefined && isFirst !== true
      const isKnown = hearing.isObserved
      const told = toldOf(event)
      hearing.hears(told, to)
      return isNothing && isKnown
        ? Effect.void
        : Effect.orDie(this.journal.write([{
          _tag: "Heard",
          cellId: event.cellId,
          from,
          to,
          event: told,
          ...(key === undefined ? {} : { key }),
          ...(Number.isFinite(wait) ? { wait } : {}),
          ...(isFirst === true ? { first: true } : {})
        }]))
    })
  }

  unheard(event: CellEvent | Frontier): void {
    const hearing = this.known.get(event.cellId)?.hearing
    if (hearing === undefined) {
      return
    }
    if (event._tag !== "Frontier") {
      hearing.heard -= event.items.length
    } else if (hearing.pause?.generation === event.generation) {
      hearing.pause = undefined
    }
  }

  delivered(cellId: CellId, sequence: number): void {
    if (this.known.has(cellId)) {
      this.note({ _tag: "Delivered", cellId, number: sequence })
    }
  }

  asked(cellId: CellId, call: ToolCallId): void {
    this.note({ _tag: "Asked", cellId, call })
  }

  begins(cellId: CellId, call: ToolCallId, attempt: number): Effect.Effect<void> {
    return Effect.orDie(this.journal.write([{ _tag: "Attempted", cellId, call, attempt }]))
  }

  called(cellId: CellId, _: ToolCallId, state: ToolCallState): void {
    this.known.get(cellId)?.driver?.called(
      state === "NotStarted" || state === "AwaitingApproval" ? "none" : state === "Interrupted" ? "unknown" : "failed"
    )
  }

  /** Tells a pausable cell to go on, and answers once that is kept. */
  resumes<A, E>(cellId: CellId, resume: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(resume, (answer) => {
      if (answer === "Resumed") {
        this.known.get(cellId)?.hearing.goesOn()
      }
      return Effect.as(Effect.orDie(this.journal.write([])), answer)
    })
  }

  /** The outcome of a cell was read: the journal keeps the last of these. */
  closes(cellId: CellId): void {
    if (this.known.has(cellId) && this.isLost === undefined) {
      this.closed.push(cellId)
      this.forgetOld()
    }
  }

  private forgetOld(): void {
    const old = this.closed.slice(0, Math.max(0, this.closed.length - this.maxRemembered)).filter((id) =>
      id !== this.last
    )
    if (old.length > 0) {
      old.forEach((id) => this.known.delete(id))
      this.closed = this.closed.filter((id) => this.known.has(id))
      this.journal.writeLater([], () => {}, old)
    }
  }

  private note(record: Record): void {
    // What cannot be kept is told or asked again.
    this.journal.writeLater([record], () => {})
  }
}

const toldOf = (event: CellEvent | Frontier) => {
  switch (event._tag) {
    case "Yielded": {
      const { awaitingApproval, stalled } = event
      return {
        _tag: "Yielded",
        ...(stalled === undefined ? {} : { stalled }),
        ...(awaitingApproval === undefined ? {} : { awaitingApproval })
      } as const
    }
    case "Frontier":
      return { _tag: "Frontier", generation: event.generation } as const
    case "Completed":
    case "Terminated":
      return { _tag: "Ended" } as const
  }
}

/** 32 of them, hexadecimal. */
const randomDigits = (): string => randomBytes(16).toString("hex")

const nameOf = (definitions: ReadonlyArray<ToolDefinition>): string =>
  createHash("sha256").update(JSON.stringify(definitions)).digest("base64")

/** Keeps the lease. Where the store does not answer until it is over, another owner may have it. */
const renewed = (store: Store["Service"], journal: Journal, lease: Duration.Duration): Effect.Effect<void> => {
  const renew = store.renew(journal.session, journal.epoch, lease)
  return Effect.sleep(Duration.times(lease, 1 / 3)).pipe(
    Effect.andThen(
      Effect.retry(renew, {
        while: (error) => error._tag === "StoreFailure",
        schedule: Schedule.upTo(Schedule.spaced(Duration.times(lease, 1 / 12)), { times: 4 })
      })
    ),
    Effect.forever,
    Effect.catch((loss) => Effect.sync(() => journal.lose(loss)))
  )
}
