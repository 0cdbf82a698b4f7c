/**
 * A session at a host, in terms that version 1 and our capability share.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Delegate } from "../Delegate.ts"
import * as Protocol from "../Protocol.ts"
import type { CreateError, LiveCell } from "../Runtime.ts"
import type { Client } from "./Client.ts"
import { HostFailure } from "./RemoteTransport.ts"

export type Kind = "continuing" | "pausable"

export type Settled = "Completed" | "Failed" | "Terminated"

/** A live cell. */
export interface Listed extends Omit<LiveCell, "cell"> {
  readonly cellId: Protocol.CellId
  readonly kind: Kind
}

/** What a session is made of. */
export interface Setup {
  readonly client: Client
  readonly granted: ReadonlySet<string>
  /** The number of the host, counted from 1 over those that this session has had. */
  readonly generation: number
  readonly context: Context.Context<never>
  readonly delegate: Delegate["Service"]
  readonly limits: Protocol.Limits | undefined
  readonly storedValues: Readonly<Record<string, Schema.Json>> | undefined
  /** Hears each step in the life of each cell. */
  readonly publish: (event: Protocol.LifecycleEvent) => void
}

export interface RemoteSession {
  readonly create: (kind: Kind, request: Protocol.CellRequest) => Effect.Effect<
    Protocol.CellId,
    CreateError | HostFailure
  >
  readonly execute: (request: Protocol.CellRequest, yieldAfter: Duration.Duration) => Effect.Effect<{
    readonly cellId: Protocol.CellId
    readonly initial: Effect.Effect<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell | HostFailure>
  }, CreateError | HostFailure>
  readonly observe: (
    cellId: Protocol.CellId,
    yieldAfter: Duration.Duration,
    idempotencyKey: string | undefined
  ) => Effect.Effect<
    Protocol.CellEvent,
    Protocol.BusyObserver | Protocol.MissingCell | Protocol.IdempotencyConflict | HostFailure
  >
  readonly awaitFrontier: (cellId: Protocol.CellId) => Effect.Effect<
    Protocol.Frontier | Protocol.Outcome,
    Protocol.BusyObserver | Protocol.MissingCell | HostFailure
  >
  readonly resume: (cellId: Protocol.CellId, generation: Protocol.Generation) => Effect.Effect<
    "Resumed" | "AlreadyRunning",
    Protocol.InvalidGeneration | Protocol.MissingCell | HostFailure
  >
  readonly terminate: (cellId: Protocol.CellId) => Effect.Effect<
    Protocol.Outcome,
    Protocol.AlreadyTerminating | Protocol.MissingCell | HostFailure
  >
  readonly yieldNow: (cellId: Protocol.CellId) => Effect.Effect<void, Protocol.MissingCell | HostFailure>
  /** Whether there is such a cell of this kind. */
  readonly find: (cellId: Protocol.CellId, kind: Kind) => Effect.Effect<
    void,
    Protocol.MissingCell | Protocol.WrongCellKind | HostFailure
  >
  readonly cells: Effect.Effect<ReadonlyArray<Listed>, HostFailure>
  readonly awaitSettled: (cellId: Protocol.CellId) => Effect.Effect<Settled, Protocol.MissingCell | HostFailure>
  readonly storedValues: Effect.Effect<Readonly<Record<string, Schema.Json>>, HostFailure>
  readonly output: (cellId: Protocol.CellId) => Stream.Stream<
    Protocol.OutputItem,
    Protocol.MissingCell | Protocol.Lagged | HostFailure
  >
  /** Ends the session at the host, and the callbacks here within one grace. */
  readonly shutdown: Effect.Effect<void, HostFailure>
  /** Ends the callbacks here: the host is gone. */
  readonly abandon: Effect.Effect<void>
}

/** A cell that is missing for a reason of its own. */
export class Unreachable extends Protocol.MissingCell.extend<Unreachable>("effect-code-mode/host/Unreachable")({
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}

export const unreachable = (cellId: Protocol.CellId, text: string): Protocol.MissingCell =>
  new Unreachable({ cellId, finished: true, text })

/** The cell belongs to a host that is gone. */
export const stale = (cellId: Protocol.CellId): Protocol.MissingCell =>
  unreachable(cellId, `cell ${cellId} belongs to a stale code-mode host generation`)

/** The host does what the protocol does not allow. */
export const violation = (what: string) => new HostFailure({ text: `the code-mode host broke the protocol: ${what}` })

/** Output items that a reader may be behind. */
export const outputCapacity = 1_000_000

/** How long a host may take to answer, beyond the time that an observation is to last. */
export const patience = Duration.seconds(61)

/** Gives the host up if it does not answer in time. An observation may last for ever. */
export const within = (client: Client, what: string, yieldAfter = Duration.zero) =>
<A, E>(
  answer: Effect.Effect<A, E>
): Effect.Effect<A, E | HostFailure> =>
  Duration.isFinite(yieldAfter)
    ? Effect.timeoutOrElse(answer, {
      duration: Duration.sum(yieldAfter, patience),
      orElse: () => Effect.fail(client.lose(`code-mode host timed out waiting for ${what} response`))
    })
    : answer
