/**
 * The callbacks of one cell, tool calls and notifications: fibers whose cancellation is bounded.
 *
 * **Details**
 *
 * A callback is foreign code. Its fiber has no parent and no scope, so nothing of ours ever waits for it but the
 * two operations below, and both are bounded:
 *
 * | | notifications | tool calls |
 * | --- | --- | --- |
 * | `cancel` | interrupted | interrupted, and both share one grace |
 * | `finish` | delivered; each has its own delivery bound | interrupted at once, with the grace running meanwhile |
 *
 * A callback that is still running when its time is over is abandoned: what it does later is dropped, its slot is
 * free again, and it is counted and logged.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import { Gate } from "../data/Gate.ts"
import * as Meter from "../telemetry/Meter.ts"
import * as Visible from "../text/Visible.ts"
import type * as Slots from "./Slots.ts"

export interface Callbacks {
  /** Starts a tool call. `onExit` hears how it ended, or `onDropped` that it never started, or was abandoned. */
  readonly tool: <A, E>(
    name: string,
    effect: Effect.Effect<A, E>,
    onExit: (exit: Exit.Exit<A, E>) => void,
    onDropped: () => void
  ) => void
  /** Starts the delivery of a notification. */
  readonly notification: <A, E>(
    effect: Effect.Effect<A, E>,
    onExit: (exit: Exit.Exit<A, E>) => void
  ) => void
  /** Callbacks that wait for a slot or run. */
  readonly size: () => number
  /** Interrupts everything and waits until all has ended, or `grace` has. Nothing starts afterwards. */
  readonly cancel: (grace: Effect.Effect<void>) => Effect.Effect<void>
  /** Interrupts the tool calls, delivers the notifications, and waits for both. */
  readonly finish: Effect.Effect<void>
}

interface Running {
  readonly name: string
  /** Whether the callback still waits for a slot. */
  waiting: boolean
  withdraw: () => void
  readonly onDropped: () => void
  /** Undefined until the fiber has run to its first suspension, which may come back to us. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  interrupted: boolean
}

/** The callbacks of one kind. */
class Group {
  readonly running = new Set<Running>()
  private readonly isEmpty = new Gate(true)
  private readonly slots: Slots.Slots
  private readonly onEmpty: () => void

  constructor(slots: Slots.Slots, onEmpty: () => void) {
    this.slots = slots
    this.onEmpty = onEmpty
  }

  start<A, E>(
    name: string,
    fork: () => Fiber.Fiber<A, E>,
    onExit: (exit: Exit.Exit<A, E>) => void,
    onDropped: () => void,
    onStart?: (callback: Running) => void
  ): void {
    const callback: Running = {
      name,
      waiting: true,
      withdraw: () => {},
      onDropped,
      fiber: undefined,
      interrupted: false
    }
    this.running.add(callback)
    this.isEmpty.close()
    callback.withdraw = this.slots.take(() => {
      callback.waiting = false
      const fiber = fork()
      callback.fiber = fiber
      if (callback.interrupted) {
        fiber.interruptUnsafe()
      }
      const exit = fiber.pollUnsafe()
      if (exit === undefined) {
        fiber.addObserver((exit) => this.ended(callback, () => onExit(exit)))
        onStart?.(callback)
      } else {
        this.ended(callback, () => onExit(exit))
      }
    })
  }

  private ended(callback: Running, tell: () => void): void {
    // An abandoned callback is in the set no more.
    if (this.running.delete(callback)) {
      this.slots.give()
      tell()
      this.empty()
    }
  }

  private empty(): void {
    if (this.running.size === 0) {
      this.isEmpty.open()
      this.onEmpty()
    }
  }

  /** Interrupts every fiber, and forgets what has not started. */
  interrupt(): void {
    // Those that wait go first: one that ends makes room for the next, which would only be started to be interrupted.
    for (const callback of Array.from(this.running)) {
      if (callback.waiting) {
        callback.withdraw()
        this.running.delete(callback)
        callback.onDropped()
      }
    }
    for (const callback of Array.from(this.running)) {
      callback.interrupted = true
      callback.fiber?.interruptUnsafe()
    }
    this.empty()
  }

  /** Lets go of what still runs; gives its names. */
  abandon(callbacks: Iterable<Running> = Array.from(this.running)): ReadonlyArray<string> {
    const names: Array<string> = []
    for (const callback of callbacks) {
      if (this.running.delete(callback)) {
        this.slots.give()
        names.push(callback.name)
        callback.onDropped()
      }
    }
    this.empty()
    return names
  }

