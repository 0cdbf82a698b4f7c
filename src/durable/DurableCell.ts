/**
 * One cell that is kept: a handle of its isolate that has no effect before its record is kept, and that goes on from its
 * journal whether the isolate is there or not.
 *
 * **Details**
 *
 * The isolate runs turn by turn. What it does in one is kept, then told; what it waits for is collected, and kept with what it
 * does next. An isolate that waits for long is let go. When something comes for it, another one is started with the same seed,
 * is given the turns of the journal, and has to do what the journal says.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Semaphore from "effect/Semaphore"
import type { IsolateEvent, IsolateHandle, Lease, PastTurn, Program } from "../Isolate.ts"
import { type CellError, Generation, type IsolateFailure, type StoreFailure, type ToolCallId } from "../Protocol.ts"
import { Inbox } from "../session/Inbox.ts"
import type { Record } from "../Store.ts"
import type { Meter } from "../telemetry/Meter.ts"
import type { Alarm } from "./Alarm.ts"
import type { Answer, CellHistory, Created, Of } from "./History.ts"
import type { Journal } from "./Journal.ts"
import * as Replay from "./Replay.ts"

/** What the cells of a session share. */
export interface Shared {
  readonly journal: Journal
  readonly lease: Lease
  readonly meter: Meter
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The records of the journal that are about a cell. */
  readonly load: (created: Created) => Effect.Effect<ReadonlyArray<Record>, StoreFailure>
  readonly idleAfter: Duration.Duration
  readonly maxReplayTime: Duration.Duration
  /** How many may be on their way back at a time. */
  readonly replays: Semaphore.Semaphore
  readonly residence: Residence
  readonly alarm: Alarm
}

/** Isolates that wait: the one that waits longest is the first to go. */
export class Residence {
  private readonly idle = new Set<{ readonly leave: () => void }>()
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  enter(cell: { readonly leave: () => void }): void {
    this.idle.add(cell)
    for (const oldest of this.idle) {
      if (this.idle.size <= this.max) {
        return
      }
      this.idle.delete(oldest)
      oldest.leave()
    }
  }

  exit(cell: { readonly leave: () => void }): void {
    this.idle.delete(cell)
  }
}

/** An answer that the script does not have. */
export interface Pending {
  readonly id: ToolCallId
  readonly answer: Answer
}

type Frontier = Pick<Of<"Frontier">, "timers" | "due">

type TurnCause = Of<"Turn">["cause"]

/** How many times an isolate that is lost, without having done more, is started again. */
const maxLosses = 2

const startAgain = Schedule.upTo(Schedule.exponential("100 millis"), { times: 8 })

const lost: CellError = { _tag: "IsolateLost", text: "exec runtime ended unexpectedly" }

export class DurableCell implements Omit<IsolateHandle, "events"> {
  private readonly shared: Shared
  private readonly created: Created
  private readonly program: Program
  readonly events = new Inbox()
  /** Something may have come since it began to wait; and how it is told, while it does. */
  private isWoken = false
  private onWoken: (() => void) | undefined
  /** Where it stands while it sleeps: then it has no isolate, and no fiber waits. */
  private asleep: Frontier | undefined
  private lane: IsolateHandle | undefined
  private isOver = false
  private isLeaving = false
  private isHeld = false
  private hasStarted = false
  private answers: Array<Pending> = []
  private readonly open = new Set<ToolCallId>()
  private turn = 0
  private at: number
  private notified = 0
  private generation = 0
  private isResumed = false
  private losses = 0
  /** What becomes of the call that is answered next. */
  private effect: Extract<Answer, { readonly _tag: "Rejected" }>["effect"] = "failed"
  private main: Fiber.Fiber<void> | undefined

  private constructor(shared: Shared, created: Created, program: Program) {
    this.shared = shared
    this.created = created
    this.at = created.at
    this.program = program
  }

