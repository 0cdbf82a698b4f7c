/**
 * A way to a server: where messages go, and what there is to say about a server that does not answer.
 *
 * @internal
 */
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import type * as Effect from "effect/Effect"

export interface Connection {
  readonly transport: Transport
  /** Whether the server can still answer. */
  readonly isOpen: () => boolean
  /** What the server last wrote that was not for us: the end of its standard error, mostly. */
  readonly lastWords: () => string
  /** How the server ended, for a sentence. Waits a moment for an end that is about to come. */
  readonly ending: Effect.Effect<string>
}
