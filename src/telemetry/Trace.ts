/**
 * Spans where there is a tracer, and the context of a trace as it goes from one process to another.
 *
 * **Details**
 *
 * Without a tracer of the program's own nothing is made here: the spans of Effect's default tracer go nowhere. A context
 * that came from elsewhere is passed on all the same.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** Whether what happens in a context is traced. */
export const isOn = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer && Context.get(context, References.TracerEnabled)

export type Attributes = Readonly<Record<string, string | number | boolean>>

/** A span that is under way. */
export class Work {
  readonly span: Tracer.Span
  private readonly clock: Clock.Clock

  constructor(context: Context.Context<never>, name: string, options: Tracer.SpanOptionsNoTrace) {
    this.clock = Context.get(context, Clock.Clock)
    this.span = Effect.runSyncWith(context)(Effect.makeSpan(name, options))
  }

  /** What is done in it. */
  inside<R>(context: Context.Context<R>): Context.Context<R> {
    return Context.add(context, Tracer.ParentSpan, this.span) as Context.Context<R>
  }

  note(event: string): void {
    this.span.event(event, this.now())
  }

  /** Says how it has ended. The failure of `exit` is exported, so it is to have no values of a program in it. */
  end(exit: Exit.Exit<unknown, unknown>, attributes: Attributes = {}): void {
    Object.entries(attributes).forEach(([name, value]) => this.span.attribute(name, value))
    this.span.end(this.now(), exit)
  }

  private now(): bigint {
    return this.clock.currentTimeNanosUnsafe()
  }
}

/** A failure of which nothing is told but its name, and what failed. */
export class Bare {
  readonly _tag = "Bare"
  readonly name: string
  readonly message: string

  constructor(name: string, message: string) {
    this.name = name
    this.message = message
  }
}

// =============================================================================
// From process to process
// =============================================================================

/** The span under which work elsewhere belongs: one that is traced here, or that came from elsewhere itself. */
const exported = (context: Context.Context<never>): Tracer.AnySpan | undefined => {
  const span = Context.getOrUndefined(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  return span === undefined ? undefined : nearest(span, isOn(context))
}

const nearest = (span: Tracer.AnySpan, traced: boolean): Tracer.AnySpan | undefined =>
  span._tag === "ExternalSpan" || traced && !Context.get(span.annotations, Tracer.DisablePropagation)
    ? span
    : Option.match(span.parent, { onNone: () => undefined, onSome: (parent) => nearest(parent, traced) })

const format = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

const isZero = (id: string) => /^0+$/.test(id)

/** A `traceparent` of W3C for what this context asks of another process, where there is a trace. */
export const toParent = (context: Context.Context<never>): string | undefined => {
  const span = exported(context)
  if (span === undefined) {
    return undefined
  }
  const parent = `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`
  return format.test(parent) ? parent : undefined
}

/** The same as a member of a message. */
export const member = (context: Context.Context<never>): { readonly traceparent?: string } => {
  const traceparent = toParent(context)
  return traceparent === undefined ? {} : { traceparent }
}

/** The span that a `traceparent` names. One that cannot be read is none. */
export const fromParent = (parent: unknown): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = typeof parent === "string" ? format.exec(parent) ?? [] : []
  return traceId === undefined || isZero(traceId) || isZero(spanId!)
    ? undefined
    : Tracer.externalSpan({ traceId, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 })
}

/** Runs an effect below the span that a `traceparent` names, if it names one. */
export const below = <A, E, R>(self: Effect.Effect<A, E, R>, parent: unknown): Effect.Effect<A, E, R> => {
  const span = fromParent(parent)
  return span === undefined ? self : Effect.withParentSpan(self, span) as Effect.Effect<A, E, R>
}
