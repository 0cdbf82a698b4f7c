import { assert, describe, it } from "@effect/vitest"
import * as Link from "effect-code-mode/remote/Link"
import * as Frame from "effect-code-mode/wire/Frame"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

class Questions extends RpcGroup.make(Rpc.make("Ask", { success: Schema.Number })) {}

describe("a connection", () => {
  it.live("hears an answer before anything else of it has run", () =>
    Effect.gen(function*() {
      let hear!: (bytes: Uint8Array) => void
      const link = yield* Link.make({
        input: Stream.fromPull(Effect.succeed(
          Effect.callback<readonly [Uint8Array]>((resume) => {
            hear = (bytes) => resume(Effect.succeed([bytes]))
          })
        )),
        // It is answered while it is being written.
        output: Sink.forEach((bytes: Uint8Array) =>
          Effect.sync(() => {
            const { id } = JSON.parse(Buffer.from(bytes.subarray(4)).toString())
            const answer = { _tag: "Exit", requestId: id, exit: { _tag: "Success", value: 42 } }
            hear(Frame.encode(JSON.stringify(answer)) as Uint8Array)
          })
        )
      }, {
        peer: "other side",
        maxFrameBytes: 1000,
        tooLong: (text) => text,
        hearsReadersOnly: false,
        gone: Effect.never,
        whyEnded: Effect.void,
        onEnd: () => {}
      })
      const client = yield* Link.makeClient(link, Questions)
      assert.strictEqual(yield* client.Ask(), 42)
    }).pipe(Effect.timeout("50 seconds")))
})
