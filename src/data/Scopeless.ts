/**
 * Contexts for what goes on by itself: a scope in one would make it part of that scope's closing.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** The same context, without its scope. */
export const from = <R>(context: Context.Context<R>): Context.Context<Exclude<R, Scope.Scope>> =>
  Context.omit(Scope.Scope)(context as Context.Context<R | Scope.Scope>) as Context.Context<Exclude<R, Scope.Scope>>

/** That of the fiber, which may have a scope. */
export const context = <R = never>(): Effect.Effect<Context.Context<Exclude<R, Scope.Scope>>, never, R> =>
  Effect.map(Effect.context<R>(), from)
