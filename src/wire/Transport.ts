/**
 * Bytes in both directions, whatever carries them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Socket from "effect/socket/Socket"
import type { Stdio } from "effect/Stdio"
import type * as Stream from "effect/Stream"

/** The other side does not speak the protocol, or there is nobody any more. */
export class ConnectionError extends Schema.TaggedError<ConnectionError>("effect-code-mode/ConnectionError")(
  "ConnectionError",
  { text: Schema.String }
) {
  override get message() {
    return this.text
  }
}

export interface Transport {
  readonly input: Stream.Stream<Uint8Array, unknown>
  readonly output: Sink.Sink<unknown, Uint8Array, unknown, unknown>
}

export const fromSocket = (socket: Socket.Socket): Transport => ({
  input: Socket.toStream(socket),
  output: Sink.unwrap(Effect.map(socket.writer, ({ writeAll }) => Sink.forEachArray(writeAll)))
})

export const fromStdio = (stdio: Stdio): Transport => ({ input: stdio.stdin, output: stdio.stdout() })
