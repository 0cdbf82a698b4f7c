/**
 * The helpers of a cell, in a context of their own beside the cell's, in the same isolate.
 *
 * V8 hides the frames of another context from stacks and call sites, so a script sees its own code only. Nothing that
 * is made here reaches a script: there is one way in for each kind of call, which `sealed` makes; what it gives or
 * throws is a primitive or was made by `realm`. If something of this realm got out all the same, it would lead nowhere:
 * `bare` has emptied every prototype here.
 *
 * So there are no methods here, no iteration and no destructuring of arrays, but `builtins`.
 *
 * `prelude` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */
import type { bare, kinds } from "./bare.ts"
import type { builtins } from "./builtins.ts"
import type { media } from "./media.ts"
import type { Entry, Realm } from "./realm.ts"

/** The other functions of this folder that go to the isolate with `prelude`. */
export interface Parts {
  readonly bare: typeof bare
  readonly builtins: typeof builtins
  readonly kinds: typeof kinds
  readonly media: typeof media
}

/** What the lane gives to the prelude. Lines are joined by line feeds. */
export interface Lane {
  /** Takes lines at once; gives `true` while the way to the host is blocked. */
  readonly flush: (lines: string) => boolean
  /** Takes lines without waiting. */
  readonly hint: (lines: string) => void
  /** Takes the last lines and the end of the cell. */
  readonly exit: (lines: string, end: string) => void
  /** Waits until the way to the host is free. */
  readonly drained: { readonly applySyncPromise: (receiver: undefined, args: []) => void }
}

/**
 * What a cell did since the last time it was asked: its end as JSON, or nothing, and then the lines. The first
 * character of a line is its kind, the rest is JSON.
 *
 * `o` output item, `c` tool call, `n` notification, `y` yield, `t` timer set, `x` timer cleared.
 */
export type Out = Array<string>

/** How a cell differs from others, besides its tools and the values that it finds stored. */
export interface Start {
  readonly contentTakesResults: boolean
  readonly locatesCalls: boolean
  /** The places of the tools that take several arguments. */
  readonly variadic: ReadonlyArray<number>
  readonly maxPendingToolCalls: number
  readonly maxPendingInputBytes: number
  readonly deterministic?: { readonly seed: string; readonly now: number } | undefined
}

/** What the lane does to a cell. */
export interface Controls {
  /** Lets the program go on from its first `await`. `start` is the JSON of a `Start`. */
  readonly start: (tools: string, stored: string, start: string) => Out
  /** Takes settled tool calls: `[[id, true, result], [id, false, text], …]`. */
  readonly settle: (answers: string, now?: number) => Out
  readonly fire: (timer: number, now?: number) => Out
  /** Ends the cell with an error. */
  readonly fail: (text: string) => Out
  readonly drain: () => Out
  /** Collects garbage, and gives back the memory that it took. */
  readonly compact: () => void
}

/** What the module of the cell's program imports. It is a global of the cell until then. */
export interface Program {
  /** What it waits for. */
  readonly begin: Promise<void>
  readonly end: () => void
  readonly fail: (error: unknown) => void
  readonly dynamicImport: () => Promise<unknown>
}

