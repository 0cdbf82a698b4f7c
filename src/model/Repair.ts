/**
 * Sources as models write them, made into what was meant: the body of an async module.
 *
 * **Details**
 *
 * What a repair adds has no line of its own, but at the end; and `Edits` knows where everything stood, so that errors are
 * at the places of the model's source.
 *
 * A source that cannot be read may be TypeScript. Then there are several programs to try, until one compiles: one that
 * does not has done nothing.
 *
 * @internal
 */
import type { Expression, Node, Program, Statement } from "acorn"
import { parse as parseProgram } from "acorn"
import * as Option from "effect/Option"
import * as Edits from "./Edits.ts"
import * as Unwrap from "./Unwrap.ts"

/** A program to try. */
export interface Candidate extends Edits.Edited {
  readonly language: "javascript" | "typescript"
  /** The model's source, as far as that is one. */
  readonly source: string
}

const parse = (source: string): Option.Option<Program> =>
  Option.liftThrowable(() =>
    parseProgram(source, {
      ecmaVersion: "latest",
      sourceType: "module",
      allowReturnOutsideFunction: true,
      allowHashBang: true
    })
  )()

// =============================================================================
// What a source is made of
// =============================================================================

const isFunction = ({ type }: { readonly type: string }) =>
  type === "ArrowFunctionExpression" || type === "FunctionExpression" || type === "FunctionDeclaration"

