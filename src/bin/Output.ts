/**
 * Standard output as a place that can be slow, or gone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Nobody reads the output any more, as after `| head -1`. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>("effect-code-mode/bin/OutputClosed")(
  "OutputClosed",
  {}
) {}

/** Writes the text, and waits until it is taken. */
export const print = (text: string): Effect.Effect<void, OutputClosed> =>
  Effect.callback((resume) => {
    process.stdout.write(text, (error) => resume(error ? Effect.fail(new OutputClosed()) : Effect.void))
  })

/**
 * A stream that is gone says so to those who write to it, and as an event that would end the process if nobody
 * listened. We hear it from the writes.
 */
export const ignoreClosedStreams: Effect.Effect<void> = Effect.sync(() => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => {})
  }
})