interface PendingCall {
  readonly bytes: number
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

export function prelude(cell: Realm, lane: Lane, parts: Parts): Controls {
  "use strict"
  const flushAfterCharacters = 16_384
  const flushAfterMillis = 20
  const promptLines = 32
  const maxErrorCharacters = 64 * 1024

  const own = parts.builtins()
  const { includes, indexOf, isError, mapDelete, mapForEach, mapGet, mapSet, match, now, slice } = own
  const { apply: callScript, construct } = cell
  const { drained, exit: leave, flush, hint } = lane
  const { applySyncPromise } = drained
  // This context is made with it.
  const { gc: collect } = globalThis as unknown as { readonly gc: (options: object) => void }

  // ---------------------------------------------------------------------------
  // What goes out
  // ---------------------------------------------------------------------------

  let out: Out = [""]
  let characters = 0
  let flushedAt = 0
  let prompt = 0

  const take = () => {
    let lines = out.length > 1 ? out[1]! : ""
    for (let index = 2; index < out.length; index++) {
      lines += `\n${out[index]}`
    }
    out.length = 1
    characters = 0
    return lines
  }

  // A script may go on computing for long after what it did, which is not to wait for that: the first lines leave one
  // by one. A script that does much goes in larger pieces, and waits for the lane to take them.
  const emit = (line: string) => {
    out[out.length] = line
    characters += line.length
    const late = now() - flushedAt > flushAfterMillis
    if (late || characters > flushAfterCharacters) {
      flushedAt = now()
      prompt = late ? 0 : prompt
      if (flush(take())) {
        own.apply(applySyncPromise, drained, [undefined, []])
      }
    } else if (prompt < promptLines) {
      prompt++
      hint(take())
    }
  }

  // A turn is what the lane starts; microtasks go on filling `out` until the lane has copied it.
  const turn = (run: () => void): Out => {
    out = [""]
    characters = 0
    flushedAt = now()
    prompt = 0
    run()
    return out
  }

  const isObject = (value: unknown): value is object =>
    typeof value === "function" || (typeof value === "object" && value !== null)

  // ---------------------------------------------------------------------------
  // What may run a script's code
  // ---------------------------------------------------------------------------

  // Whether the script has a proxy that can be called. A builtin of the cell's realm shows in stacks, ours does not.
  let hasProxies = false
  // How many of ours are running.
  let running = 0

  const withOwn = <A>(run: (value: any, key?: any) => A, value: unknown, key?: unknown): A => {
    running++
    try {
      return run(value, key)
    } finally {
      running--
    }
  }

  const { stringify: cellStringify } = cell
  const stringifyOwn = (value: unknown) => own.stringify(value)
  const get = (of: object, key: string | symbol) => hasProxies ? cell.get(of, key) : withOwn(own.get, of, key)
  const trunc = (value: unknown) => hasProxies ? cell.trunc(value as number) : withOwn(own.trunc, value)
  const toText = (value: unknown) =>
    isObject(value) && hasProxies ? own.description(cell.Symbol(value as any)) : withOwn(own.String, value)
  const toJson = (value: unknown): string | undefined => {
    if (hasProxies) {
      return cellStringify(value)
    }
    try {
      return withOwn(stringifyOwn, value)
    } catch (error) {
      // V8 keeps the global object of one context from the code of another.
      if (isError(error) && own.getPrototypeOf(error) === own.errors.TypeError && messageOf(error) === "no access") {
        return cellStringify(value)
      }
      throw error
    }
  }

  // ---------------------------------------------------------------------------
  // Errors and JSON
  // ---------------------------------------------------------------------------

  const messageOf = (error: Error): string => {
    const message = own.getOwnPropertyDescriptor(error as object, "message") as PropertyDescriptor | undefined
    return message === undefined ? "" : message.value
  }

  // An error of this realm becomes one of the cell's, made by its constructor, with the frames of its script.
  const errorKinds = ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"] as const
  const translate = (error: unknown): unknown => {
    if (!isError(error)) {
      return error
    }
    const prototype = own.getPrototypeOf(error)
    let kind: keyof Realm["errors"] | undefined = prototype === own.errors.Error ? "Error" : undefined
    for (let index = 0; index < errorKinds.length; index++) {
      kind = prototype === own.errors[errorKinds[index]!] ? errorKinds[index]! : kind
    }
    return kind === undefined ? error : new cell.errors[kind](messageOf(error))
  }

  // V8 shows our frames in what it throws where it calls a class of the script, and the builtins that we call for it; and
  // it takes a position that it does not know for the start of the line, where our own words stand.
  const isOurs = (line: string) =>
    own.startsWith(line, "    at ") && (
      includes(line, "<isolated-vm>") || line === "    at stringify (<anonymous>)" ||
      line === "    at get (<anonymous>)"
      || line === "    at trunc (<anonymous>)"
    )

  const lostPlace = /^([^]*exec_main\.mjs:1:)-\d+([^]*)$/

  const asSeen = (stack: string) => {
    let seen = ""
    let start = 0
    while (start <= stack.length) {
      const found = indexOf(stack, "\n", start)
      const end = found < 0 ? stack.length : found
      const line = slice(stack, start, end)
      if (start === 0 || !isOurs(line)) {
        const place = includes(line, "exec_main.mjs:1:-") ? match(lostPlace, line) : null
        seen += (start === 0 ? "" : "\n") + (place === null ? line : `${place[1]}1${place[2]}`)
      }
      start = end + 1
    }
    return seen
  }

  const cut = (text: string) =>
    own.toWellFormed(
      text.length > maxErrorCharacters
        ? `${slice(text, 0, maxErrorCharacters)}\n[${text.length - maxErrorCharacters} more characters]`
        : text
    )

  const describe = (error: unknown): string => {
    try {
      if (typeof error === "symbol") {
        return ""
      }
      if (isObject(error)) {
        const stack = get(error, "stack")
        if (typeof stack === "string") {
          return asSeen(cut(stack))
        }
      }
    } catch {
      // A `stack` that throws tells nothing, its owner's text may.
    }
    try {
      return cut(toText(error))
    } catch {
      return "unknown code mode exception"
    }
  }

  // Runs what may run a script's code; whatever it throws comes out as text.
  const guarded = <A>(run: () => A): A => {
    try {
      return run()
    } catch (error) {
      throw describe(translate(error))
    }
  }

  const stringify = (value: unknown): string | undefined => {
    try {
      return toJson(value)
    } catch (error) {
      throw describe(translate(error))
    }
  }

  // Hosts that read values with a bounded parser lose their connection over one that is nested deeper.
  const maxNesting = 127

  /** Whether a text has more of such brackets than there may be levels. */
  const hasManyBrackets = (json: string) => {
    let count = 0
    for (let at = indexOf(json, "["); at >= 0 && count <= maxNesting; at = indexOf(json, "[", at + 1)) {
      count++
    }
    for (let at = indexOf(json, "{"); at >= 0 && count <= maxNesting; at = indexOf(json, "{", at + 1)) {
      count++
    }
    return count > maxNesting
  }

  /** From behind the first quotation mark of a text in JSON to the last one. */
  const endOfText = (json: string, start: number) => {
    let end = indexOf(json, "\"", start)
    for (let at = end - 1; json[at] === "\\"; at = end - 1) {
      while (json[at] === "\\") {
        at--
      }
      if ((end - at) % 2 === 1) {
        break
      }
      end = indexOf(json, "\"", end + 1)
    }
    return end
  }

  // A long text is looked through by builtins, as far as that goes: nothing is optimized in a cell that is new.
  const isTooDeep = (json: string) => {
    let depth = 0
    for (let index = hasManyBrackets(json) ? 0 : json.length; index < json.length; index++) {
      const character = json[index]
      if (character === "\"") {
        index = endOfText(json, index + 1)
      } else if (character === "[" || character === "{") {
        if (++depth > maxNesting) {
          return true
        }
      } else if (character === "]" || character === "}") {
        depth--
      }
    }
    return false
  }

  const checkDepth = (json: string): string => {
    if (isTooDeep(json)) {
      throw `failed to serialize JavaScript value: recursion limit exceeded, at more than ${maxNesting} levels`
    }
    return json
  }

  /** A value that leaves the cell to be read by others; nothing where it has no JSON. */
  const serialize = (value: unknown): string | undefined => {
    const json = stringify(value)
    return json === undefined ? undefined : checkDepth(json)
  }

  const textOf = (value: unknown): string =>
    isObject(value) || typeof value === "symbol" ? stringify(value) ?? "undefined" : own.toWellFormed(`${value}`)

  // ---------------------------------------------------------------------------
  // The ways in
  // ---------------------------------------------------------------------------

  // Each function that is handed to the cell's realm. It does not throw what is made here.
  const sealed = (run: (a: any, b: any, c: any) => unknown): Entry =>
    cell.entry((a: unknown, b: unknown, c: unknown) => {
      try {
        return run(a, b, c)
      } catch (error) {
        throw translate(error)
      }
    })

  const helpers = own.makeMap() as Map<Function, (a?: any, b?: any, all?: any) => unknown>

  const call = sealed((target: Function, _: unknown, args: Array<unknown>) =>
    mapGet(helpers, target)!(args.length > 0 ? args[0] : undefined, args.length > 1 ? args[1] : undefined, args)
  )

  const expose = <F extends (a: any, b: any, all: any) => unknown>(run: F): F => {
    const target = cell.makeTarget()
    mapSet(helpers, target, run)
    return cell.expose({ apply: call }, target)
  }

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  const writes: Map<string, string> = own.makeMap()
  let ended = false
  let failure: string | undefined

  const placeOf = /exec_main\.mjs:(\d{1,9}):(\d{1,9})(?!\d)/

  const writeEnd = () => {
    const place = failure === undefined ? null : match(placeOf, failure)
    const entries: Array<[string, string]> = []
    mapForEach(writes, (json, key) => {
      entries[entries.length] = [key, json]
    })
    out[0] = own.stringify({
      stored: entries,
      error: failure === undefined ? undefined : {
        _tag: "ScriptError",
        text: failure,
        location: place === null ? undefined : { line: +place[1]!, column: +place[2]! }
      }
    })
  }

  const end = (text?: string) => {
    if (!ended) {
      ended = true
      failure = text
      writeEnd()
    }
  }

  const exit = (): never => {
    const lines = take()
    failure = undefined
    writeEnd()
    leave(lines, out[0]!)
    // The lane is disposing of the isolate: nothing of the script runs any more.
    for (;;);
  }

  // ---------------------------------------------------------------------------
  // Output
  // ---------------------------------------------------------------------------

  const put = (item: object) => emit(`o${own.stringify(item)}`)

  let contentTakesResults = false

  const { audio, emitBlocks, emitText, generatedImage, image } = parts.media({
    builtins: own,
    cell,
    get,
    guarded,
    isObject,
    put,
    stringify
  })

  const isWhite = /^\p{White_Space}*$/u

  const notify = (value: unknown) => {
    const text = textOf(value)
    if (match(isWhite, text) !== null) {
      throw "notify expects non-empty text"
    }
    emit(`n${own.stringify(text)}`)
  }

  // ---------------------------------------------------------------------------
  // Stored values
  // ---------------------------------------------------------------------------

  const stored: Map<string, string> = own.makeMap()

  const keyOf = (helper: string, key: unknown) => {
    try {
      if (typeof key !== "symbol") {
        return own.toWellFormed(toText(key))
      }
    } catch {
      // As below.
    }
    throw `${helper} key must be a string`
  }

  const store = (key: unknown, value: unknown) => {
    const name = keyOf("store", key)
    const json = serialize(value)
    if (json === undefined) {
      throw `Unable to store ${own.stringify(name)}. Only plain serializable objects can be stored.`
    }
    mapSet(stored, name, json)
    mapSet(writes, name, json)
    if (ended) {
      writeEnd()
    }
  }

  const load = (key: unknown) => {
    const json = mapGet(stored, keyOf("load", key))
    return json === undefined ? undefined : cell.parse(json)
  }

  // ---------------------------------------------------------------------------
  // Timers
  // ---------------------------------------------------------------------------

  const timers: Map<number, Function> = own.makeMap()
  let lastTimer = 0

  const setTimeout = (callback: unknown, delay: unknown) => {
    if (typeof callback !== "function") {
      throw "setTimeout expects a function callback"
    }
    const millis = trunc(delay)
    const timer = ++lastTimer
    mapSet(timers, timer, callback)
    emit(`t[${timer},${millis > 0 && millis < Infinity ? millis : 0}]`)
    return timer
  }

  const clearTimeout = (timer: unknown) => {
    let id: number
    try {
      id = trunc(timer)
    } catch {
      throw "clearTimeout expects a numeric timeout id"
    }
    if (mapDelete(timers, id)) {
      emit(`x${id}`)
    }
  }

  // ---------------------------------------------------------------------------
  // Tools
  // ---------------------------------------------------------------------------

  const pending: Map<string, PendingCall> = own.makeMap()
  let lastCall = 0
  let maxPending = 0
  // The host holds the inputs of the calls that it has not answered, and counts them as this does.
  let maxPendingBytes = 0
  let pendingBytes = 0

  // oxlint-disable-next-line no-control-regex -- they are one byte each, too
  const beyondAscii = /[^\x00-\x7f]/

  const bytesOf = (text: string) => {
    if (match(beyondAscii, text) === null) {
      return text.length
    }
    let bytes = 0
    for (let index = 0; index < text.length; index++) {
      const code = own.charCodeAt(text, index)
      // Of a pair of surrogates each stands for two bytes.
      bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3
    }
    return bytes
  }

  const inputOf = (name: string, argument: unknown): string | undefined => {
    const input = argument === undefined ? undefined : serialize(argument)
    if (argument !== undefined && input === undefined) {
      throw `tools.${name} expects a JSON value, got a ${typeof argument}`
    }
    return input
  }

  /** One argument after the other, as the array is not the script's. */
  const inputOfAll = (name: string, args: Array<unknown>): string => {
    let inputs = ""
    for (let index = 0; index < args.length; index++) {
      inputs += `${index === 0 ? "" : ","}${inputOf(name, args[index]) ?? "null"}`
    }
    return checkDepth(`[${inputs}]`)
  }

  let locatesCalls = false

  // What V8 asks how to write a stack, as it is before the script.
  const { Error: CellError } = cell.errors
  const functions = own.getPrototypeOf(CellError) as object
  const objects = own.getPrototypeOf(functions) as object

  const writesStacks = (of: object) => own.getOwnPropertyDescriptor(of, "prepareStackTrace") !== undefined

  // The line that calls us. A script that may write stacks itself is not asked: it would see that it is looked at.
  const lineOfCall = (): number | undefined => {
    if (
      own.getPrototypeOf(CellError) !== functions || own.getPrototypeOf(functions) !== objects ||
      writesStacks(CellError) || writesStacks(functions) || writesStacks(objects)
    ) {
      return undefined
    }
    try {
      const stack = get(new CellError(), "stack")
      const place = typeof stack === "string" ? match(placeOf, stack) : null
      return place === null ? undefined : +place[1]!
    } catch {
      return undefined
    }
  }

  const makeTool = (tool: number, name: string, isVariadic: boolean) =>
    expose((argument: unknown, _: unknown, args: Array<unknown>) => {
      const input = isVariadic ? inputOfAll(name, args) : inputOf(name, argument)
      if (own.mapSize(pending) >= maxPending) {
        throw `tools.${name} was not called: ${maxPending} tool calls are waiting for an answer already`
      }
      const bytes = input === undefined ? 0 : bytesOf(input)
      if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes) {
        throw `tools.${name} was not called: the tool calls that wait for an answer carry too much input already`
      }
      pendingBytes += bytes
      const id = `tool-${++lastCall}`
      const { promise, reject, resolve } = cell.withResolvers()
      mapSet(pending, id, { bytes, resolve, reject })
      const line = locatesCalls ? lineOfCall() : undefined
      const from = line === undefined ? "" : `,"line":${line}`
      emit(`c{"id":"${id}","tool":${tool}${from}${input === undefined ? "" : `,"input":${input}`}}`)
      return promise
    })

