/**
 * Isolates that are ready for a cell: the helpers are in place and nothing of a script has run.
 *
 * @since 0.1.0
 */
import type * as IVM from "isolated-vm"
import { type Controls, prelude } from "./prelude.ts"
import { realm } from "./realm.ts"

/** The addon as a value; `isolated-vm`'s types describe it as a module. */
export type IsolatedVM = typeof IVM

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
  /** Exports the prelude's `program` to the cell's module. */
  readonly bridge: IVM.Module
  readonly controls: { readonly [K in "start" | "settle" | "fire" | "fail" | "drain"]: Control<K> }
  readonly listen: (listener: Listener) => void
}

/** Makes prepared isolates. V8's code for the prelude is compiled once. */
export const makePrepare = (
  ivm: IsolatedVM,
  options: { readonly codeGeneration: boolean; readonly onCatastrophe: () => void }
) => {
  const source = `(${prelude.toString()})`
  let cachedData: IVM.ExternalCopy<ArrayBuffer> | undefined

  const compilePrelude = (isolate: IVM.Isolate) => {
    if (cachedData !== undefined) {
      return isolate.compileScriptSync(source, { cachedData })
    }
    const script = isolate.compileScriptSync(source, { produceCachedData: true })
    ;({ cachedData } = script as IVM.CachedDataResult)
    return script
  }

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
    const cell = context.evalSync(`(${realm.toString()})(${options.codeGeneration})`, {
      filename: "<anonymous>",
      reference: true
    })
    const own = isolate.createContextSync()
    const run = compilePrelude(isolate).runSync(own, { reference: true })

    const flush = new ivm.Callback((lines: string) => {
      listener?.onLines(lines)
      return listener?.isBlocked() === true
    })
    const hint = new ivm.Callback((lines: string) => listener?.onLines(lines), { ignored: true })
    const exit = new ivm.Callback((lines: string, end: string) => listener?.onExit(lines, end))
    const drained = new ivm.Reference(() => listener?.drained())
    const controls = own.evalClosureSync(
      "return $0($1, { flush: $2, hint: $3, exit: $4, drained: $5 })",
      [run.derefInto(), cell.derefInto(), flush, hint, exit, drained],
      { result: { reference: true } }
    ) as IVM.Reference<Controls>

    context.evalClosureSync("globalThis.program = $0", [controls.getSync("program", { reference: true }).derefInto()])
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
        drain: control("drain")
      },
      listen: (next) => {
        listener = next
      }
    }
  }
}

// Making an isolate takes the lane's thread a few milliseconds, which a cell that does something now would wait for.
const idleMillis = 2

/** A few prepared isolates, made while the lane has nothing else to do. */
export const makePool = (prepare: (heapMebibytes: number) => Prepared, size: number) => {
  let heapMebibytes = 256
  let prepared: Array<Prepared> = []
  let busyAt = 0
  let timer: NodeJS.Timeout | undefined

  const refillLater = () => {
    if (timer === undefined && prepared.length < size) {
      timer = setTimeout(refill, idleMillis)
    }
  }

  const refill = () => {
    timer = undefined
    if (performance.now() - busyAt >= idleMillis) {
      prepared.push(prepare(heapMebibytes))
    }
    refillLater()
  }

  refillLater()
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
      refillLater()
      return next
    }
  }
}
