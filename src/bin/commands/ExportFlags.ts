/**
 * The flags of every command that say where it tells of itself.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as ExportTo from "./ExportTo.ts"
import * as Failure from "./Failure.ts"

const checked = <A, B>(flag: Flag.Flag<A>, name: string, decode: (value: A) => B | ExportTo.Wrong) =>
  Flag.mapEffect(flag, (value) => {
    const decoded = decode(value)
    return decoded instanceof ExportTo.Wrong
      ? Effect.fail(new CliError.UserError({ cause: value, userMessage: `--${name} ${String(value)}: ${decoded.why}` }))
      : Effect.succeed(decoded)
  })

export const otlp = GlobalFlag.Setting("otlp")({
  flag: checked(Flag.String("otlp"), "otlp", ExportTo.toUrl).pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Send spans, metrics and logs to this collector of OpenTelemetry, such as http://localhost:4318"
    ),
    Flag.optional
  )
})

export const metrics = GlobalFlag.Setting("metrics")({
  flag: checked(Flag.String("metrics"), "metrics", ExportTo.toPort).pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription("Serve metrics for Prometheus at this port of 127.0.0.1, 0 for a free one"),
    Flag.optional
  )
})

/** Says what the flags ask for, to whom they say. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const [to, port] = [Option.getOrUndefined(yield* otlp), Option.getOrUndefined(yield* metrics)]
  if (to === undefined && port === undefined) {
    return Layer.empty
  }
  const { layer } = yield* Effect.promise(() => import("./Export.ts"))
  return layer({
    otlp: to,
    metrics: port,
    onListening: (url) =>
      Printer.tell(text`effect-code-mode: metrics at ${foreign("address of metrics", url, "output")}`)
  }).pipe(
    Layer.catchTag(
      "ExportFailure",
      ({ message }) => Layer.effectDiscard(Failure.toStart(foreign("what cannot be exported", message, "quote")))
    )
  )
}))