  /** A new cell. It is there once it is kept, and has told nothing before. */
  static readonly create = Effect.fnUntraced(function*(
    shared: Shared,
    created: Created,
    program: Program,
    before: ReadonlyArray<Record>
  ): Effect.fn.Return<DurableCell, IsolateFailure | StoreFailure> {
    const cell = new DurableCell(shared, created, program)
    return yield* Effect.uninterruptible(Effect.flatMap(
      Effect.interruptible(shared.lease.start(cell.programWith([]))),
      (lane) => {
        cell.lane = lane
        return shared.journal.write([...before, created]).pipe(
          Effect.onError(() => Effect.sync(() => lane.stop())),
          Effect.map(() => {
            cell.start(cell.live([]))
            return cell
          })
        )
      }
    ))
  })

  /** A cell that was kept, with the answers that its script is still to have. It tells nothing of what was told before. */
  static restore(
    shared: Shared,
    history: CellHistory,
    program: Program,
    answers: ReadonlyArray<Pending>,
    again: ReadonlyArray<IsolateEvent>
  ): DurableCell {
    const cell = new DurableCell(shared, history.created, program)
    cell.turn = history.turn
    cell.at = history.at
    cell.notified = history.notified
    cell.generation = history.generation
    cell.isResumed = history.isResumed
    cell.hasStarted = true
    history.calls.forEach(({ answer, id }) => answer === undefined && cell.open.add(id))
    cell.answers.push(...answers)
    const { frontier } = history
    const standing: IsolateEvent | undefined = frontier && {
      _tag: "Frontier",
      pendingToolCalls: history.pending(),
      timers: frontier.timers
    }
    cell.tell([{ _tag: "Started" }, ...again, ...(standing === undefined ? [] : [standing])])
    cell.start(frontier === undefined ? cell.revived : cell.standing(frontier))
    return cell
  }

  /** Before its answer: whether its tool has done anything. */
  called(effect: Extract<Answer, { readonly _tag: "Rejected" }>["effect"]): void {
    this.effect = effect
  }

  // ---------------------------------------------------------------------------
  // What it is told
  // ---------------------------------------------------------------------------

  isBusy(): boolean {
    return this.lane?.isBusy() === true
  }

  isDegraded(): boolean {
    return this.lane?.isDegraded() === true
  }

  resolve(id: ToolCallId, json: string): void {
    this.answer(id, { _tag: "Resolved", json })
  }

  reject(id: ToolCallId, text: string): void {
    this.answer(id, { _tag: "Rejected", text, effect: this.effect })
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
    this.lane?.hold(isHeld)
  }

  private answer(id: ToolCallId, answer: Answer): void {
    if (!this.isOver && this.open.delete(id)) {
      this.shared.journal.writeLater(
        [{ _tag: "Answered", cellId: this.created.cellId, call: id, answer }],
        (failure) => this.exceed(failure.text)
      )
      this.answers.push({ id, answer })
      this.wake()
    }
  }

  resume(): void {
    if (!this.isOver && !this.isResumed) {
      this.isResumed = true
      this.shared.journal.writeLater(
        [{ _tag: "Resumed", cellId: this.created.cellId, generation: Generation.make(this.generation) }],
        (failure) => this.exceed(failure.text)
      )
      this.wake()
    }
  }

  wake(): void {
    this.isWoken = true
    const { asleep, onWoken } = this
    // What comes at the same time is for the same turn.
    if (onWoken !== undefined) {
      this.onWoken = undefined
      queueMicrotask(onWoken)
    } else if (asleep !== undefined) {
      this.asleep = undefined
      this.shared.alarm.delete(this)
      queueMicrotask(() => this.start(this.standing(asleep)))
    }
  }

  private start(step: Effect.Effect<void, StoreFailure>): void {
    if (!this.isOver) {
      const main = this.main = this.shared.fork(this.run(step))
      main.addObserver(() => {
        if (this.main === main) {
          this.main = undefined
        }
      })
    }
  }

