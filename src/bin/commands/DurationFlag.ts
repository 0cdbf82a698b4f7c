/**
 * Durations on the command line: `500ms`, `10s`, `1.5m`, `7d`.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const parse = (text: string): Duration.Duration | undefined => {
  const { count, unit } = /^(?<count>\d+(?:\.\d+)?)(?<unit>ms|s|m|h|d)$/.exec(text)?.groups ?? {}
  return unit === undefined ? undefined : Duration.millis(Number(count) * unitMillis[unit]!)
}

export const make = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("DURATION"),
    Flag.mapEffect((text) => {
      const duration = parse(text)
      const problem = `--${name} '${text}': a duration looks like 500ms, 10s or 1.5m`
      return duration === undefined
        ? Effect.fail(new CliError.UserError({ cause: problem, userMessage: problem }))
        : Effect.succeed(duration)
    })
  )
