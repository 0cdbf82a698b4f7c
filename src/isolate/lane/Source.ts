/**
 * From a cell's source to a module that has been evaluated up to the point where the program is about to run.
 *
 * @since 0.1.0
 */
import type * as IVM from "isolated-vm"
import type { Prepared } from "./Warm.ts"

/** The name under which a script sees itself in stacks. */
export const filename = "exec_main.mjs"

/** Why a source cannot run. */
export interface Refusal {
  readonly text: string
  readonly location?: { readonly line: number; readonly column: number }
}

/** A loaded program. The prelude does not hear of a detached one's failure; `failure` asks for it. */
export type Loaded =
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  | { readonly _tag: "Attached" }
  | { readonly _tag: "Detached"; readonly failure: () => Promise<string | undefined> }

interface Names {
  readonly begin: string
  readonly end: string
  readonly fail: string
  readonly dynamicImport: string
}

/**
 * Names that a source does not have; that of the import is as long as `import`. They are no secret. No source that a
 * session takes is long enough to have all of them.
 */
export const makeNames = (source: string): Names => {
  const base = `$${Math.trunc(Math.random() * 36 ** 4).toString(36).padStart(4, "0")}`
  return source.includes(base)
    ? makeNames(source)
    : { begin: `${base}b`, end: `${base}e`, fail: `${base}f`, dynamicImport: `${base}i` }
}

const maxErrorCharacters = 64 * 1024

/** An error's text is as long as a script likes. */
const cut = (text: string) =>
  text.length > maxErrorCharacters
    ? `${text.slice(0, maxErrorCharacters)}\n[${text.length - maxErrorCharacters} more characters]`
    : text

const refusal = (error: unknown): Refusal => {
  const [, text = String(error), file, line, column] = /^([^]*) \[(.+):(\d+):(\d+)\]$/.exec(String(error)) ?? []
  return file === filename
    ? { text: cut(text), location: { line: Number(line), column: Number(column) } }
    : { text: cut(text) }
}

/**
 * Compiles, links, and evaluates up to the first `await`, which is ours. Nothing of the script has run then.
 *
 * The `await` has to be the script's own module's: V8 crashes if it is terminated in a module that only depends on one
 * that awaits.
 */
export const load = ({ bridge, context, isolate }: Prepared, source: string): Loaded => {
  const compile = (text: string, columnOffset = 0) => isolate.compileModuleSync(text, { filename, columnOffset })
  const compiles = (text: string) => {
    try {
      compile(text).release()
      return true
    } catch {
      return false
    }
  }

  const raw = source.replace(/^#!/, "//")
  let module: IVM.Module
  try {
    module = compile(raw)
  } catch (error) {
    if (isolate.isDisposed) {
      throw error
    }
    return { _tag: "Refused", refusal: refusal(error) }
  }
  const [specifier] = module.dependencySpecifiers
  if (specifier !== undefined) {
    return { _tag: "Refused", refusal: { text: `Unsupported import in exec: ${specifier}` } }
  }
  module.release()

  const names = makeNames(raw)
  // Imports count wherever they stand; at the end they move nothing.
  const imports = `;import{${Object.entries(names).map(([name, as]) => `${name} as ${as}`).join(",")}}from"bridge"`
  const body = withoutDynamicImports(raw, names.dynamicImport, compiles)
  const run = (module: IVM.Module, resolve: (specifier: string) => IVM.Module) => {
    module.instantiateSync(context, resolve)
    module.evaluateSync()
  }

  const prefix = `await ${names.begin};`
  const guarded = `${prefix}try{`
  try {
    module = compile(`${guarded}${body}\n}catch(e){${names.fail}(e)}${names.end}()${imports}`, -guarded.length)
  } catch {
    // An `export` cannot stand in a block. The script is a module of its own then, and another waits for its end.
    module = compile(`${prefix}${body}\n${imports}`, -prefix.length)
    run(module, () => bridge)
    const resolve = (specifier: string) => specifier === filename ? module : bridge
    run(isolate.compileModuleSync(`import"${filename}";import{end}from"bridge";end()`), resolve)
    return {
      _tag: "Detached",
      failure: async () => {
        const probe = await isolate.compileModule(`import"${filename}"`)
        await probe.instantiate(context, resolve)
        try {
          await probe.evaluate()
          return undefined
        } catch (error) {
          return describe(error)
        }
      }
    }
  }
  run(module, () => bridge)
  return { _tag: "Attached" }
}

const describe = (error: unknown) =>
  cut(
    error instanceof Error
      ? (error.stack ?? String(error)).replace(/\n {4}at \(<isolated-vm boundary>\)[^]*$/, "")
      : String(error)
  )

// A dynamic import rejects by itself, but with V8's "Not supported". So its keyword becomes a function of the same
// length. Whether an `import(` is one and not part of a string, a comment or a name, V8 tells: `export` may stand
// wherever `import` may, except there.
const withoutDynamicImports = (source: string, replacement: string, compiles: (text: string) => boolean) => {
  const keyword = /\bimport(?=(?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/|\/\/.*[\r\n\u2028\u2029])*\()/g
  const put = (text: string, at: number, word: string) => text.slice(0, at) + word + text.slice(at + word.length)
  let result = source
  for (const { index } of Array.from(source.matchAll(keyword)).slice(0, maxDynamicImports)) {
    if (!compiles(put(source, index, "export"))) {
      result = put(result, index, replacement)
    }
  }
  return result
}

const maxDynamicImports = 32
