/**
 * The helpers of a cell, in a context of their own beside the cell's, in the same isolate.
 *
 * V8 hides the frames of another context from stacks and call sites, so a script sees its own code only. What a
 * script can reach is of its own realm: it is made by `realm`, or its prototype is the cell's. A script may replace
 * any builtin it has; nothing here uses one.
 *
 * `prelude` is sent to the isolate as its source text, so it refers to nothing outside itself.
 *
 * @since 0.1.0
 */
import type { Realm } from "./realm.ts"

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

/** What the lane does to a cell. */
export interface Controls {
  /** Lets the program go on from its first `await`. */
  readonly start: (tools: string, stored: string, maxPendingToolCalls: number) => Out
  /** Takes settled tool calls: `[[id, true, result], [id, false, text], …]`. */
  readonly settle: (answers: string) => Out
  readonly fire: (timer: number) => Out
  /** Ends the cell with an error. */
  readonly fail: (text: string) => Out
  readonly drain: () => Out
  /** What the module of the cell's program imports. */
  readonly program: {
    /** What it waits for. */
    readonly begin: Promise<void>
    readonly end: () => void
    readonly fail: (error: unknown) => void
    readonly dynamicImport: () => Promise<never>
  }
}

interface PendingCall {
  readonly characters: number
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

export function prelude(cell: Realm, lane: Lane): Controls {
  "use strict"
  const flushAfterCharacters = 16_384
  const flushAfterMillis = 20
  const promptLines = 32

  // ---------------------------------------------------------------------------
  // What goes out
  // ---------------------------------------------------------------------------

  let out: Out = [""]
  let characters = 0
  let flushedAt = 0
  let prompt = 0

  const take = () => {
    const lines = out.splice(1).join("\n")
    characters = 0
    return lines
  }

  // A script may go on computing for long after what it did, which is not to wait for that: the first lines leave one
  // by one. A script that does much goes in larger pieces, and waits for the lane to take them.
  const emit = (line: string) => {
    out.push(line)
    characters += line.length
    const late = Date.now() - flushedAt > flushAfterMillis
    if (late || characters > flushAfterCharacters) {
      flushedAt = Date.now()
      prompt = late ? 0 : prompt
      if (lane.flush(take())) {
        lane.drained.applySyncPromise(undefined, [])
      }
    } else if (prompt < promptLines) {
      prompt++
      lane.hint(take())
    }
  }

  // A turn is what the lane starts; microtasks go on filling `out` until the lane has copied it.
  const turn = (run: () => void): Out => {
    out = [""]
    characters = 0
    flushedAt = Date.now()
    prompt = 0
    run()
    return out
  }

  // ---------------------------------------------------------------------------
  // Errors and JSON
  // ---------------------------------------------------------------------------

  // An error of this realm has no frames of the cell. One made by the cell's constructor has.
  const { isError } = Error as ErrorConstructor & { readonly isError: (value: unknown) => value is Error }
  const translate = (error: unknown): unknown => {
    if (!isError(error)) {
      return error
    }
    switch (Object.getPrototypeOf(error)) {
      case TypeError.prototype:
        return new cell.TypeError(error.message)
      case RangeError.prototype:
        return new cell.RangeError(error.message)
      case SyntaxError.prototype:
        return new cell.SyntaxError(error.message)
      case ReferenceError.prototype:
        return new cell.ReferenceError(error.message)
      default:
        return error
    }
  }

  const isObject = (value: unknown): value is object =>
    typeof value === "function" || (typeof value === "object" && value !== null)

  // V8 shows our frames in what it throws where it calls a class of the script, and it takes a position that it does
  // not know for the start of the line, where our own words stand.
  const asSeen = (stack: string) =>
    stack.replace(/\n {4}at [^\n]*<isolated-vm>[^\n]*/g, "").replace(/(?<=exec_main\.mjs:1:)-\d+/g, "1")

  const describe = (error: unknown): string => {
    try {
      if (typeof error === "symbol") {
        return ""
      }
      if (isObject(error)) {
        const stack = Reflect.get(error, "stack")
        if (typeof stack === "string") {
          return asSeen(stack).toWellFormed()
        }
      }
    } catch {
      // A `stack` that throws tells nothing, its owner's text may.
    }
    try {
      return String(error).toWellFormed()
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

  const stringify = (value: unknown): string | undefined =>
    guarded(() => {
      try {
        return JSON.stringify(value)
      } catch (error) {
        // V8 keeps the global object of one context from the code of another.
        if (isError(error) && Object.getPrototypeOf(error) === TypeError.prototype && error.message === "no access") {
          return cell.stringify(value)
        }
        throw error
      }
    })

  // Hosts that read values with a bounded parser lose their connection over one that is nested deeper.
  const maxNesting = 127

  const isTooDeep = (json: string) => {
    let depth = 0
    let quoted = false
    for (let index = 0; json.length > 2 * maxNesting && index < json.length; index++) {
      const character = json[index]
      if (quoted) {
        if (character === "\\") {
          index++
        } else if (character === "\"") {
          quoted = false
        }
      } else if (character === "\"") {
        quoted = true
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

  /** A value that leaves the cell to be read by others; nothing where it has no JSON. */
  const serialize = (value: unknown): string | undefined => {
    const json = stringify(value)
    if (json !== undefined && isTooDeep(json)) {
      throw `failed to serialize JavaScript value: recursion limit exceeded, at more than ${maxNesting} levels`
    }
    return json
  }

  const textOf = (value: unknown): string =>
    isObject(value) || typeof value === "symbol" ? stringify(value) ?? "undefined" : String(value).toWellFormed()

  const withResolvers = <A>() =>
    Reflect.apply(cell.withResolvers, cell.Promise, []) as unknown as PromiseWithResolvers<A>

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  const writes = new Map<string, string>()
  let ended = false
  let failure: string | undefined

  const writeEnd = () => {
    const place = failure === undefined ? null : /exec_main\.mjs:(\d{1,9}):(\d{1,9})(?!\d)/.exec(failure)
    out[0] = JSON.stringify({
      stored: [...writes],
      error: failure === undefined ? undefined : {
        _tag: "ScriptError",
        text: failure,
        location: place === null ? undefined : { line: Number(place[1]), column: Number(place[2]) }
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
    lane.exit(lines, out[0]!)
    // The lane is disposing of the isolate: nothing of the script runs any more.
    for (;;);
  }

  // ---------------------------------------------------------------------------
  // Helpers
  // ---------------------------------------------------------------------------

  const expose = <F extends (...args: Array<any>) => unknown>(run: F): F => {
    const helper = (...args: Array<unknown>) => {
      try {
        return run(...args)
      } catch (error) {
        throw translate(error)
      }
    }
    // A bound function shows no source.
    const bound = helper.bind(undefined) as F
    Object.defineProperty(bound, "name", { value: "" })
    return Object.setPrototypeOf(bound, cell.functionPrototype)
  }

  interface Media {
    readonly helper: "image" | "audio"
    readonly urlKey: "image_url" | "audio_url"
    readonly expected: string
  }

  const imageMedia: Media = {
    helper: "image",
    urlKey: "image_url",
    expected:
      "image expects a non-empty image URL string, an object with image_url and optional detail, or a raw MCP image block"
  }

  const audioMedia: Media = {
    helper: "audio",
    urlKey: "audio_url",
    expected: "audio expects a non-empty audio URL string, an object with audio_url, or a raw MCP audio block"
  }

  const dataUrl = (data: string, mimeType: unknown) =>
    /^data:/i.test(data)
      ? data
      : `data:${typeof mimeType === "string" && mimeType !== "" ? mimeType : "application/octet-stream"};base64,${data}`

  const mimeTypeOf = (block: Record<string, any>): unknown =>
    block["mimeType"] === undefined ? block["mime_type"] : block["mimeType"]

  const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  const leastClipSeconds = 0.025

  // Model interfaces refuse such a clip, and the request it comes in. The length stands in the header.
  const isTooShort = (url: string) => {
    const header = url.slice(url.indexOf(",") + 1, url.indexOf(",") + 61)
    const bytes = Array.from({ length: 44 }, (_, index) => {
      const digits = Array.from(
        header.slice(Math.floor(index / 3) * 4).slice(0, 4),
        (digit) => base64Digits.indexOf(digit)
      )
      const bits = digits.reduce((all, digit) => all * 64 + Math.max(digit, 0), 0)
      return bits >> (16 - 8 * (index % 3)) & 255
    })
    const ascii = (start: number) => String.fromCharCode(...bytes.slice(start, start + 4))
    const number = (start: number) => bytes.slice(start, start + 4).reduceRight((all, byte) => all * 256 + byte, 0)
    return ascii(0) === "RIFF" && ascii(8) === "WAVE" && ascii(36) === "data" &&
      number(40) < number(28) * leastClipSeconds
  }

  const details = ["auto", "low", "high", "original"]

  const embeddedDetail = (block: Record<string, any>): string | undefined => {
    const meta = block["_meta"]
    const detail = isObject(meta) ? Reflect.get(meta, "codex/imageDetail") : undefined
    return details.includes(detail) ? detail : undefined
  }

  // The URL in what `image` or `audio` was given, and the detail that came with it.
  const mediaUrl = ({ expected, helper, urlKey }: Media, value: unknown): { url: string; detail?: unknown } => {
    if (typeof value === "string" && value !== "") {
      return { url: value }
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw expected
    }
    const object = value as Record<string, any>
    const url = object[urlKey]
    if (typeof url === "string" && url !== "") {
      return { url, detail: object["detail"] }
    }
    const type = object["type"]
    if (url !== undefined || typeof type !== "string") {
      throw expected
    }
    if (type !== helper) {
      throw `${helper} only accepts MCP ${helper} blocks, got "${type}"`
    }
    const data = object["data"]
    if (typeof data !== "string" || data === "") {
      throw `${helper} expected MCP ${helper} data`
    }
    return { url: dataUrl(data, mimeTypeOf(object)), detail: embeddedDetail(object) }
  }

  function checkDetail(detail: unknown): asserts detail is string | null | undefined {
    if (detail !== undefined && detail !== null && typeof detail !== "string") {
      throw "image detail must be a string when provided"
    }
  }

  const emitMedia = (media: Media, value: unknown, detail?: unknown) =>
    guarded(() => {
      checkDetail(detail)
      const found = mediaUrl(media, value)
      const url = found.url.toWellFormed()
      if (media === audioMedia) {
        if (!/^data:/i.test(url)) {
          throw "Tool call failed: invalid audio output. Pass a base64 data URI instead"
        }
        emit(
          "o" + JSON.stringify(
            isTooShort(url)
              ? {
                type: "input_text",
                text: "Audio output omitted because the clip is shorter than 25 ms; use a longer clip."
              }
              : { type: "input_audio", audio_url: url }
          )
        )
        return
      }
      checkDetail(found.detail)
      const wanted = (detail ?? found.detail ?? "high").toLowerCase()
      if (/^https?:/i.test(url)) {
        throw "Tool call failed: remote image URLs are not supported in tool outputs. Pass a base64 data URI instead"
      }
      if (!/^data:/i.test(url)) {
        throw "Tool call failed: invalid image output. Pass a base64 data URI instead"
      }
      if (!details.includes(wanted)) {
        throw `image detail must be one of: ${details.join(", ")}`
      }
      emit("o" + JSON.stringify({ type: "input_image", image_url: url, detail: wanted }))
    })

  const emitText = (text: string) => emit("o" + JSON.stringify({ type: "input_text", text }))

  const generatedImage = (result: unknown) => {
    if (typeof result !== "object" || result === null) {
      throw "generatedImage expects an image generation result object"
    }
    let hint: unknown
    try {
      hint = Reflect.get(result, "output_hint")
    } catch {
      throw "failed to read generatedImage output_hint"
    }
    if (hint !== undefined && typeof hint !== "string") {
      throw "generatedImage output_hint must be a string when provided"
    }
    emitMedia(imageMedia, result)
    if (hint !== undefined) {
      emitText(hint.toWellFormed())
    }
  }

  // One content block of an MCP tool result. It is read from its JSON, so that nothing of the script runs meanwhile.
  const emitBlock = (value: unknown) => {
    const json = stringify(value) ?? "null"
    const block = JSON.parse(json)
    const isText = (value: unknown) => typeof value === "string"
    const isMissing = (value: unknown) => value === undefined || value === null
    const areTexts = (...values: Array<unknown>) => values.every((value) => isMissing(value) || isText(value))
    switch (block?.type) {
      case "text":
        if (isText(block.text)) {
          return emitText(block.text.toWellFormed())
        }
        break
      case "image":
      case "audio":
        if (isText(block.data) && areTexts(mimeTypeOf(block)) && !("mimeType" in block && "mime_type" in block)) {
          const url = dataUrl(block.data, mimeTypeOf(block))
          return block.type === "image"
            ? emitMedia(imageMedia, url, embeddedDetail(block))
            : emitMedia(audioMedia, url)
        }
        break
      case "resource_link":
        if (
          isText(block.uri) && isText(block.name) && areTexts(block.title, block.description, block.mimeType)
          && (isMissing(block.size) || Number.isInteger(block.size))
          && (isMissing(block.icons) || Array.isArray(block.icons))
        ) {
          return emitText(json)
        }
        break
      case "resource":
        if (
          isText(block.resource?.uri) && areTexts(block.resource.mimeType)
          && (isText(block.resource.text) || isText(block.resource.blob))
        ) {
          return emitText(json)
        }
        break
    }
    throw "content expects one MCP ContentBlock"
  }

  const emitBlocks = (value: unknown) => {
    const iterate = isObject(value) ? Reflect.get(value, Symbol.iterator) : undefined
    if (typeof iterate !== "function") {
      return emitBlock(value)
    }
    const iterator: Iterator<unknown> = Reflect.apply(iterate, value, [])
    for (const block of { [Symbol.iterator]: () => iterator }) {
      emitBlock(block)
    }
  }

  const notify = (value: unknown) => {
    const text = textOf(value)
    if (/^\p{White_Space}*$/u.test(text)) {
      throw "notify expects non-empty text"
    }
    emit("n" + JSON.stringify(text))
  }

  // ---------------------------------------------------------------------------
  // Stored values
  // ---------------------------------------------------------------------------

  const stored = new Map<string, string>()

  const keyOf = (helper: string, key: unknown) => {
    try {
      return `${key as string}`.toWellFormed()
    } catch {
      throw `${helper} key must be a string`
    }
  }

  const store = (key: unknown, value: unknown) => {
    const name = keyOf("store", key)
    const json = serialize(value)
    if (json === undefined) {
      throw `Unable to store ${JSON.stringify(name)}. Only plain serializable objects can be stored.`
    }
    stored.set(name, json)
    writes.set(name, json)
    if (ended) {
      writeEnd()
    }
  }

  const load = (key: unknown) => {
    const json = stored.get(keyOf("load", key))
    return json === undefined ? undefined : cell.parse(json)
  }

  // ---------------------------------------------------------------------------
  // Timers
  // ---------------------------------------------------------------------------

  const timers = new Map<number, () => void>()
  let lastTimer = 0

  const setTimeout = (callback: unknown, delay: unknown) => {
    if (typeof callback !== "function") {
      throw "setTimeout expects a function callback"
    }
    const millis = Math.trunc(+(delay as number))
    const timer = ++lastTimer
    timers.set(timer, callback as () => void)
    emit("t" + JSON.stringify([timer, millis > 0 && millis < Infinity ? millis : 0]))
    return timer
  }

  const clearTimeout = (timer: unknown) => {
    let id: number
    try {
      id = Math.trunc(+(timer as number))
    } catch {
      throw "clearTimeout expects a numeric timeout id"
    }
    if (timers.delete(id)) {
      emit("x" + id)
    }
  }

  // ---------------------------------------------------------------------------
  // Tools
  // ---------------------------------------------------------------------------

  const pending = new Map<string, PendingCall>()
  let lastCall = 0
  let maxPending = 0
  // The host holds the inputs of the calls that it has not answered.
  const maxPendingCharacters = 64 * 1024 * 1024
  let pendingCharacters = 0

  const makeTool = (tool: number, name: string) =>
    expose((...args: Array<unknown>) => {
      const argument = args[0]
      const input = argument === undefined ? undefined : serialize(argument)
      if (argument !== undefined && input === undefined) {
        throw `tools.${name} expects a JSON value, got a ${typeof argument}`
      }
      if (pending.size >= maxPending) {
        throw `tools.${name} was not called: ${maxPending} tool calls are waiting for an answer already`
      }
      const characters = input?.length ?? 0
      if (pendingCharacters > 0 && pendingCharacters + characters > maxPendingCharacters) {
        throw `tools.${name} was not called: the tool calls that wait for an answer carry too much input already`
      }
      pendingCharacters += characters
      const id = `tool-${++lastCall}`
      const { promise, reject, resolve } = withResolvers<unknown>()
      pending.set(id, { characters, resolve, reject })
      emit("c" + JSON.stringify({ id, tool, input }))
      return promise
    })

  // ---------------------------------------------------------------------------
  // Promises in the order in which they settle
  // ---------------------------------------------------------------------------

  const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")!.get!

  const isMap = (value: unknown): value is Map<unknown, unknown> => {
    try {
      Reflect.apply(mapSize, value, [])
      return true
    } catch {
      return false
    }
  }

  const settling = () => {
    let ready: Array<object> = []
    let open = 0
    let waiting: ((result: object | undefined) => void) | undefined
    const arrived = (result: object) => {
      open--
      if (waiting === undefined) {
        ready.push(result)
      } else {
        waiting(result)
        waiting = undefined
      }
    }
    return {
      add: (index: unknown, promise: unknown) => {
        open++
        Reflect.apply(cell.then, Reflect.apply(cell.resolve, cell.Promise, [promise]), [
          (value: unknown) => arrived(cell.fulfilled(index, value)),
          (reason: unknown) => arrived(cell.rejected(index, reason))
        ])
      },
      next: () => {
        const { promise, resolve } = withResolvers<object | undefined>()
        if (ready.length > 0 || open === 0) {
          resolve(ready.shift())
        } else {
          waiting = resolve
        }
        return promise
      },
      close: () => {
        ready = []
        open = 0
      }
    }
  }

  // ---------------------------------------------------------------------------
  // The cell's globals
  // ---------------------------------------------------------------------------

  const tools = cell.object() as Record<string, unknown>
  const helpers: Record<string, unknown> = {
    text: expose((value: unknown) => emitText(textOf(value))),
    image: expose((value: unknown, detail: unknown) => emitMedia(imageMedia, value, detail)),
    audio: expose((value: unknown) => emitMedia(audioMedia, value)),
    generatedImage: expose(generatedImage),
    store: expose(store),
    load: expose(load),
    notify: expose(notify),
    yield_control: expose(() => emit("y")),
    exit: expose(exit),
    setTimeout: expose(setTimeout),
    clearTimeout: expose(clearTimeout),
    ...cell.helpers(settling, isMap, expose(emitBlocks)),
    tools
  }
  for (const name of Object.keys(helpers)) {
    cell.define(name, helpers[name])
  }

  // A bigint's `toJSON` is looked up in the realm that serialises it.
  Object.setPrototypeOf(BigInt.prototype, cell.bigintPrototype)

  const begin = withResolvers<void>()

  // At the end of its stack V8 may throw an error of this realm past `translate`. It leads a script nowhere.
  for (const { prototype } of [Object, Function, Error, TypeError, RangeError, SyntaxError, ReferenceError]) {
    Reflect.deleteProperty(prototype, "constructor")
    Object.freeze(prototype)
  }

  // V8 compiles a function when it is first called, which is now and not while a cell waits. No turn sees this output.
  turn(() => {
    prompt = promptLines
    emitText(textOf(cell.object()))
  })

  return {
    start: (toolsJson, storedJson, maxPendingToolCalls) =>
      turn(() => {
        const all = cell.parse(toolsJson)
        for (let index = 0; index < all.length; index++) {
          const name = all[index].name
          tools[name] = makeTool(index, name)
        }
        cell.define("ALL_TOOLS", all)
        for (const [key, json] of JSON.parse(storedJson)) {
          stored.set(key, json)
        }
        maxPending = maxPendingToolCalls
        begin.resolve()
      }),

    settle: (answers) =>
      turn(() => {
        const all = cell.parse(answers)
        for (let index = 0; index < all.length; index++) {
          const answer = all[index]
          const call = pending.get(answer[0])
          pending.delete(answer[0])
          pendingCharacters -= call?.characters ?? 0
          if (answer[1]) {
            call?.resolve(answer[2])
          } else {
            call?.reject(answer[2])
          }
        }
      }),

    fire: (timer) =>
      turn(() => {
        const callback = timers.get(timer)
        timers.delete(timer)
        try {
          callback?.()
        } catch (error) {
          end(describe(translate(error)))
        }
      }),

    fail: (text) => turn(() => end(text)),

    drain: () => out,

    program: {
      begin: begin.promise,
      end: expose(() => end()),
      fail: expose((error: unknown) => end(describe(error))),
      dynamicImport: expose(() => {
        const { promise, reject } = withResolvers<never>()
        reject("unsupported import in exec")
        return promise
      })
    }
  }
}
