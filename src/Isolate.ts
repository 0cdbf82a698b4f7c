/**
 * The engine contract: what a session needs from the engine that runs a cell's JavaScript.
 *
 * **Details**
 *
 * A session leases the engine once, so that an engine can keep sessions apart, and starts its cells on the lease.
 * An engine has no policy: it runs a program, says what the script does, and stops when told. What it says after it was
 * told to stop is ignored.
 *
 * `V8` is the engine that runs JavaScript. `layerTest` is one for tests, without JavaScript.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { CellError, type IsolateFailure, OutputItem, ToolCallId, type ToolDefinition } from "./Protocol.ts"

/**
 * A stored value as JSON text.
 *
 * @category models
 * @since 0.1.0
 */
export type StoredValues = ReadonlyMap<string, string>

/**
 * What an isolate is to run. Sizes are in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Program {
  /** An ES module with top-level await. */
  readonly source: string
  /** The tools on `tools` and in `ALL_TOOLS`; the script's calls name them by their place in this list. */
  readonly tools: ReadonlyArray<ToolDefinition>
  /** The session's stored values as the cell will see them. */
  readonly stored: StoredValues
  /** Whether the isolate stops at every frontier until it is resumed. */
  readonly pausable: boolean
  /** V8 heap in bytes. */
  readonly maxHeapSizeBytes: number
  /** Processor time that the script may use; it may be infinite. */
  readonly maxCpuTime: Duration.Duration
  /** Unanswered tool calls after which the script's next one is refused. */
  readonly maxPendingToolCalls: number
  /** Bytes of UTF-8 that their inputs may have; the first one may be longer by itself. */
  readonly maxPendingInputBytes: number
  /** Unread output, and undelivered notifications, after which the cell is ended: it need not be able to say more. */
  readonly maxOutputBytes: number
  /** Stored values in bytes that the session takes: the cell need not be able to hand in more. */
  readonly maxStoredBytes: number
  /** Whether `content` takes a whole tool result as well as blocks. */
  readonly contentTakesResults: boolean
  /** Whether it is told from which line each tool is called, which takes the cell some microseconds. */
  readonly locatesCalls?: boolean | undefined
  /**
   * Makes the program one that does the same again: it is a function of this, of what it is started with, and of its
   * turns. It is to be pausable. Its random numbers come from `seed`, its clock stands still between two turns, and none
   * of its timers fires by itself.
   */
  readonly deterministic?: Deterministic | undefined
}

/**
 * What makes a program deterministic.
 *
 * **Details**
 *
 * `seed` is 32 hexadecimal digits. `now` is the time of the script's start, in whole milliseconds since 1970. `turns` are
 * those that it has had before: it has them again without being told to, and says at each what it does as if it were.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deterministic {
  readonly seed: string
  readonly now: number
  readonly turns?: ReadonlyArray<PastTurn> | undefined
}

/**
 * A turn of a deterministic program: the time at which it happens, and whether its next timer fires. Otherwise it has the
 * answers that were given since the frontier, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Turn {
  readonly now: number
  readonly timer: boolean
}

/**
 * A turn of a deterministic program with the answers that it had: whether each was a result or an error, and its JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface PastTurn extends Turn {
  readonly answers: ReadonlyArray<readonly [id: ToolCallId, isResult: boolean, json: string]>
}

/**
 * What a script did, in order. The last event of an isolate that ended by itself is `Finished`, and there is one.
 *
 * **Details**
 *
 * - `Started`: the script is about to run.
 * - `Output`, `ToolCalls`, `Notify`, `YieldRequested`: the helpers of the same kind were called. A tool call names its
 *   tool by its place in `Program.tools`; `input` is JSON text, absent where the script passed no argument. An `attempt`
 *   that is not the first, and the `sequence` of a notification, are told where these are made once more.
 * - `Frontier`: the script can do nothing more until the outside answers; `pendingToolCalls` are the calls without an
 *   answer and `timers` the number of timers that have not fired. A pausable isolate now waits for `resume`; a
 *   deterministic one says when its next timer is `due`, by its own clock.
 * - `Finished`: the script ended; `stored` are its writes as JSON text, by key.
 *
 * @category models
 * @since 0.1.0
 */
export const IsolateEvent = Schema.TaggedUnion({
  Started: {},
  Output: { items: Schema.Array(OutputItem) },
  ToolCalls: {
    calls: Schema.Array(Schema.Struct({
      id: ToolCallId,
      tool: Schema.Int,
      input: Schema.optionalKey(Schema.String),
      line: Schema.optionalKey(Schema.Int),
      attempt: Schema.optionalKey(Schema.Int)
    }))
  },
  Notify: { text: Schema.String, sequence: Schema.optionalKey(Schema.Int) },
  YieldRequested: {},
  Frontier: { pendingToolCalls: Schema.Array(ToolCallId), timers: Schema.Int, due: Schema.optionalKey(Schema.Int) },
  Finished: {
    stored: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
    error: Schema.optionalKey(CellError)
  }
})

/**
 * @category models
 * @since 0.1.0
 */
export type IsolateEvent = typeof IsolateEvent.Type

/**
 * The runtime's hold on one running script. Its methods are synchronous and never fail: an isolate that is gone
 * ignores them.
 *
 * @category models
 * @since 0.1.0
 */
