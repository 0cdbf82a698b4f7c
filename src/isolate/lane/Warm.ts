/**
 * Isolates that are ready for a cell: the helpers are in place and nothing of a script has run.
 *
 * @since 0.1.0
 */
import type * as IVM from "isolated-vm"
import { setFlagsFromString } from "node:v8"
import { bare, kinds } from "./bare.ts"
import { builtins } from "./builtins.ts"
import { media } from "./media.ts"
import { type Controls, prelude } from "./prelude.ts"
import { type Realm, realm } from "./realm.ts"

/** The addon as a value; `isolated-vm`'s types describe it as a module. */
export type IsolatedVM = typeof IVM

// isolated-vm reads an error that a script does not handle in a context of its own. A proxy in the place of a getter gets
// its arguments from that realm, and could run code there. This does so first, and leaves nothing behind to find. It is
// sent to the isolate as its source text.
function sealEngine(empty: typeof bare, kinds: string): void {
  const getter = new Proxy(() => {}, {
    __proto__: null,
    apply: (_: Function, _self: unknown, args: Array<unknown>) => {
      empty((args.constructor.constructor as FunctionConstructor)(kinds)())
    }
  } as {})
  void Promise.reject(Object.defineProperty({}, "message", { get: getter }))
}

const bridgeSource = "export const { begin, end, fail, dynamicImport } = program; delete globalThis.program"

type Control<K extends keyof Controls> = IVM.Reference<Controls[K]>

/** What a prepared isolate says while a cell runs on it. */
export interface Listener {
  readonly onLines: (lines: string) => void
  /** Whether the isolate has to wait until `drained`. */
  readonly isBlocked: () => boolean
  readonly drained: () => Promise<void>
  readonly onExit: (lines: string, end: string) => void
  readonly onCatastrophe: () => void
}

/** An isolate that waits for its cell. */
export interface Prepared {
  readonly isolate: IVM.Isolate
  readonly context: IVM.Context
  /** Exports what the prelude has defined as `program` to the cell's module. */
  readonly bridge: IVM.Module
  readonly controls: { readonly [K in "start" | "settle" | "fire" | "fail" | "drain" | "compact"]: Control<K> }
  readonly listen: (listener: Listener) => void
}

/** What the cell's context is made with: seals the engine's own one, or makes the realm of a cell. */
type RealmPart = IVM.Reference<(codeGeneration?: boolean) => Realm>

const sealDefaultContext = (part: RealmPart) => {
  try {
    part.applySync(undefined, [])
  } catch {
    // That is how it is told of the rejection.
    return
  }
  throw new Error("the engine's own context is open")
}

const withFlags = <A>(flags: string, afterwards: string, run: () => A): A => {
  setFlagsFromString(flags)
  try {
    return run()
  } finally {
    setFlagsFromString(afterwards)
  }
}

/**
 * Compiles a script for one isolate after the other. It is parsed once, and each of its functions then: V8 would compile
 * it when it is called first, which takes time and stack while a cell waits.
 */
const makeCompiler = (source: string, options: IVM.ScriptInfo = {}) => {
  let cachedData: IVM.ExternalCopy<ArrayBuffer> | undefined
  const compile = (isolate: IVM.Isolate) => {
    if (cachedData !== undefined) {
      return isolate.compileScriptSync(source, { ...options, cachedData })
    }
    const script = isolate.compileScriptSync(source, { ...options, produceCachedData: true })
    ;({ cachedData } = script as IVM.CachedDataResult)
    return script
  }
  return (isolate: IVM.Isolate) => withFlags("--no-lazy", "--lazy", () => compile(isolate))
}

/** An object of functions, as source text. */
const toSource = (parts: Readonly<Record<string, Function>>) =>
  `({${Object.entries(parts).map(([name, part]) => `${name}: (${part.toString()})`).join()}})`

