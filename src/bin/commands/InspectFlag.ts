/**
 * `--inspect PORT`: a page in the browser that shows what the command does.
 *
 * @internal
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Failure from "./Failure.ts"
import * as InspectAddress from "./InspectAddress.ts"

export const make = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription(description),
    Flag.mapEffect((given) => {
      const address = InspectAddress.parse(given)
      return address === undefined
        ? Effect.fail(
          new CliError.UserError({ cause: given, userMessage: `--${name} ${given}: ${InspectAddress.expected}` })
        )
        : Effect.succeed(address)
    }),
    Flag.optional
  )

export const flag = make(
  "inspect",
  "Show sessions, calls and output as they go on, in a page at this port of this machine, 0 for a free one; prints its address"
)

export type Inspect = Option.Option<InspectAddress.InspectAddress>

/** What sessions are to be made with. */
export const layer = (inspect: Inspect, name: string) =>
  Option.match(inspect, {
    onNone: () => Layer.empty,
    onSome: (address) =>
      Layer.unwrap(
        Effect.map(Effect.promise(() => import("./Inspecting.ts")), (Inspecting) => Inspecting.layer(address, name))
      ).pipe(
        Layer.catchTag(["ListenError", "PageMissing"], (error) =>
          Layer.effectDiscard(Effect.fail(Failure.ofStart(error))))
      )
  })
