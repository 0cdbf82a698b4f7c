/**
 * The way of a session's records into its store: in order, what comes together in one append, nothing once the session
 * belongs to another owner.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { type CellId, type Epoch, type Fenced, type SessionSuspended, StoreFailure } from "../Protocol.ts"
import type { Record, Store } from "../Store.ts"
import type { Meter } from "../telemetry/Meter.ts"

/** Why a session is not kept any more in this process. */
export type Loss = Fenced | StoreFailure | SessionSuspended

interface Entry {
  readonly records: ReadonlyArray<Record>
  readonly forget: ReadonlyArray<CellId>
  /** They are kept, they are too large, or the session is lost, which is a defect. */
  readonly done: (kept: Effect.Effect<void, StoreFailure>) => void
}

/** How long a record may wait for others that have to be kept at once. */
const patience = "10 millis"

/** Records that go into one append, beside those that come together. */
const maxTogether = 4096

export class Journal {
  readonly session: string
  readonly epoch: Epoch
  private readonly store: Store["Service"]
  private readonly meter: Meter
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly lost = Deferred.makeUnsafe<Loss>()
  private loss: Loss | undefined
  private entries: Array<Entry> = []
  private isWriting = false
  private later: Fiber.Fiber<void> | undefined
  private readonly idle = Latch.makeUnsafe(true)

  constructor(options: {
    readonly session: string
    readonly epoch: Epoch
    readonly store: Store["Service"]
    readonly meter: Meter
    readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  }) {
    this.session = options.session
    this.epoch = options.epoch
    this.store = options.store
    this.meter = options.meter
    this.fork = options.fork
  }

  /** Waits until the session is kept no more, and tells why. */
  readonly awaitLost: Effect.Effect<Loss> = Effect.suspend(() => Deferred.await(this.lost))

  /** Why it is kept no more, if that is so. */
  get isLost(): Loss | undefined {
    return this.loss
  }

  /**
   * Keeps records, and those before them. It fails where they are too large. Once the session is lost it never succeeds, and
   * dies with the reason.
   */
  write(records: ReadonlyArray<Record>): Effect.Effect<void, StoreFailure> {
    return Effect.callback((resume) => {
      if (this.loss !== undefined) {
        return resume(Effect.die(this.loss))
      }
      this.add({ records, forget: [], done: resume })
      this.flush()
    })
  }

  /** Keeps records with the next that are written, or soon. `onTooLarge` hears that they cannot be kept. */
  writeLater(
    records: ReadonlyArray<Record>,
    onTooLarge: (failure: StoreFailure) => void,
    forget: ReadonlyArray<CellId> = []
  ): void {
    if (this.loss === undefined) {
      this.add({
        records,
        forget,
        done: (kept) =>
          kept === Effect.void
            ? undefined
            : void this.fork(
              Effect.ignoreCause(Effect.catch(kept, (failure) => Effect.sync(() => onTooLarge(failure))))
            )
      })
      this.later ??= this.fork(Effect.andThen(Effect.sleep(patience), Effect.sync(() => this.flush())))
    }
  }

  /** Waits until everything that was written so far is kept, or the session is lost. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.flush()
    return this.idle.await
  })

  /** The session is kept no more. */
  lose(loss: Loss): void {
    if (this.loss === undefined) {
      this.loss = loss
      this.later?.interruptUnsafe()
      const waiting = this.entries
      this.entries = []
      Deferred.doneUnsafe(this.lost, Effect.succeed(loss))
      waiting.forEach(({ done }) => done(Effect.die(loss)))
      this.idle.openUnsafe()
    }
  }

  private add(entry: Entry): void {
    this.entries.push(entry)
    this.idle.closeUnsafe()
  }

  private flush(): void {
    this.later?.interruptUnsafe()
    this.later = undefined
    if (!this.isWriting && this.entries.length > 0) {
      this.isWriting = true
      this.fork(this.writeAll)
    }
  }

  private readonly writeAll: Effect.Effect<void> = Effect.suspend(() => {
    const together = this.takeTogether()
    return together.length === 0
      ? Effect.sync(() => {
        this.isWriting = false
        this.idle.openUnsafe()
      })
      : Effect.andThen(this.append(together), this.writeAll)
  })

  private takeTogether(): ReadonlyArray<Entry> {
    let count = 0
    let end = 0
    while (end < this.entries.length && count < maxTogether) {
      count += this.entries[end++]!.records.length
    }
    return this.entries.splice(0, end)
  }

  private append(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    const records = entries.flatMap(({ records }) => records)
    const forget = entries.flatMap(({ forget }) => forget)
    const appended = records.length === 0 && forget.length === 0
      ? Effect.void
      : this.store.append(this.session, this.epoch, records, { forget })
    return Effect.matchCauseEffect(appended, {
      onSuccess: () =>
        Effect.sync(() => {
          this.meter.journalAppended(records.length)
          entries.forEach(({ done }) => done(Effect.void))
        }),
      onFailure: (cause) => {
        const failure = Option.getOrElse(
          Cause.findErrorOption(cause),
          () =>
            new StoreFailure({ reason: "Unavailable", text: "the store failed in a way that it does not tell", cause })
        )
        if (failure._tag === "Fenced" || failure.reason !== "TooLarge") {
          return Effect.sync(() => {
            // It may be lost already: a renewal hears of it, too.
            this.lose(failure)
            entries.forEach(({ done }) => done(Effect.die(this.loss)))
          })
        }
        // It is one of them.
        return entries.length > 1
          ? Effect.forEach(entries, (entry) => this.append([entry]), { discard: true })
          : Effect.sync(() => entries[0]!.done(Effect.fail(failure)))
      }
    })
  }
}