export interface IsolateHandle {
  /** What the script does. Ends after `Finished`; an end without one means that the isolate was lost. */
  readonly events: Queue.Dequeue<IsolateEvent, Cause.Done>
  /** Whether the script has been computing for a while, without a pause. */
  readonly isBusy: () => boolean
  /** Whether it shares its lane with other sessions. */
  readonly isDegraded: () => boolean
  /** Settles a tool call with a result, given as JSON text. */
  readonly resolve: (id: ToolCallId, json: string) => void
  /** Settles a tool call with an error text. */
  readonly reject: (id: ToolCallId, text: string) => void
  /** Has the script wait before it puts out more or begins another turn, until it is not held any longer. */
  readonly hold: (isHeld: boolean) => void
  /** Lets a pausable isolate that stands at a frontier go on; a deterministic one is told its turn. */
  readonly resume: (turn?: Turn) => void
  /** Stops the script, whatever it is doing, and ends `events`. Returns at once; the rest is done in the background. */
  readonly stop: () => void
}

/**
 * A session's share of an engine. Closing its scope ends whatever still runs on it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  /** Starts a program. Interrupted, it leaves nothing behind. */
  readonly start: (program: Program) => Effect.Effect<IsolateHandle, IsolateFailure>
  /** The processes that its programs run in now, by their ids, for those who look at what they take. */
  readonly processes?: (() => ReadonlyArray<number>) | undefined
}

/**
 * An engine that runs cells.
 *
 * @category services
 * @since 0.1.0
 */
export class Isolate extends Context.Service<Isolate, {
  readonly lease: Effect.Effect<Lease, IsolateFailure, Scope.Scope>
}>()("effect-code-mode/Isolate") {}

// =============================================================================
// Testing
// =============================================================================

/**
 * What the runtime told a test isolate.
 *
 * @category testing
 * @since 0.1.0
 */
export type TestCommand =
  | { readonly _tag: "Resolve"; readonly id: ToolCallId; readonly json: string }
  | { readonly _tag: "Reject"; readonly id: ToolCallId; readonly text: string }
  | { readonly _tag: "Hold"; readonly isHeld: boolean }
  | { readonly _tag: "Resume"; readonly turn?: Turn }
  | { readonly _tag: "Stop" }

/**
 * An isolate played by a test.
 *
 * **Details**
 *
 * What the session tells it is in `commands`, in order: answers to tool calls, `Hold`, `Resume`, `Stop`. An
 * answer that a delegate gives at once is there when `emit` succeeds.
 *
 * @category testing
 * @since 0.1.0
 */
export interface TestIsolate {
  readonly program: Program
  /**
   * Does what a script would do. The session has seen these events, in this order, when the effect succeeds. `Started`
   * comes first: before it, no yield time counts.
   */
  readonly emit: (...events: ReadonlyArray<IsolateEvent>) => Effect.Effect<void>
  /** Ends the events: the isolate is lost, unless it has finished. */
  readonly end: Effect.Effect<void>
  /** Everything the runtime told it so far. */
  readonly commands: ReadonlyArray<TestCommand>
}

/**
 * The isolates that a session under test has started, in the order of their start.
 *
 * @category testing
 * @since 0.1.0
 */
export class TestIsolates extends Context.Service<TestIsolates, {
  /** The next isolate that was started and not yet taken. It waits for one. */
  readonly next: Effect.Effect<TestIsolate>
}>()("effect-code-mode/Isolate/TestIsolates") {}

/**
 * An engine without JavaScript: the test plays every isolate, so that it can make every order of events happen.
 *
 * **Example** (A cell that puts out a line and ends)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Isolate from "effect-code-mode/Isolate"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Runtime.layer().pipe(Layer.provide(Delegate.layerNoop), Layer.provideMerge(Isolate.layerTest))
 *
 * const test = Effect.gen(function*() {
 *   const session = yield* Runtime.SessionRuntime
 *   const isolates = yield* Isolate.TestIsolates
 *   const cell = yield* session.create({ callId: "call-1", source: "played by the test" })
 *   const isolate = yield* isolates.next
 *   yield* isolate.emit(
 *     { _tag: "Started" },
 *     { _tag: "Output", items: [{ type: "input_text", text: "one line" }] },
 *     { _tag: "Finished", stored: [] }
 *   )
 *   return yield* session.observe(cell)
 * }).pipe(Effect.provide(layer))
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const layerTest: Layer.Layer<Isolate | TestIsolates> = Layer.effectContext(
  Effect.gen(function*() {
    const started = yield* Queue.unbounded<TestIsolate>()

    const start = Effect.fnUntraced(function*(program: Program) {
      const events = yield* Queue.unbounded<IsolateEvent, Cause.Done>()
      const commands: Array<TestCommand> = []
      const tell = (command: TestCommand) => {
        commands.push(command)
      }
      Queue.offerUnsafe(started, {
        program,
        emit: (...emitted) =>
          Effect.sync(() => {
            Queue.offerAllUnsafe(events, emitted)
            Queue.flushUnsafe(events)
          }),
        end: Effect.sync(() => {
          Queue.endUnsafe(events)
          Queue.flushUnsafe(events)
        }),
        commands
      })
      const handle: IsolateHandle = {
        events,
        isBusy: () => false,
        isDegraded: () => false,
        resolve: (id, json) => tell({ _tag: "Resolve", id, json }),
        reject: (id, text) => tell({ _tag: "Reject", id, text }),
        hold: (isHeld) => tell({ _tag: "Hold", isHeld }),
        resume: (turn) => tell(turn === undefined ? { _tag: "Resume" } : { _tag: "Resume", turn }),
        stop: () => {
          tell({ _tag: "Stop" })
          Queue.endUnsafe(events)
        }
      }
      return handle
    })

    return Context.make(Isolate, Isolate.of({ lease: Effect.succeed({ start }) })).pipe(
      Context.add(TestIsolates, TestIsolates.of({ next: Queue.take(started) }))
    )
  })
)
