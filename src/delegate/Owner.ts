/**
 * What a tool call belongs to, by identity: what is kept for it goes with it. Names of sessions and cells may be given
 * twice.
 *
 * @internal
 */
import * as Context from "effect/Context"
import { Remembered } from "../data/Remembered.ts"
import type { NestedToolCall } from "../Protocol.ts"

export interface Owner {
  readonly session: object
  readonly cell: object
}

/** That of the call of this fiber. A session gives one to each. */
export const Owner = Context.Reference<Owner | undefined>("effect-code-mode/delegate/Owner", {
  defaultValue: () => undefined
})

/** Sessions and cells that are told apart by their names alone, where a call comes from no session of ours. */
const maxNamed = 1024

/** Gives the owner of a call. */
export const resolver = (): (owner: Owner | undefined, call: NestedToolCall) => Owner => {
  const named = new Remembered<string, object>(maxNamed)
  const byName = (...names: ReadonlyArray<string>): object => {
    const name = JSON.stringify(names)
    const known = named.get(name) ?? {}
    named.set(name, known)
    return known
  }
  return (owner, { cellId, sessionId }) => owner ?? { session: byName(sessionId), cell: byName(sessionId, cellId) }
}

/** Something for each session or cell, that is forgotten with it. */
export const perOwner = <A>(make: () => A): (owner: object) => A => {
  const all = new WeakMap<object, A>()
  return (owner) => {
    const known = all.get(owner) ?? make()
    all.set(owner, known)
    return known
  }
}
