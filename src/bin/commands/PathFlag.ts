/**
 * Paths on the command line: shells complete them, and messages have them as short as they can be.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { relative } from "node:path"

/** The parser makes paths absolute. Below the working folder a path is shorter without it. */
const shorten = (path: string): string => {
  const short = relative("", path)
  return short.startsWith("..") ? path : short || "."
}

export const make = (name: string): Flag.Flag<string> => Flag.map(Flag.Path(name), shorten)

export const argument = (name: string): Argument.Argument<string> => Argument.map(Argument.Path(name), shorten)
