/**
 * Cells in TypeScript: their types are taken out, and what is left runs with every line and column where it was.
 *
 * **Details**
 *
 * Node's stripper is a WebAssembly module that a deeply nested source breaks, and that then refuses every later source
 * of its process. So each source gets a stripper of its own, in a worker thread that is thrown away. A source that it
 * cannot take is a cell that fails like one that does not compile.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defined } from "../data/Defined.ts"
import type { IsolateHandle, Program } from "../Isolate.ts"
import { CellError, type CellRequest, IsolateFailure } from "../Protocol.ts"
import * as Places from "../text/Places.ts"
import * as EndedIsolate from "./EndedIsolate.ts"

const timeout = "10 seconds"

/**
 * The thread. It says one thing: the source without types, or why there is none.
 *
 * The stripper leaves decorators where they are. V8 then stumbles over their first character, which cannot be what any
 * other error of a source begins with.
 */
const stripper = `
  const { stripTypeScriptTypes } = require("node:module")
  const { inspect } = require("node:util")
  const { Script } = require("node:vm")
  const { parentPort, workerData } = require("node:worker_threads")
  const findDecorator = (source) => {
    try {
      new Script("(async () => {\\n" + source.replace(/^#!/, "//") + "\\n})", { filename: "cell", lineOffset: -1 })
    } catch ({ stack }) {
      const [, line, text, before] = /^cell:(\\d+)\\n([^\\n]*)\\n([ \\t]*)\\^/.exec(stack) ?? []
      return text?.[before.length] === "@" ? { line: Number(line), column: before.length + 1 } : undefined
    }
  }
  const strip = () => {
    try {
      const source = stripTypeScriptTypes(workerData)
      const location = source.includes("@") ? findDecorator(source) : undefined
      return location === undefined ? { source } : {
        code: "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
        message: "Decorators are not supported in strip-only mode",
        location
      }
    } catch (error) {
      return { code: error.code, message: error.message, report: inspect(error) }
    }
  }
  parentPort.postMessage(strip())
`

const Stripped = Schema.Struct({ source: Schema.String })

const Refused = Schema.Struct({
  code: Schema.UndefinedOr(Schema.String),
  message: Schema.String,
  /** What the stripper shows of the place. */
  report: Schema.optionalKey(Schema.String),
  location: CellError.fields.location
})

const decodeAnswer = Schema.decodeUnknownEffect(Schema.Union([Stripped, Refused]))

const ask = (source: string) =>
  Effect.callback<unknown, { readonly message: string }>((resume) => {
    // What it takes milliseconds to load most programs never need.
    const { Worker } = process.getBuiltinModule("node:worker_threads")
    const worker = new Worker(stripper, {
      eval: true,
      workerData: source,
      env: {},
      execArgv: ["--no-warnings"],
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 8 }
    })
    worker.once("message", (answer: unknown) => resume(Effect.succeed(answer)))
    worker.once("error", (error: Error) => resume(Effect.fail(error)))
    worker.once("exit", () => resume(Effect.fail({ message: "it ended without an answer" })))
    return Effect.sync(() => void worker.terminate())
  })

/** The index of the character that is shown at a column: the stripper counts as a terminal would. */
const indexOf = (line: string, column: number): number => {
  let at = 0
  let shown = 0
  for (const character of line) {
    if (shown >= column) {
      break
    }
    shown += character === "\t"
      ? 4
      : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\p{Emoji_Presentation}]/u.test(character)
      ? 2
      : 1
    at += character.length
  }
  return at
}

/**
 * Where the stripper stopped. Its report begins with the number of the line; below the line there is a mark, unless the
 * place has several lines.
 */
const locate = (source: string, report: string): CellError["location"] => {
  const { mark, number } = /^[^\n]*:(?<number>\d+)\n(?:[^]*?\n(?<mark> *)\^+\n)?/.exec(report)?.groups ?? {}
  const line = number === undefined ? undefined : Places.lines(source)[Number(number) - 1]
  return line === undefined
    ? undefined
    : { line: Number(number), column: (mark === undefined ? line.search(/\S|$/) : indexOf(line, mark.length)) + 1 }
}

const advice = (message: string) => message.endsWith("strip-only mode") ? `${message}: write it in JavaScript` : message

const toError = (source: string, { code, location, message, report = "" }: typeof Refused.Type): CellError => {
  if (code !== "ERR_INVALID_TYPESCRIPT_SYNTAX" && code !== "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return {
      _tag: "ScriptError",
      text: "SyntaxError: the types cannot be taken out of this source: it nests too deeply"
    }
  }
  const place = location ?? locate(source, report)
  return {
    _tag: "ScriptError",
    text: `SyntaxError: ${advice(message)}`,
    ...defined({ location: place })
  }
}

/** The source without its types, or why that cannot be. */
export const strip = (source: string): Effect.Effect<{ readonly source: string } | CellError, IsolateFailure> =>
  ask(source).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail({ message: `it did not answer within ${timeout}` })
    }),
    Effect.flatMap(decodeAnswer),
    Effect.map((answer) => "source" in answer ? answer : toError(source, answer)),
    Effect.mapError(({ message }) => new IsolateFailure({ text: `the types could not be taken out: ${message}` }))
  )

/** Starts a program that is written in the given language. */
export const start = <Handle, E>(
  lease: { readonly start: (program: Program) => Effect.Effect<Handle, E> },
  program: Program,
  language: CellRequest["language"]
): Effect.Effect<Handle | IsolateHandle, E | IsolateFailure> =>
  language === "typescript"
    ? Effect.flatMap(
      strip(program.source),
      (result): Effect.Effect<Handle | IsolateHandle, E> =>
        "source" in result
          ? lease.start({ ...program, source: result.source })
          : EndedIsolate.make({ _tag: "Finished", stored: [], error: result })
    )
    : lease.start(program)
