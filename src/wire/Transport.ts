/**
 * Bytes in both directions, whatever carries them.
 *
 * @internal
 */
import * as NodeSink from "@effect/platform-node/NodeSink"
import * as NodeStream from "@effect/platform-node/NodeStream"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import type { Socket, SocketError } from "effect/socket/Socket"
import type { Stdio } from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { Readable, Writable } from "node:stream"
import * as Visible from "../text/Visible.ts"

/** The other side does not speak the protocol, or is gone. */
export class ConnectionError extends Schema.TaggedError<ConnectionError>("effect-code-mode/ConnectionError")(
  "ConnectionError",
  { message: Schema.String }
) {}

export interface Transport {
  readonly input: Stream.Stream<Uint8Array, unknown>
  readonly output: Sink.Sink<unknown, Uint8Array, unknown, unknown>
}

export const fromSocket = (socket: Socket): Transport => ({
  input: Stream.unwrap(Effect.map(socket.reader, ({ pull }) =>
    Stream.fromPull(Effect.succeed(Effect.catchIf(
      pull as Effect.Effect<Arr.NonEmptyReadonlyArray<Uint8Array>, SocketError>,
      ({ reason }) => reason._tag === "SocketCloseError" && reason.code === 1000,
      () => Cause.done()
    ))))),
  output: Sink.unwrap(Effect.map(socket.writer, ({ writeAll }) => Sink.forEachArray(writeAll)))
})

export const fromStdio = (stdio: Stdio): Transport => ({ input: stdio.stdin, output: stdio.stdout() })

export const fromStreams = ({ input, output }: { readonly input: Readable; readonly output: Writable }): Transport => ({
  input: NodeStream.fromReadable({ evaluate: () => input, closeOnDone: false }),
  output: NodeSink.fromWritable({ evaluate: () => output, onError: (error) => error, endOnDone: false })
})

/** What serves one client of many: whatever is wrong with it, the others do not notice. */
export const surviving = <R>(serving: Effect.Effect<void, ConnectionError, R>): Effect.Effect<void, never, R> =>
  serving.pipe(
    Effect.catch((error) => Effect.logWarning(Visible.line(`a client was disconnected: ${error.message}`))),
    Effect.catchDefect((defect) => Effect.logError("This is a bug", defect))
  )