/** Makes prepared isolates. */
export const makePrepare = (
  ivm: IsolatedVM,
  options: { readonly codeGeneration: boolean; readonly onCatastrophe: () => void }
) => {
  const compileRealm = makeCompiler(
    `((parts) => (codeGeneration) => codeGeneration === undefined
      ? parts.sealEngine(parts.bare, ${JSON.stringify(`return (${kinds.toString()})()`)})
      : parts.realm(codeGeneration))(${toSource({ bare, realm, sealEngine })})`,
    { filename: "<anonymous>" }
  )
  const compilePrelude = makeCompiler(
    `((parts) => (cell, flush, hint, exit, drained) => parts.prelude(cell, { flush, hint, exit, drained }, parts))(${
      toSource({ bare, builtins, kinds, media, prelude })
    })`
  )

  return (heapMebibytes: number): Prepared => {
    let listener: Listener | undefined
    const isolate = new ivm.Isolate({
      memoryLimit: heapMebibytes,
      onCatastrophicError: () => {
        listener?.onCatastrophe()
        options.onCatastrophe()
      }
    })
    const context = isolate.createContextSync()
    const part = compileRealm(isolate).runSync(context, { reference: true }) as RealmPart
    sealDefaultContext(part)
    const cell = part.applySync(undefined, [options.codeGeneration], { result: { reference: true } })
    const own = withFlags("--expose-gc", "--no-expose-gc", () => isolate.createContextSync())
    const flush = new ivm.Callback((lines: string) => {
      listener?.onLines(lines)
      return listener?.isBlocked() === true
    })
    const hint = new ivm.Callback((lines: string) => listener?.onLines(lines), { ignored: true })
    const exit = new ivm.Callback((lines: string, end: string) => listener?.onExit(lines, end))
    const drained = new ivm.Reference(() => listener?.drained())
    const controls = compilePrelude(isolate).runSync(own, { reference: true })
      .applySync(undefined, [cell.derefInto(), flush, hint, exit, drained], {
        result: { reference: true }
      }) as IVM.Reference<Controls>

    const bridge = isolate.compileModuleSync(bridgeSource)
    bridge.instantiateSync(context, () => {
      throw new Error("the bridge imports nothing")
    })
    bridge.evaluateSync()

    const control = <K extends keyof Controls>(name: K) => controls.getSync(name, { reference: true }) as Control<K>
    return {
      isolate,
      context,
      bridge,
      controls: {
        start: control("start"),
        settle: control("settle"),
        fire: control("fire"),
        fail: control("fail"),
        drain: control("drain"),
        compact: control("compact")
      },
      listen: (next) => {
        listener = next
      }
    }
  }
}

// Making an isolate takes the lane's thread a few milliseconds, which a cell that does something now would wait for.
const idleMillis = 2

/** So would the first cell, which is likely to come soon. One isolate is made for it at once, and others this much later. */
const firstCellMillis = 50

/** A few prepared isolates, made while the lane has nothing else to do. */
export const makePool = (prepare: (heapMebibytes: number) => Prepared, size: number) => {
  let heapMebibytes = 256
  let prepared: Array<Prepared> = []
  let patienceMillis = 0
  let busyAt = 0
  let timer: NodeJS.Timeout | undefined

  const refillLater = () => {
    if (timer === undefined && prepared.length < size) {
      timer = setTimeout(refill, patienceMillis)
    }
  }

  const refill = () => {
    timer = undefined
    if (prepared.length < size && performance.now() - busyAt >= patienceMillis) {
      prepared.push(prepare(heapMebibytes))
      patienceMillis ||= firstCellMillis
    }
    refillLater()
  }

  setImmediate(refill)
  return {
    /** The lane has something to do. */
    touch: () => {
      busyAt = performance.now()
    },
    take: (wanted: number): Prepared => {
      if (wanted !== heapMebibytes) {
        heapMebibytes = wanted
        prepared.forEach(({ isolate }) => isolate.dispose())
        prepared = []
      }
      const next = prepared.pop() ?? prepare(wanted)
      patienceMillis = idleMillis
      clearTimeout(timer)
      timer = undefined
      refillLater()
      return next
    }
  }
}
