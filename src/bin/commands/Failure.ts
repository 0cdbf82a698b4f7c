/**
 * How a command fails: with a text on standard error, and a status.
 *
 * @internal
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { getSystemErrorMessage } from "node:util"
import { foreign, isPrintable, type Printable, text } from "../terminal/Printable.ts"

/** What scripts can tell apart. A success is 0, and Ctrl-C is 130. */
export const status = {
  /** The cell failed. */
  cell: 1,
  /** The cell was never started: bad usage, no such file, a server or an engine that does not start. */
  start: 2,
  /** With `--once`: the cell had not ended at its first yield. */
  yielded: 3
} as const

export class Failure extends Schema.TaggedError<Failure>("effect-code-mode/bin/commands/Failure")("Failure", {
  text: Schema.declare(isPrintable),
  status: Schema.Literals([status.cell, status.start, status.yielded])
}) {
  override readonly [Runtime.errorExitCode] = this.status
  override readonly [Runtime.errorReported] = false

  override get message() {
    return this.text.toString()
  }
}

/** What the system has against a file, in few words. */
export const ofFile = ({ reason }: PlatformError): Printable => {
  const { cause } = reason
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  return code === "EISDIR"
    ? text`it is a folder`
    : code === "ENOENT"
    ? text`there is no such file or folder`
    : foreign(
      "error of a file",
      Predicate.hasProperty(cause, "errno") && Predicate.isNumber(cause.errno)
        ? getSystemErrorMessage(cause.errno)
        : reason.message,
      "quote"
    )
}

/** The failure of a cell. */
export const toCell = (text: Printable): Failure => new Failure({ text, status: status.cell })

/** The failure of a command that never started its cell. */
export const toStart = (reason: Printable): Failure =>
  new Failure({ text: text`effect-code-mode: ${reason}`, status: status.start })

/** Turns an error of a server, or of the engine, into the failure of a command that never started its cell. */
export const ofStart = (error: { readonly message: string }): Failure =>
  toStart(foreign("server or engine", error.message, "quote"))
