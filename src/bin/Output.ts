/**
 * Standard output as a place that can be slow, or gone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Render from "./Render.ts"

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

/** Prints what others have written. A terminal does not get to hear what would steer it. */
export const printForeign = (text: string): Effect.Effect<void, OutputClosed> =>
  print(process.stdout.isTTY ? Render.harmless(text) : text)

/** Fails when a write of anybody's finds that the output is closed. */
export const closed: Effect.Effect<never, OutputClosed> = Effect.callback((resume) => {
  const listener = () => resume(Effect.fail(new OutputClosed()))
  process.stdout.once("error", listener)
  return Effect.sync(() => process.stdout.off("error", listener))
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
