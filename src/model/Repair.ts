/**
 * Sources as models write them, made into what was meant: the body of an async module.
 *
 * **Details**
 *
 * What is put around a source stands on its first and last lines, so that the lines of errors are those of the model.
 *
 * @internal
 */
import type { Expression, Program } from "acorn"
import { parse as parseProgram } from "acorn"
import * as Option from "effect/Option"

const fence = /^\s*```[\w-]*[^\S\n]*\r?\n([^]*?)\r?\n?[^\S\n]*```\s*$/

const parse = (source: string): Option.Option<Program> =>
  Option.liftThrowable(() =>
    parseProgram(source, {
      ecmaVersion: "latest",
      sourceType: "module",
      allowReturnOutsideFunction: true,
      allowHashBang: true
    })
  )()

const isFunction = ({ type }: { readonly type: string }) =>
  type === "ArrowFunctionExpression" || type === "FunctionExpression" || type === "FunctionDeclaration"

/** Calls a function, and puts out what it gives. */
const called = (code: string) => `{ const $result = await (${code})(); if ($result !== undefined) text($result); }`

/** Whether there is a `return` that is in no function. */
const returns = (node: unknown): boolean =>
  Array.isArray(node)
    ? node.some(returns)
    : typeof node === "object" && node !== null && "type" in node
    ? node.type === "ReturnStatement" ||
      !isFunction(node as Expression) && node.type !== "StaticBlock" && Object.values(node).some(returns)
    : false

const unwrap = (source: string, { body }: Program): string => {
  const [only] = body
  if (only === undefined) {
    return source
  }
  const codeOf = (node: { readonly start: number; readonly end: number }) => source.slice(node.start, node.end)
  // What stands before and behind it are comments.
  const around = (node: { readonly start: number; readonly end: number }, code: string) =>
    `${source.slice(0, node.start)}${code}${source.slice(node.end)}`
  if (body.length === 1 && only.type === "ExpressionStatement" && isFunction(only.expression)) {
    return around(only, called(codeOf(only.expression)))
  }
  const last = body.at(-1)!
  if (last.type === "ExportDefaultDeclaration") {
    const { declaration } = last
    const code = codeOf(declaration)
    return around(last, isFunction(declaration) ? called(code) : `text(await (${code}));`)
  }
  return body.some(returns) ? called(`async () => {${source}\n}`) : source
}

/** A `console` that puts text out, for sources that name one. */
const consoleForText = "globalThis.console ??= Object.fromEntries([\"log\", \"info\", \"warn\", \"error\", \"debug\"]" +
  ".map((name) => [name, (...values) => values.length === 1 ? text(values[0]) : text(values.map((value) => " +
  "typeof value === \"string\" ? value : JSON.stringify(value) ?? String(value)).join(\" \"))])); "

/** The source that was meant. What needs no repair, or cannot be read, stays as it is. */
export const repair = (written: string): string => {
  const source = fence.exec(written)?.[1] ?? written
  const meant = Option.match(parse(source), {
    onNone: () => source,
    onSome: (program) => unwrap(source, program)
  })
  return /\bconsole\s*\./.test(meant) && !meant.startsWith("#!") ? `${consoleForText}${meant}` : meant
}
