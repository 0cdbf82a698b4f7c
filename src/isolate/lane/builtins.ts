/**
 * The builtins that the prelude uses of its own realm, each as a function that takes its object first. They are for
 * what the prelude itself has made, and for what a script has made as long as `prelude` says so.
 *
 * `builtins` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */
export type Builtins = ReturnType<typeof builtins>

export function builtins() {
  "use strict"
  const { apply, getPrototypeOf } = Reflect
  const { bind, call } = Function.prototype
  const uncurry = <A extends Array<any>, R>(method: (...args: A) => R): (self: unknown, ...args: A) => R =>
    apply(bind, call, [method])

  const getter = (of: object, name: string) => Object.getOwnPropertyDescriptor(of, name)!.get!

  const { isError } = Error as ErrorConstructor & { readonly isError: (value: unknown) => value is Error }
  const { Map, Number: { isInteger } } = globalThis
  const { get, set, delete: remove, forEach } = Map.prototype as Map<any, any>
  return {
    String,
    TypeError,
    apply,
    description: uncurry(getter(Symbol.prototype, "description")) as (self: symbol) => string,
    get: Reflect.get,
    getOwnPropertyDescriptor: Reflect.getOwnPropertyDescriptor,
    getPrototypeOf,
    // Asks for a kind of object, and not for any of its properties.
    isError,
    isInteger,
    iterator: Symbol.iterator,
    makeMap: () => new Map<any, any>(),
    mapDelete: uncurry(remove) as <K>(self: Map<K, any>, key: K) => boolean,
    mapForEach: uncurry(forEach) as <K, V>(self: Map<K, V>, each: (value: V, key: K) => void) => void,
    mapGet: uncurry(get) as <K, V>(self: Map<K, V>, key: K) => V | undefined,
    mapSet: uncurry(set) as <K, V>(self: Map<K, V>, key: K, value: V) => void,
    mapSize: uncurry(getter(Map.prototype, "size")) as (self: Map<any, any>) => number,
    now: Date.now,
    parse: JSON.parse,
    // Of what is ours, or of a script's value.
    stringify: JSON.stringify as (value: any) => any,
    trunc: Math.trunc,
    // Of a pattern without flags that remember: it looks at nothing but the pattern.
    match: uncurry(RegExp.prototype.exec),
    charCodeAt: uncurry(String.prototype.charCodeAt),
    includes: uncurry(String.prototype.includes),
    indexOf: uncurry(String.prototype.indexOf),
    slice: uncurry(String.prototype.slice),
    startsWith: uncurry(String.prototype.startsWith),
    toLowerCase: uncurry(String.prototype.toLowerCase),
    toWellFormed: uncurry(String.prototype.toWellFormed),
    errors: {
      Error: Error.prototype,
      EvalError: EvalError.prototype,
      RangeError: RangeError.prototype,
      ReferenceError: ReferenceError.prototype,
      SyntaxError: SyntaxError.prototype,
      TypeError: TypeError.prototype,
      URIError: URIError.prototype
    }
  }
}
