/**
 * Leaves nothing to find in a realm: no prototype of the kinds of objects that V8 or our own code makes there has a
 * member, a prototype of its own, or can be changed. Whatever such an object's holder does, it leads nowhere.
 *
 * Code that goes on running in the realm has taken the builtins that it needs before, and uses no other.
 *
 * These functions are sent to an isolate as their source text, so they refer to nothing outside themselves.
 *
 * @since 0.1.0
 */
export function kinds(): Array<Function> {
  "use strict"
  return [
    Object,
    Function,
    Array,
    Map,
    RegExp,
    Error,
    AggregateError,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError
  ]
}

/** Takes a realm's `kinds`. */
export function bare(kinds: ReadonlyArray<Function>): void {
  "use strict"
  const { defineProperty, deleteProperty, ownKeys, setPrototypeOf } = Reflect
  const { freeze } = Object
  // By number: what the other loops and methods need goes as well.
  for (let kind = 0; kind < kinds.length; kind++) {
    const prototype: object = kinds[kind]!.prototype
    // Changed so, it is a table until its constructor is deleted. Otherwise V8 copies all that is left at each deletion.
    defineProperty(prototype, "constructor", { enumerable: true })
    const keys = ownKeys(prototype)
    for (let index = 0; index < keys.length; index++) {
      if (keys[index] !== "constructor") {
        deleteProperty(prototype, keys[index]!)
      }
    }
    deleteProperty(prototype, "constructor")
    setPrototypeOf(prototype, null)
    freeze(prototype)
  }
}