  // ---------------------------------------------------------------------------
  // Array buffers
  // ---------------------------------------------------------------------------

  // V8 counts no resizable buffer for its isolate. A cell may make so many bytes of them in all.
  let resizableBytes = 64 * 1024 * 1024

  const reserve = (bytes: number) => {
    if (bytes > resizableBytes) {
      throw new cell.errors.RangeError("Array buffer allocation failed")
    }
    resizableBytes -= bytes
  }

  const makeBuffer = (Buffer: Function, args: Array<any>, newTarget: Function): object => {
    const length = args.length > 0 ? args[0] : undefined
    const options = args.length > 1 ? args[1] : undefined
    const max = typeof options === "object" && options !== null ? get(options, "maxByteLength") : undefined
    if (max === undefined) {
      return construct(Buffer, [length], newTarget)
    }
    const maxByteLength = trunc(max) || 0
    reserve(maxByteLength)
    return construct(Buffer, [length, { __proto__: null, maxByteLength }], newTarget)
  }

  const transfer = (transfer: Function, buffer: unknown, args: Array<unknown>) => {
    if (own.apply(cell.isResizable, buffer, [])) {
      reserve(own.apply(cell.maxByteLength, buffer, []))
    }
    return callScript(transfer, buffer, args)
  }

  // ---------------------------------------------------------------------------
  // Proxies
  // ---------------------------------------------------------------------------