  get awaitEmpty(): Effect.Effect<void> {
    return this.isEmpty.await
  }
}

const report = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  if (names.length > 0) {
    yield* Metric.update(Meter.callbacksAbandoned, names.length)
    const counts: Record<string, number> = {}
    for (const name of names) {
      const shown = Visible.line(name)
      counts[shown] = (counts[shown] ?? 0) + 1
    }
    yield* Effect.logWarning("code mode callbacks ignored their cancellation and were abandoned", counts)
  }
})

const notificationName = "notify"

const awaitEmpty = (groups: ReadonlyArray<Group>) =>
  Effect.forEach(groups, (group) => group.awaitEmpty, { concurrency: "unbounded", discard: true })

/** What the callbacks of a session have in common. */
export interface Bounds {
  readonly toolSlots: Slots.Slots
  readonly notificationSlots: Slots.Slots
  readonly limits: {
    readonly cancellationGrace: Duration.Duration
    readonly notificationDelivery: Duration.Duration
  }
}

/** Whose they are. */
export interface Caller {
  /** That of all of them, asked for with the first. */
  readonly callbackContext: () => Context.Context<never>
  /** Hears each time that none is left. */
  readonly onIdle: () => void
}

const noDrop = () => {}

class CellCallbacks implements Callbacks {
  private readonly bounds: Bounds
  private readonly caller: Caller
  private readonly onEmpty: () => void
  private readonly tools: Group
  /** Most cells have none. */
  private notifications: Group | undefined
  private context: Context.Context<never> | undefined
  private closed = false

  constructor(bounds: Bounds, caller: Caller) {
    this.bounds = bounds
    this.caller = caller
    this.onEmpty = () => this.empty()
    this.tools = new Group(bounds.toolSlots, this.onEmpty)
  }

  tool<A, E>(
    name: string,
    effect: Effect.Effect<A, E>,
    onExit: (exit: Exit.Exit<A, E>) => void,
    onDropped: () => void
  ): void {
    if (!this.closed) {
      this.tools.start(name, () => this.fork(Effect.scoped(effect)), onExit, onDropped)
    }
  }

  notification<A, E>(effect: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void): void {
    if (!this.closed) {
      const notifications = this.notifications ??= new Group(this.bounds.notificationSlots, this.onEmpty)
      notifications.start(
        notificationName,
        () => this.fork(Effect.scoped(effect)),
        onExit,
        noDrop,
        (callback) => this.deliverWithin(notifications, callback)
      )
    }
  }

  size(): number {
    return this.tools.running.size + (this.notifications?.running.size ?? 0)
  }

  cancel(grace: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      return this.end(this.notifications === undefined ? [this.tools] : [this.tools, this.notifications], grace)
    })
  }

  get finish(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      return this.size() === 0 ? Effect.void : Effect.all(
        [
          this.end([this.tools], Effect.sleep(this.bounds.limits.cancellationGrace)),
          this.notifications?.awaitEmpty ?? Effect.void
        ],
        { concurrency: "unbounded", discard: true }
      )
    })
  }

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context ??= this.caller.callbackContext())(effect)
  }

  private empty(): void {
    if (!this.closed && this.size() === 0) {
      this.caller.onIdle()
    }
  }

  /** Interrupts some groups, and abandons what is left of them when the grace is over. */
  private end(groups: ReadonlyArray<Group>, grace: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (groups.every((group) => group.running.size === 0)) {
        return Effect.void
      }
      return Effect.raceFirst(
        // The grace first: an interruption runs the callback's own clean-up on our stack.
        grace,
        Effect.suspend(() => {
          for (const group of groups) {
            group.interrupt()
          }
          return awaitEmpty(groups)
        })
      ).pipe(
        Effect.andThen(Effect.suspend(() => report(groups.flatMap((group) => group.abandon()))))
      )
    })
  }

  private deliverWithin(notifications: Group, callback: Running): void {
    const timer = this.fork(
      Effect.andThen(
        Effect.sleep(this.bounds.limits.notificationDelivery),
        Effect.suspend(() => {
          callback.fiber?.interruptUnsafe()
          return report(notifications.abandon([callback]))
        })
      )
    )
    callback.fiber?.addObserver(() => timer.interruptUnsafe())
  }
}

/** The callbacks of a new cell. */
export const make = (bounds: Bounds, caller: Caller): Callbacks => new CellCallbacks(bounds, caller)
