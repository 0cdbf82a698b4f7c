/**
 * A `SessionRuntime` whose cells live in another process, at a host that speaks the wire protocol of code-mode hosts.
 *
 * **Details**
 *
 * The session is used like one of this process: the same service, the same delegate, the same typed errors. A host of
 * this package does all that a session can; one that speaks version 1 of the protocol alone, as Codex's own, runs
 * cells, and refuses what it has no words for: pausable cells, idempotency keys, stored values from outside.
 *
 * When the host is lost, its cells end with an `IsolateLost` error, and the next cell starts a new host. What was
 * stored is lost too, and a cell id of the host before is a `MissingCell` that says so.
 *
 * **Example** (A session in a process of its own)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Remote from "effect-code-mode/Remote"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Remote.layer().pipe(Layer.provide(Delegate.layerNoop))
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Delegate } from "./Delegate.ts"
import * as RemoteRuntime from "./host/RemoteRuntime.ts"
import * as RemoteTransport from "./host/RemoteTransport.ts"
import type { Limits } from "./Protocol.ts"
import { SessionRuntime } from "./Runtime.ts"

/**
 * No host could be reached.
 *
 * @category errors
 * @since 0.1.0
 */
export type HostFailure = RemoteTransport.HostFailure

/**
 * Where the host is: a command that is started and ended with the session, or a Unix domain socket at which one listens.
 *
 * @category models
 * @since 0.1.0
 */
export type Host = RemoteTransport.Command | { readonly socket: string }

/**
 * `host` is a process of this package's own host, unless it says otherwise. A host that speaks version 1 alone takes
 * of `limits` the heap size of a cell, and the bounds of callbacks are kept on this side.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly host?: Host | undefined
  readonly limits?: Limits | undefined
  /** Values that the session's cells find stored. */
  readonly storedValues?: Readonly<Record<string, Schema.Json>> | undefined
  /** The longest payload of a message, either way, as the host has it: 64 MiB without it. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * Makes a session at a host that lives as long as its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<SessionRuntime["Service"], HostFailure, Delegate | Scope.Scope> => {
  const host = options?.host ?? RemoteTransport.ownHost
  return RemoteRuntime.make({
    transport: "socket" in host ? RemoteTransport.connectHost(host.socket) : RemoteTransport.spawnHost(host),
    offer: RemoteRuntime.capabilities,
    limits: options?.limits,
    storedValues: options?.storedValues,
    maxFrameBytes: options?.maxFrameBytes
  })
}

/**
 * A session at a host, over the delegate that it is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SessionRuntime, HostFailure, Delegate> =>
  Layer.effect(SessionRuntime, make(options))