  private get woken(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.isWoken) {
        return resume(Effect.void)
      }
      this.onWoken = () => resume(Effect.void)
      return undefined
    })
  }

  /** Its isolate is to be let go. */
  leave(): void {
    this.isLeaving = true
    this.wake()
  }

  stop(): void {
    if (!this.isOver) {
      this.end()
      this.main?.interruptUnsafe()
    }
  }

  private end(): void {
    this.isOver = true
    this.asleep = undefined
    this.shared.alarm.delete(this)
    this.dropLane()
    this.events.end()
  }

  private dropLane(): void {
    this.shared.residence.exit(this)
    this.lane?.stop()
    this.lane = undefined
  }

  private tell(events: ReadonlyArray<IsolateEvent>): void {
    if (!this.isOver) {
      this.events.offer(events)
    }
  }

  private fail(error: CellError): void {
    this.tell([{ _tag: "Finished", stored: [], error }])
    this.stop()
  }

  private exceed(text: string): void {
    this.fail({ _tag: "LimitExceeded", text })
  }

  // ---------------------------------------------------------------------------
  // Turn by turn
  // ---------------------------------------------------------------------------

  /** A session that is lost says so by itself. */
  private run(step: Effect.Effect<void, StoreFailure>): Effect.Effect<void> {
    const failed = Effect.catchCause(step, (cause) =>
      Effect.sync(() => {
        if (!Cause.hasInterruptsOnly(cause) && this.shared.journal.isLost === undefined) {
          const failure = Cause.squash(cause)
          this.exceed(failure instanceof Error ? failure.message : String(failure))
        }
      }))
    // An isolate may have come back while the cell was stopped.
    return Effect.ensuring(failed, Effect.sync(() => this.dropLane()))
  }

  /** The isolate goes on. `heard` is what it has done that is not kept. */
  private live(heard: ReadonlyArray<IsolateEvent>): Effect.Effect<void, StoreFailure> {
    return Effect.suspend(() => {
      const { lane } = this
      return lane === undefined
        ? this.revived
        : Effect.flatMap(
          heard.length > 0 ? Effect.succeed(heard) : takeAll(lane),
          (events) => events === undefined ? this.onLost : this.onEvents(events)
        )
    })
  }

  private onEvents(events: ReadonlyArray<IsolateEvent>): Effect.Effect<void, StoreFailure> {
    return Effect.clockWith((clock) => {
      const records: Array<Record> = []
      const told: Array<IsolateEvent> = []
      let standing: Frontier | undefined
      let isFinished = false
      for (const event of events) {
        switch (event._tag) {
          case "Started":
            if (!this.hasStarted) {
              this.hasStarted = true
              told.push(event)
            }
            break
          case "Frontier": {
            standing = toFrontier(event)
            const isPause = this.created.kind === "pausable" &&
              !(this.isResumed && this.isReady(standing, clock.currentTimeMillisUnsafe()))
            const generation = isPause ? { generation: this.nextGeneration() } : {}
            records.push({ _tag: "Frontier", cellId: this.created.cellId, ...standing, ...generation })
            if (isPause || this.created.kind === "continuing") {
              told.push(event)
            }
            break
          }
          case "Finished":
            isFinished = true
            told.push(event)
            break
          default:
            this.note(event, records)
            told.push(event)
        }
      }
      const kept = records.length === 0 ? Effect.void : this.shared.journal.write(records)
      return Effect.flatMap(kept, () => {
        this.tell(told)
        if (isFinished) {
          return Effect.sync(() => this.end())
        }
        return standing === undefined ? this.live([]) : this.standing(standing)
      })
    })
  }

  /** The records of what the script did. */
  private note(
    event: Exclude<IsolateEvent, { readonly _tag: "Started" | "Frontier" | "Finished" }>,
    records: Array<Record>
  ): void {
    const { cellId } = this.created
    this.losses = 0
    switch (event._tag) {
      case "Output":
        records.push({ _tag: "Output", cellId, items: event.items })
        return
      case "ToolCalls":
        for (const { id, input, tool } of event.calls) {
          this.open.add(id)
          records.push({ _tag: "Called", cellId, call: id, tool, ...(input === undefined ? {} : { input }) })
        }
        return
      case "Notify":
        records.push({ _tag: "Notified", cellId, number: ++this.notified, text: event.text })
        return
      case "YieldRequested":
        records.push({ _tag: "Yielded", cellId })
    }
  }

  private nextGeneration(): Generation {
    this.isResumed = false
    return Generation.make(++this.generation)
  }

  /** Whether there is something that the isolate can go on with. */
  private isReady({ due }: Frontier, now: number): boolean {
    return this.answers.length > 0 || (due !== undefined && due <= now)
  }

  /** The isolate stands still, whether it is there or not. */
  private standing(frontier: Frontier): Effect.Effect<void, StoreFailure> {
    return Effect.flatMap(this.awaitCause(frontier), (cause) => cause === undefined ? Effect.void : this.goOn(cause))
  }

  /**
   * What it goes on with; nothing where it sleeps from now on. A pausable cell that was resumed before there is anything
   * pauses again at once.
   */
  private awaitCause(frontier: Frontier): Effect.Effect<TurnCause | undefined, StoreFailure> {
    return Effect.clockWith((clock) => {
      this.isWoken = false
      const now = clock.currentTimeMillisUnsafe()
      if (this.created.kind === "continuing" || this.isResumed) {
        if (this.answers.length > 0) {
          return Effect.succeed<TurnCause>({ _tag: "Answers", calls: this.answers.map(({ id }) => id) })
        }
        if (frontier.due !== undefined && frontier.due <= now) {
          return Effect.succeed<TurnCause>({ _tag: "Timer" })
        }
        if (this.isResumed) {
          return Effect.andThen(this.pauseAgain(frontier), this.awaitCause(frontier))
        }
      }
      const due = this.created.kind === "continuing" ? frontier.due ?? Infinity : Infinity
      if (this.lane === undefined) {
        this.asleep = frontier
        if (due < Infinity) {
          this.shared.alarm.set(this, due)
        }
        return Effect.succeed(undefined)
      }
      return Effect.andThen(this.rest(due - now), Effect.suspend(() => this.awaitCause(frontier)))
    })
  }

  private pauseAgain({ due, timers }: Frontier): Effect.Effect<void, StoreFailure> {
    return Effect.suspend(() => {
      const record: Record = {
        _tag: "Frontier",
        cellId: this.created.cellId,
        timers,
        ...(due === undefined ? {} : { due }),
        generation: this.nextGeneration()
      }
      return Effect.map(
        this.shared.journal.write([record]),
        () => this.tell([{ _tag: "Frontier", pendingToolCalls: Array.from(this.open), timers }])
      )
    })
  }

  /** Waits until there may be something, for some milliseconds at most. The isolate is let go meanwhile, if that is long. */
  private rest(millis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isLeaving) {
        this.isLeaving = false
        return Effect.sync(() => this.dropLane())
      }
      this.shared.residence.enter(this)
      const idle = Duration.toMillis(this.shared.idleAfter)
      const over = Effect.sync(() => {
        if (idle <= millis) {
          this.dropLane()
        }
      })
      return Effect.ensuring(
        Effect.raceFirst(this.woken, Effect.andThen(Effect.sleep(Math.min(millis, idle)), over)),
        Effect.sync(() => {
          this.onWoken = undefined
          this.shared.residence.exit(this)
        })
      )
    })
  }

  private goOn(cause: TurnCause): Effect.Effect<void, StoreFailure> {
    return Effect.flatMap(
      this.lane === undefined ? this.revive : Effect.succeed(undefined),
      (isBack) =>
        Effect.clockWith((clock) => {
          const { lane } = this
          if (lane === undefined || isBack === false) {
            return Effect.void
          }
          this.at = Math.max(this.at, clock.currentTimeMillisUnsafe())
          this.turn++
          this.shared.journal.writeLater(
            [{ _tag: "Turn", cellId: this.created.cellId, turn: this.turn, at: this.at, cause }],
            (failure) => this.exceed(failure.text)
          )
          const given = cause._tag === "Answers" ? this.answers.splice(0, cause.calls.length) : []
          given.forEach((pending) => give(lane, pending))
          lane.resume({ now: this.at, timer: cause._tag === "Timer" })
          return this.live([])
        })
    )
  }

  // ---------------------------------------------------------------------------
  // Back from the journal
  // ---------------------------------------------------------------------------

  private diverged(text: string): CellError {
    const before = this.created.engine
    return {
      _tag: "Diverged",
      text: `the cell did something else than its journal says, and cannot go on: ${text}${
        before === engine ? "" : `; it was begun with ${before}, and this is ${engine}`
      }`
    }
  }

  private programWith(turns: ReadonlyArray<PastTurn>): Program {
    return {
      ...this.program,
      pausable: true,
      deterministic: { seed: this.created.seed, now: this.created.at, turns }
    }
  }

  private get onLost(): Effect.Effect<void, StoreFailure> {
    return Effect.suspend(() => this.goingOn(this.onceMore))
  }

  /** Brings the isolate back where it had not come to stand, and goes on. */
  private get revived(): Effect.Effect<void, StoreFailure> {
    return Effect.suspend(() => this.goingOn(this.revival))
  }

  private goingOn(revival: Effect.Effect<Replay.Back | undefined, StoreFailure>): Effect.Effect<void, StoreFailure> {
    return Effect.flatMap(revival, (back) =>
      back === undefined
        ? Effect.void
        : back.standing === undefined
        ? this.live(back.leftover)
        : this.standing(back.standing))
  }

  /** Brings the isolate back to where it stands. `false` where it does not come back. */
  private get revive(): Effect.Effect<boolean, StoreFailure> {
    return Effect.suspend(() =>
      Effect.map(this.revival, (back) => {
        if (back !== undefined && back.standing === undefined) {
          this.fail(this.diverged("it goes on where it has stood still"))
          return false
        }
        return back !== undefined
      })
    )
  }

  private get revival(): Effect.Effect<Replay.Back | undefined, StoreFailure> {
    return Effect.suspend(() =>
      Effect.flatMap(
        this.shared.replays.withPermit(this.replay),
        (back) => back === "lost" ? this.onceMore : Effect.succeed(back)
      )
    )
  }

  private get onceMore(): Effect.Effect<Replay.Back | undefined, StoreFailure> {
    return Effect.suspend(() => {
      this.lane = undefined
      if (++this.losses > maxLosses) {
        this.fail(lost)
        return Effect.succeed(undefined)
      }
      return this.revival
    })
  }

  private get replay(): Effect.Effect<Replay.Back | "lost" | undefined, StoreFailure> {
    return Effect.suspend(() => {
      const { journal, lease, load, maxReplayTime, meter } = this.shared
      const failed = (error: CellError) =>
        Effect.sync((): undefined => {
          this.fail(error)
        })
      return Effect.andThen(journal.drain, load(this.created)).pipe(
        Effect.flatMap((records) => {
          const score = Replay.read(records)
          return Effect.matchEffect(Effect.retry(lease.start(this.programWith(score.turns)), startAgain), {
            onFailure: ({ text }) => failed({ _tag: "IsolateLost", text }),
            onSuccess: (lane) => {
              this.lane = lane
              return Effect.catch(
                Replay.run(lane, score),
                ({ text }) => text === undefined ? Effect.succeed("lost" as const) : failed(this.diverged(text))
              )
            }
          })
        }),
        Effect.timeoutOrElse({
          duration: maxReplayTime,
          orElse: () =>
            failed({
              _tag: "LimitExceeded",
              text: `the cell took longer than ${Duration.format(maxReplayTime)} to go on from its journal`
            })
        }),
        Effect.tap((came) =>
          Effect.sync(() => {
            if (this.isHeld) {
              this.lane?.hold(true)
            }
            meter.replayed(came === undefined ? "Failed" : came === "lost" ? "Lost" : "Succeeded")
          })
        )
      )
    })
  }
}

const toFrontier = ({ due, timers }: Extract<IsolateEvent, { readonly _tag: "Frontier" }>): Frontier =>
  due === undefined ? { timers } : { timers, due }

/** The engine, as far as a script can tell one from another. */
export const engine = `node-${process.version} v8-${process.versions.v8} icu-${process.versions["icu"] ?? ""} tz-${
  process.versions["tz"] ?? ""
}`

/** Gives an answer to an isolate. */
const give = (lane: IsolateHandle, { answer, id }: Pending): void =>
  answer._tag === "Resolved" ? lane.resolve(id, answer.json) : lane.reject(id, answer.text)

/** What an isolate has done, at once; nothing where it has ended. */
const takeAll = (lane: IsolateHandle): Effect.Effect<ReadonlyArray<IsolateEvent> | undefined> =>
  Effect.catch(Queue.takeAll(lane.events), () => Effect.succeed(undefined))
