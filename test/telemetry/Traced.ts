/** A tracer that keeps its spans. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export const make = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return {
    spans,
    named,
    /** The one of a name. */
    only: (name: string): Tracer.NativeSpan => {
      const [span, ...others] = named(name)
      if (span === undefined || others.length > 0) {
        throw new Error(`there are ${others.length + (span === undefined ? 0 : 1)} spans ${name}`)
      }
      return span
    },
    traced: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.provideService(self, Tracer.Tracer, tracer)
  }
}

export const attributes = ({ attributes }: Tracer.Span) => Object.fromEntries(attributes)

export const parentOf = ({ parent }: Tracer.Span) => Option.getOrUndefined(parent)

/** How a span has ended. */
export const status = ({ status }: Tracer.Span): string => {
  if (status._tag === "Started") {
    return "goes on"
  }
  if (status.exit._tag === "Success") {
    return "ok"
  }
  const [reason] = status.exit.cause.reasons
  return reason?._tag === "Fail" ? (reason.error as { readonly name: string }).name : reason?._tag ?? "empty"
}
