/**
 * What runs in the cell's own realm, before the cell: it takes the builtins that the prelude needs, while no script has
 * replaced them, and makes what a script holds of the helpers.
 *
 * A function belongs to the realm that made it, and V8 makes what the function is handed there. A proxy in front of a
 * function belongs to none: V8 makes its list of arguments in the realm that happens to call. So from a script's first
 * such proxy on, whatever may call one, be it for a getter, is done by a builtin from here.
 *
 * `realm` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */

/** How one of the watched promises settled. */
type Settled = object

/** A function of the prelude, behind a check that the stack has room for all that it does. */
export type Entry = (...args: Array<any>) => any

export type Realm = ReturnType<typeof realm>

export function realm(codeGeneration: boolean) {
  "use strict"
  const global: Record<string, unknown> = globalThis as any
  const { Error, EvalError, Promise, Proxy, RangeError, ReferenceError, SyntaxError, TypeError, URIError } = globalThis
  const { defineProperty } = Object
  const { apply, construct, get, getOwnPropertyDescriptor, getPrototypeOf } = Reflect
  const { withResolvers, resolve } = Promise
  // oxlint-disable-next-line unicorn/no-thenable, typescript/unbound-method
  const { then } = Promise.prototype
  const mapSize = getOwnPropertyDescriptor(Map.prototype, "size")!.get!

  for (const name of ["console", "Atomics", "SharedArrayBuffer", "WebAssembly", "FinalizationRegistry"]) {
    delete global[name]
  }

  // ---------------------------------------------------------------------------
  // The way to the prelude
  // ---------------------------------------------------------------------------

  // At the end of the stack V8 throws an error of the realm whose function it cannot enter. Before it enters one of the
  // prelude's it calls this, which has no code: it takes more stack than a helper needs, while the realm is the cell's.
  // V8 wants 40 KiB to begin to compile or optimize a function.
  const stackWords = 6144
  // oxlint-disable-next-line unicorn/no-new-array -- the other ways take each cell half a millisecond
  const words = new Array(stackWords).fill(0)
  const checkStack: () => void = apply(Function.prototype.bind, Function.prototype, words)

  const entry = (run: Function): Entry =>
    new Proxy(run, defineProperty({ __proto__: null } as object, "apply", { get: checkStack }) as {}) as any

  // A proxy in front of a function of this realm belongs to this realm wherever V8 asks. Its trap is the prelude's.
  const expose = (handler: { readonly apply?: Entry; readonly construct?: Entry }, target: Function): any =>
    new Proxy(target, { __proto__: null, ...handler } as {})

  const makeTarget = (): Function => {
    const target = () => {}
    return defineProperty(target, "name", { value: "" })
  }

  // ---------------------------------------------------------------------------
  // Code generation and buffers
  // ---------------------------------------------------------------------------

  // Each kind of function leads to a constructor of its own.
  const forbidCodeGeneration = (refuse: Entry) => {
    const refused = expose({ apply: refuse, construct: refuse }, function Function() {})
    for (const one of [() => {}, async () => {}, function*() {}, async function*() {}]) {
      defineProperty(getPrototypeOf(one)!, "constructor", { value: refused })
    }
    refused.prototype = getPrototypeOf(refused)
    global["Function"] = refused
    delete global["eval"]
  }

  const CellArrayBuffer = ArrayBuffer
  const bufferPrototype = CellArrayBuffer.prototype
  const getterOf = (name: string) => getOwnPropertyDescriptor(bufferPrototype, name)!.get!
  const maxByteLength = getterOf("maxByteLength")
  const isResizable = getterOf("resizable")

  const guardBuffers = (makeBuffer: Entry, transfer: Entry) => {
    global["ArrayBuffer"] = expose({ construct: makeBuffer }, CellArrayBuffer)
    bufferPrototype.constructor = ArrayBuffer
    // A buffer that is transferred stays resizable.
    bufferPrototype.transfer = expose({ apply: transfer }, bufferPrototype.transfer)
  }

  const watchProxies = (makeProxy: Entry, makeRevocable: Entry) => {
    const watched = expose({ construct: makeProxy }, Proxy)
    watched.revocable = expose({ apply: makeRevocable }, Proxy.revocable)
    global["Proxy"] = watched
  }

  // ---------------------------------------------------------------------------
  // A cell that does the same again
  // ---------------------------------------------------------------------------

  // Called before the script runs. Its functions are proxies, so that they look as the builtins do; none of their traps
  // looks at a list of arguments.
  const makeRepeatable = (seed: string): (time: number) => void => {
    let time = 0
    const replace = (of: object, name: string, target: Function, run: (self: any, args: Array<any>) => unknown) =>
      defineProperty(of, name, {
        value: new Proxy(
          target,
          { __proto__: null, apply: (_: Function, self: unknown, args: Array<any>) => run(self, args) } as {}
        )
      })

    // xoshiro128**, of which 53 bits make a number.
    const { imul } = Math
    const part = (at: number) => parseInt(seed.slice(at, at + 8), 16) | 0
    let a = part(0)
    let b = part(8)
    let c = part(16)
    let d = part(24) || 1
    const bits = () => {
      const product = imul(b, 5)
      const result = imul((product << 7) | (product >>> 25), 9) >>> 0
      const shifted = b << 9
      c ^= a
      d ^= b
      b ^= c
      a ^= d
      c ^= shifted
      d = (d << 11) | (d >>> 21)
      return result
    }
    replace(Math, "random", Math.random, () => ((bits() >>> 5) * 67_108_864 + (bits() >>> 6)) / 9_007_199_254_740_992)

    const CellDate = Date
    const { toString } = CellDate.prototype
    replace(CellDate, "now", CellDate.now, () => time)
    global["Date"] = CellDate.prototype.constructor = new Proxy(
      CellDate,
      {
        __proto__: null,
        apply: () => apply(toString, construct(CellDate, [time]), []),
        construct: (_: Function, args: Array<unknown>, newTarget: Function) =>
          construct(CellDate, args.length === 0 ? [time] : args, newTarget)
      } as {}
    ) as any

    // Without an argument, what formats dates takes the time.
    const formats = Intl.DateTimeFormat.prototype
    const { formatToParts } = formats
    const parts = (self: unknown, date: unknown) => apply(formatToParts, self, [date === undefined ? time : date])
    replace(formats, "formatToParts", formatToParts, (self, args) => parts(self, args.length > 0 ? args[0] : undefined))
    const makeFormat = getOwnPropertyDescriptor(formats, "format")!.get!
    const known = new WeakMap<Function, Function>()
    const knownGet = (format: Function): Function | undefined => apply(weakGet, known, [format])
    const { get: weakGet, set: weakSet } = WeakMap.prototype
    const getFormat = new Proxy(
      makeFormat,
      {
        __proto__: null,
        apply: (_: Function, self: unknown) => {
          const format = apply(makeFormat, self, []) as Function
          const before = knownGet(format)
          if (before !== undefined) {
            return before
          }
          const made = new Proxy(
            format,
            {
              __proto__: null,
              apply: (_: Function, self: unknown, args: Array<unknown>) =>
                apply(format as any, self, [args.length > 0 && args[0] !== undefined ? args[0] : time])
            } as {}
          )
          apply(weakSet, known, [format, made])
          return made
        }
      } as {}
    )
    defineProperty(formats, "format", { get: getFormat as any })

    const { Temporal } = global as any
    if (Temporal !== undefined) {
      const { Instant, Now } = Temporal
      const { fromEpochMilliseconds } = Instant
      const { toZonedDateTimeISO } = Instant.prototype
      const { toPlainDate, toPlainDateTime, toPlainTime } = Temporal.ZonedDateTime.prototype
      const { timeZoneId } = Now
      const instant = () => apply(fromEpochMilliseconds, Instant, [time])
      const zoned = (args: Array<unknown>) =>
        apply(toZonedDateTimeISO, instant(), [args.length > 0 && args[0] !== undefined ? args[0] : timeZoneId()])
      replace(Now, "instant", Now.instant, instant)
      replace(Now, "zonedDateTimeISO", Now.zonedDateTimeISO, (_, args) => zoned(args))
      replace(Now, "plainDateISO", Now.plainDateISO, (_, args) => apply(toPlainDate, zoned(args), []))
      replace(Now, "plainDateTimeISO", Now.plainDateTimeISO, (_, args) => apply(toPlainDateTime, zoned(args), []))
      replace(Now, "plainTimeISO", Now.plainTimeISO, (_, args) => apply(toPlainTime, zoned(args), []))
    }

    // It shows when memory is freed.
    delete global["WeakRef"]
    return (next) => {
      time = next
    }
  }

  // ---------------------------------------------------------------------------
  // The helpers that a script can see to be written in JavaScript
  // ---------------------------------------------------------------------------

  const isMap = (value: unknown): value is Map<unknown, unknown> => {
    try {
      apply(mapSize, value, [])
      return true
    } catch {
      return false
    }
  }

  interface Ready {
    readonly result: Settled
    next?: Ready
  }

  /** Promises whose results come out in the order in which they settle. */
  const collect = (promises: Iterable<any>) => {
    let first: Ready | undefined
    let last: Ready | undefined
    let open = 0
    let waiting: ((result: Settled | undefined) => void) | undefined

    const arrived = (result: Settled) => {
      open--
      if (waiting !== undefined) {
        waiting(result)
        waiting = undefined
        return
      }
      const ready: Ready = { __proto__: null, result, next: undefined } as any
      if (last === undefined) {
        first = ready
      } else {
        last.next = ready
      }
      last = ready
    }

    const add = (index: unknown, promise: unknown) => {
      open++
      apply(then, apply(resolve, Promise, [promise]), [
        (value: unknown) => arrived({ index, status: "fulfilled", value }),
        (reason: unknown) => arrived({ index, status: "rejected", reason })
      ])
    }

    const next = (): Promise<Settled | undefined> => {
      const { promise, resolve } = apply(withResolvers, Promise, []) as PromiseWithResolvers<Settled | undefined>
      if (first === undefined && open > 0) {
        waiting = resolve
      } else {
        resolve(first?.result)
        first = first?.next
        last = first === undefined ? undefined : last
      }
      return promise
    }

    const close = () => {
      first = undefined
      last = undefined
      open = 0
    }

    const keyed = isMap(promises)
    let position = 0
    for (const entry of promises) {
      if (keyed) {
        add(entry[0], entry[1])
      } else {
        add(position++, entry)
      }
    }
    return { __proto__: null, close, next } as { readonly close: typeof close; readonly next: typeof next }
  }

  async function* results({ close, next }: ReturnType<typeof collect>) {
    try {
      for (let result = await next(); result !== undefined; result = await next()) {
        yield result
      }
    } finally {
      close()
    }
  }

  function as_settled(promises: Iterable<any>) {
    return results(collect(promises))
  }

  async function stream_settled(promises: Iterable<any>, callback: (result: Settled) => unknown) {
    if (typeof callback !== "function") {
      throw new TypeError("stream_settled requires a callback")
    }
    const { close, next } = collect(promises)
    try {
      for (let result = await next(); result !== undefined; result = await next()) {
        await callback(result)
      }
    } finally {
      close()
    }
  }

  const makeContent = (emitBlocks: (value: unknown) => void) =>
    function content(value: unknown) {
      emitBlocks(value)
    }

  return {
    codeGeneration,
    // What may run code of a script. V8's optimizer takes some builtins for its caller's own, and with them the realm in
    // which they work: `String`, for one. These it leaves alone, and a `Symbol` makes a text of anything, too.
    Symbol,
    apply,
    construct,
    get,
    isArray: Array.isArray,
    parse: JSON.parse,
    stringify: JSON.stringify,
    trunc: Math.trunc,
    bigintPrototype: BigInt.prototype,
    // The ways in.
    entry,
    expose,
    forbidCodeGeneration,
    guardBuffers,
    isResizable,
    makeRepeatable,
    makeTarget,
    maxByteLength,
    watchProxies,
    // What a script gets.
    errors: { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError },
    helpers: { as_settled, stream_settled },
    makeContent,
    object: () => ({}),
    withResolvers: () => apply(withResolvers, Promise, []) as PromiseWithResolvers<any>,

    define: (name: string, value: unknown) => {
      global[name] = value
    }
  }
}
