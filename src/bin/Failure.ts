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

/** What scripts can tell apart. A success is 0, and Ctrl-C is 130. */
export const status = {
  /** The cell failed. */
  cell: 1,
  /** The cell was never started: bad usage, no such file, a server or an engine that does not start. */
  start: 2,
  /** With `--once`: the cell had not ended at its first yield. */
  yielded: 3
} as const

export class Failure extends Schema.TaggedError<Failure>("effect-code-mode/bin/Failure")("Failure", {
  text: Schema.String,
  status: Schema.Literals([status.cell, status.start, status.yielded])
}) {
  override readonly [Runtime.errorExitCode] = this.status
  override readonly [Runtime.errorReported] = false

  override get message() {
    return this.text
  }
}

const plain: Readonly<Record<string, string>> = {
  EISDIR: "it is a folder",
  ENOENT: "there is no such file or folder"
}

/** What the system has against a file, in few words. */
export const ofFile = ({ reason }: PlatformError): string => {
  const { cause } = reason
  return Predicate.hasProperty(cause, "code") && String(cause.code) in plain
    ? plain[String(cause.code)]!
    : Predicate.hasProperty(cause, "errno") && Predicate.isNumber(cause.errno)
    ? getSystemErrorMessage(cause.errno)
    : reason.message
}

/** The failure of a cell. */
export const toCell = (error: { readonly message: string }): Failure =>
  new Failure({ text: error.message, status: status.cell })

/** Turns an error into the failure of a command that never started its cell. */
export const toStart = (error: { readonly message: string }): Failure =>
  new Failure({ text: `effect-code-mode: ${error.message}`, status: status.start })
