/**
 * What runs in a cell before a model's source, on a line of its own: `console`, and tools that reject with errors.
 *
 * **Details**
 *
 * It is a part of the cell's program, and may do what any cell may: the isolate knows nothing of it. Every position that
 * a cell tells of is one line further down than in the model's source; `placesOf` puts that right.
 *
 * @internal
 */
import { defined } from "../data/Defined.ts"
import type { CellError, Location, OutputItem } from "../Protocol.ts"

/** Strings stay as they are, errors show their stack, other values are JSON. */
const show = `show=(v)=>{if(typeof v==="string")return v;` +
  `if(v instanceof Promise)return"[a promise: await it before you put it out]";` +
  `if(v instanceof Error)return v.stack||String(v);` +
  `try{return(typeof v==="object"&&v!==null?JSON.stringify(v):undefined)??String(v)}catch{return String(v)}}`

/** `text` takes several values, and says what to do about a promise. */
const text = `globalThis.text=(...all)=>put(all.length===1?all[0] instanceof Promise||all[0] instanceof Error?` +
  `show(all[0]):all[0]:all.map(show).join(" "))`

/** `console` puts out text. */
const console = `const say=(...all)=>put(all.map(show).join(" ")),none=()=>{};` +
  `globalThis.console={log:say,info:say,warn:say,error:say,debug:say,trace:say,dir:(v)=>say(v),table:(v)=>say(v),` +
  `assert:(ok,...all)=>{if(!ok)say("Assertion failed:",...all)},group:(...all)=>{if(all.length>0)say(...all)},` +
  `groupCollapsed:(...all)=>{if(all.length>0)say(...all)},groupEnd:none,time:none,timeEnd:none,timeLog:none,count:none,` +
  `countReset:none,clear:none}`

/**
 * A tool's promise rejects with an error whose text is the one that the tool failed with: `String(e)`, `e.message` and
 * its JSON are that text. Its stack says where the call was awaited.
 */
const errors = `class ToolError extends Error{toJSON(){return this.message}}` +
  `Object.defineProperty(ToolError.prototype,"name",{value:"",writable:true,configurable:true});` +
  `const{tools}=globalThis;for(const name of Object.keys(tools)){const call=tools[name];` +
  `tools[name]={[name]:async(...all)=>{try{return await call(...all)}catch(e){` +
  `throw typeof e==="string"?new ToolError(e):e}}}[name]}`

/** How a preamble differs. */
export interface Options {
  readonly console: boolean
}

/** The preamble that a source needs: a line with its end. */
export const of = (source: string, options: Options): string => {
  const parts = [
    `const put=globalThis.text,${show}`,
    text,
    ...(options.console && /\bconsole\b/.test(source) ? [console] : []),
    ...(/\btools\b/.test(source) ? [errors] : [])
  ]
  return `{${parts.join(";")}}\n`
}

/** Puts the positions of a cell's program back to those in the model's source. */
export interface Places {
  readonly ofText: (text: string) => string
  readonly ofError: (error: CellError) => CellError
  readonly ofItem: (item: OutputItem) => OutputItem
}

const frame = /\n {4}at [^\n]*exec_main\.mjs:(\d{1,9}):(\d{1,9})\)?(?=\n|$)/g
const position = /\bexec_main\.mjs:(\d{1,9}):(\d{1,9})/g

/** The places of a program that follows this preamble, where `locate` knows those without it. */
export const placesOf = (
  preamble: string,
  locate: (place: Location) => Location | undefined
): Places => {
  const before = preamble === "" ? 0 : 1
  const find = (line: number, column: number) => line <= before ? undefined : locate({ line: line - before, column })
  const ofText = (text: string) =>
    text.includes("exec_main.mjs:")
      ? text.replace(frame, (all, line: string, column: string) => find(+line, +column) === undefined ? "" : all)
        .replace(position, (all, line: string, column: string) => {
          const place = find(+line, +column)
          return place === undefined ? all : `exec_main.mjs:${place.line}:${place.column}`
        })
      : text
  return {
    ofText,
    ofError: ({ location, ...error }) => {
      const place = location === undefined ? undefined : find(location.line, location.column)
      return { ...error, text: ofText(error.text), ...defined({ location: place }) }
    },
    ofItem: (item) => item.type === "input_text" ? { type: "input_text", text: ofText(item.text) } : item
  }
}