  const watch = (args: Array<unknown>) => {
    if (!hasProxies && args.length > 0 && typeof args[0] === "function") {
      // One of ours would call it, too.
      if (running > 0) {
        throw new cell.errors.TypeError("the first proxy of a function cannot be made while a helper reads a value")
      }
      hasProxies = true
    }
  }

  const makeProxy = (Proxy: Function, args: Array<unknown>, newTarget: Function) => {
    watch(args)
    return construct(Proxy, args, newTarget)
  }

  const makeRevocable = (revocable: Function, self: unknown, args: Array<unknown>) => {
    watch(args)
    return callScript(revocable, self, args)
  }

  // ---------------------------------------------------------------------------
  // The cell's globals
  // ---------------------------------------------------------------------------

  cell.watchProxies(sealed(makeProxy), sealed(makeRevocable))
  cell.guardBuffers(sealed(makeBuffer), sealed(transfer))
  if (!cell.codeGeneration) {
    cell.forbidCodeGeneration(sealed(() => {
      throw new cell.errors.EvalError("Code generation from strings disallowed for this context")
    }))
  }

  const tools = cell.object() as Record<string, unknown>
  const globals: Record<string, unknown> = {
    text: expose((value: unknown) => emitText(textOf(value))),
    image: expose(image),
    audio: expose(audio),
    generatedImage: expose(generatedImage),
    store: expose(store),
    load: expose(load),
    notify: expose(notify),
    yield_control: expose(() => emit("y")),
    exit: expose(exit),
    setTimeout: expose(setTimeout),
    clearTimeout: expose(clearTimeout),
    as_settled: cell.helpers.as_settled,
    stream_settled: cell.helpers.stream_settled,
    content: cell.makeContent(expose((value: unknown) => emitBlocks(value, contentTakesResults))),
    tools
  }
  for (const name of Object.keys(globals)) {
    cell.define(name, globals[name])
  }