/** Whether a function can be called by us: with nothing, or with the tools alone. */
const isCallable = (node: object) => {
  const { params = [] } = node as { readonly params?: ReadonlyArray<Node & { readonly name?: string }> }
  return params.length === 0 || (params.length === 1 && (params[0]!.name === "tools" || params[0]!.name === "_"))
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value

/** Whether there is a `return` that is in no function. */
const returns = (node: unknown): boolean =>
  Array.isArray(node)
    ? node.some(returns)
    : isNode(node) && (
      node.type === "ReturnStatement" ||
      !isFunction(node) && node.type !== "StaticBlock" && Object.values(node).some(returns)
    )

/** The names of a source's own asynchronous functions. */
const asyncNames = (body: Program["body"]): ReadonlySet<string> =>
  new Set(body.flatMap((statement) =>
    statement.type === "FunctionDeclaration"
      ? statement.async ? [statement.id.name] : []
      : statement.type === "VariableDeclaration"
      ? statement.declarations.flatMap(({ id, init }) =>
        id.type === "Identifier" && init != null && isFunction(init) && (init as { async?: boolean }).async === true
          ? [id.name]
          : []
      )
      : []
  ))

/** `f()` of `f().then(…).catch(…)`. */
const firstCall = (expression: Expression): Expression =>
  expression.type === "CallExpression" && expression.callee.type === "MemberExpression" &&
    expression.callee.property.type === "Identifier" &&
    ["then", "catch", "finally"].includes(expression.callee.property.name) &&
    expression.callee.object.type === "CallExpression"
    ? firstCall(expression.callee.object)
    : expression

/** A statement that calls one of the source's asynchronous functions and does not wait for it: what is not awaited. */
const unawaited = (
  statement: Statement | Program["body"][number],
  names: ReadonlySet<string>
): Expression | undefined => {
  if (statement.type !== "ExpressionStatement") {
    return undefined
  }
  const { expression } = statement
  const promise = expression.type === "UnaryExpression" ? expression.argument : expression
  const call = firstCall(promise)
  if (call.type !== "CallExpression") {
    return undefined
  }
  const { callee } = call
  return isFunction(callee) && (callee as { async?: boolean }).async === true ||
      callee.type === "Identifier" && names.has(callee.name)
    ? promise
    : undefined
}

// =============================================================================
// Repairs
// =============================================================================

/** The source may have a `text` of its own. */
const show = "if($result!==undefined&&typeof $result!==\"function\")globalThis.text($result);"

/** A statement without its semicolon. */
const withoutEnd = (source: string, { end, start }: Node) => ({ start, end: source[end - 1] === ";" ? end - 1 : end })

/** Puts out the value of the expression that stands there. */
const shown = ({ end, start }: { readonly start: number; readonly end: number }, after: string) => [
  { ...Edits.insert(start, "{const $result=await ("), isPlace: true },
  Edits.insert(end, `)${after};${show}}`)
]

/** A source with a \`return\` outside of a function. */
const inFunction = (source: string) => [
  Edits.insert(0, "{const $result=await(async()=>{"),
  Edits.insert(source.length, `\n})();${show}}`)
]

const puts = /\b(?:text|image|audio|content|generatedImage|notify|console|store|exit|yield_control)\b/

const repairs = (source: string, { body }: Program): ReadonlyArray<Edits.Edit> => {
  const hashBang = source.startsWith("#!") ? [{ start: 0, end: 2, text: "//" }] : []
  const last = body.at(-1)
  if (last === undefined) {
    return hashBang
  }
  if (body.some(returns)) {
    return [...hashBang, ...inFunction(source)]
  }
  if (body.length === 1) {
    const only = last.type === "ExpressionStatement" ? last.expression : last
    if (isFunction(only) && isCallable(only)) {
      return [...hashBang, ...shown(withoutEnd(source, last), "(tools)")]
    }
  }
  const exported = body.find((statement) => statement.type === "ExportDefaultDeclaration")
  if (exported !== undefined) {
    const { declaration } = exported
    const call = isFunction(declaration) && isCallable(declaration) ? "$main(tools)" : "$main"
    return [
      ...hashBang,
      { start: exported.start, end: declaration.start, text: "const $main=(" },
      Edits.insert(declaration.end, ");"),
      Edits.insert(source.length, `\n;{const $result=await ${call};${show}}`)
    ]
  }
  const names = asyncNames(body)
  const isSilent = !puts.test(source)
  return [
    ...hashBang,
    ...body.flatMap((statement) => {
      const promise = unawaited(statement, names)
      const isValue = statement === last && isSilent && last.type === "ExpressionStatement" &&
        last.directive === undefined && (promise === undefined || promise === last.expression)
      return isValue
        ? shown(withoutEnd(source, last), "")
        : promise === undefined
        ? []
        : [Edits.insert(promise.start, "await ")]
    })
  ]
}

/** Signs of types in a source. */
const types =
  /[\w$)\]}?]\s*:\s*[A-Za-z{[("']|\b(?:interface|type|enum|declare|namespace|as|satisfies)\s+[\w${]|<[A-Z]\w*|\w!\s*[.;,)\]]/

/** The source as it is. */
export const plain = (source: string, language: Candidate["language"]): Candidate => ({
  ...Edits.apply(source, []),
  source,
  language
})

/**
 * The programs to try, in this order. Where none compiles, what says why is the first of TypeScript, and the last one of
 * JavaScript.
 */
export const candidates = (written: string, language: Candidate["language"]): ReadonlyArray<Candidate> => {
  const whole = parse(written)
  // Words around a fence are no JavaScript.
  const source = Option.isSome(whole) ? written : Unwrap.fromWords(written) ?? written
  const program = source === written ? whole : parse(source)
  if (Option.isSome(program)) {
    // A source may nest deeper than there is room for here.
    const edits = Option.getOrElse(Option.liftThrowable(repairs)(source, program.value), () => [])
    return [{ ...Edits.apply(source, edits), source, language }]
  }
  const returning = /\breturn\b/.test(source)
    ? [{ ...Edits.apply(source, inFunction(source)), source, language: "typescript" } as const]
    : []
  const typed = language === "typescript" || types.test(source)
    ? [plain(source, "typescript"), ...returning]
    : []
  return language === "typescript" ? typed : [...typed, plain(source, "javascript")]
}
