/**
 * What runs in the cell's own realm, before the cell: it takes the builtins that the prelude needs, while nobody has
 * replaced them, and makes the few things whose kind a script can tell.
 *
 * `realm` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */

/** How one of the watched promises settled. */
export type Settled = object

/** Promises whose results come out in the order in which they settle. */
export interface Settling {
  readonly add: (index: unknown, promise: unknown) => void
  readonly next: () => Promise<Settled | undefined>
  readonly close: () => void
}

export type Realm = ReturnType<typeof realm>

export function realm(codeGeneration: boolean) {
  "use strict"
  const global: Record<string, unknown> = globalThis as any
  const CellTypeError = TypeError

  for (const name of ["console", "Atomics", "SharedArrayBuffer", "WebAssembly", "FinalizationRegistry"]) {
    delete global[name]
  }

  // Each kind of function leads to a constructor of its own.
  const withoutCodeGeneration = () => {
    const { defineProperty, getPrototypeOf } = Object
    const refuse = function Function() {
      throw new EvalError("Code generation from strings disallowed for this context")
    }
    for (const one of [() => {}, async () => {}, function*() {}, async function*() {}]) {
      const prototype = getPrototypeOf(one)
      defineProperty(prototype, "constructor", { __proto__: null, value: refuse } as PropertyDescriptor)
    }
    refuse.prototype = getPrototypeOf(refuse)
    global["Function"] = refuse
    delete global["eval"]
  }
  if (!codeGeneration) {
    withoutCodeGeneration()
  }

  // V8 counts no resizable buffer for its isolate. A cell may make so many bytes of them in all.
  let resizableBytes = 64 * 1024 * 1024
  const { apply, construct } = Reflect
  const { RangeError: CellRangeError, Math: { trunc } } = globalThis
  const CellArrayBuffer = ArrayBuffer
  const bufferPrototype = CellArrayBuffer.prototype
  const getterOf = (name: string) => Object.getOwnPropertyDescriptor(bufferPrototype, name)!.get!
  const maxByteLengthOf = getterOf("maxByteLength")
  const isResizable = getterOf("resizable")

  const reserve = (bytes: number) => {
    if (bytes > resizableBytes) {
      throw new CellRangeError("Array buffer allocation failed")
    }
    resizableBytes -= bytes
  }

  const makeBuffer = (Buffer: Function, args: Array<any>, newTarget: Function): object => {
    const [length, options] = args
    const max = typeof options === "object" && options !== null ? options.maxByteLength : undefined
    if (max === undefined) {
      return construct(Buffer, [length], newTarget)
    }
    const maxByteLength = trunc(+max) || 0
    reserve(maxByteLength)
    return construct(Buffer, [length, { __proto__: null, maxByteLength }], newTarget)
  }

  global["ArrayBuffer"] = new Proxy(CellArrayBuffer, { __proto__: null, construct: makeBuffer } as any)
  bufferPrototype.constructor = ArrayBuffer
  // A buffer that is transferred stays resizable.
  bufferPrototype.transfer = new Proxy(bufferPrototype.transfer, {
    __proto__: null,
    apply: (transfer: Function, buffer: unknown, args: Array<unknown>) => {
      if (apply(isResizable, buffer, [])) {
        reserve(apply(maxByteLengthOf, buffer, []))
      }
      return apply(transfer, buffer, args)
    }
  } as any)

  return {
    Error,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    functionPrototype: Function.prototype,
    bigintPrototype: BigInt.prototype,
    Promise,
    withResolvers: Promise.withResolvers,
    resolve: Promise.resolve,
    // oxlint-disable-next-line unicorn/no-thenable, typescript/unbound-method
    then: Promise.prototype.then,
    parse: JSON.parse,
    stringify: JSON.stringify,
    object: () => ({}),
    fulfilled: (index: unknown, value: unknown): Settled => ({ index, status: "fulfilled", value }),
    rejected: (index: unknown, reason: unknown): Settled => ({ index, status: "rejected", reason }),

    define: (name: string, value: unknown) => {
      global[name] = value
    },

    /** The helpers that a script can see to be written in JavaScript. */
    helpers: (
      settling: () => Settling,
      isMap: (value: unknown) => value is Map<unknown, unknown>,
      emitBlocks: (value: unknown) => void
    ) => {
      const collect = (promises: Iterable<any>): Settling => {
        const all = settling()
        const keyed = isMap(promises)
        let position = 0
        for (const entry of promises) {
          if (keyed) {
            all.add(entry[0], entry[1])
          } else {
            all.add(position++, entry)
          }
        }
        return all
      }

      async function* results(all: Settling) {
        try {
          for (let result = await all.next(); result !== undefined; result = await all.next()) {
            yield result
          }
        } finally {
          all.close()
        }
      }

      function as_settled(promises: Iterable<any>) {
        return results(collect(promises))
      }

      async function stream_settled(promises: Iterable<any>, callback: (result: Settled) => unknown) {
        if (typeof callback !== "function") {
          throw new CellTypeError("stream_settled requires a callback")
        }
        const all = collect(promises)
        try {
          for (let result = await all.next(); result !== undefined; result = await all.next()) {
            await callback(result)
          }
        } finally {
          all.close()
        }
      }

      function content(value: unknown) {
        emitBlocks(value)
      }

      return { as_settled, stream_settled, content }
    }
  }
}