  let setTime: (time: any) => void = () => {}

  const begin = cell.withResolvers()
  const program: Program = {
    begin: begin.promise,
    end: expose(() => end()),
    fail: expose((error: unknown) => end(describe(error))),
    dynamicImport: expose(() => {
      const { promise, reject } = cell.withResolvers()
      reject("unsupported import in exec")
      return promise
    })
  }
  cell.define("program", program)

  // A bigint's `toJSON` is looked up in the realm that serialises it.
  Object.setPrototypeOf(BigInt.prototype, cell.bigintPrototype)
  parts.bare(parts.kinds())

  // V8 compiles a function when it is first called, which is now and not while a cell waits. No turn sees this output.
  turn(() => {
    prompt = promptLines
    emitText(textOf(cell.object()))
  })

  return {
    start: (toolsJson, storedJson, startJson) =>
      turn(() => {
        const start: Start = own.parse(startJson)
        const all = cell.parse(toolsJson)
        let variadic = 0
        for (let index = 0; index < all.length; index++) {
          const name = all[index].name
          const isVariadic = start.variadic[variadic] === index
          variadic += isVariadic ? 1 : 0
          tools[name] = makeTool(index, name, isVariadic)
        }
        cell.define("ALL_TOOLS", all)
        const entries: Array<[string, string]> = own.parse(storedJson)
        for (let index = 0; index < entries.length; index++) {
          mapSet(stored, entries[index]![0], entries[index]![1])
        }
        contentTakesResults = start.contentTakesResults
        locatesCalls = start.locatesCalls
        maxPending = start.maxPendingToolCalls
        maxPendingBytes = start.maxPendingInputBytes
        if (start.deterministic !== undefined) {
          setTime = cell.makeRepeatable(start.deterministic.seed)
          setTime(start.deterministic.now)
        }
        begin.resolve(undefined)
      }),

    settle: (answers, time) =>
      turn(() => {
        setTime(time)
        const all = cell.parse(answers)
        for (let index = 0; index < all.length; index++) {
          const answer = all[index]
          const call = mapGet(pending, answer[0])
          mapDelete(pending, answer[0])
          if (call !== undefined) {
            pendingBytes -= call.bytes
            // By itself, so that it is not told what it belongs to.
            const settle = answer[1] ? call.resolve : call.reject
            settle(answer[2])
          }
        }
      }),

    fire: (timer, time) =>
      turn(() => {
        setTime(time)
        const callback = mapGet(timers, timer)
        mapDelete(timers, timer)
        try {
          if (callback !== undefined) {
            callScript(callback, undefined, [])
          }
        } catch (error) {
          end(describe(error))
        }
      }),

    fail: (text) => turn(() => end(cut(text))),

    drain: () => out,

    compact: () => collect({ type: "major", execution: "sync", flavor: "last-resort" })
  }
}
