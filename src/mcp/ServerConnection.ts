/**
 * A way to a server: its messages, and what there is to say about a server that does not answer.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type { Peer } from "./Peer.ts"

export interface ServerConnection {
  readonly peer: Peer
  /** What the server last wrote that was not for us: the end of its standard error, mostly. */
  readonly lastWords: () => string
  /** The handshake is done: which version of the protocol is spoken from here on. */
  readonly established: (version: string) => Effect.Effect<void>
}
