/**
 * The first lane of a command that runs cells, which starts before the command's own code is loaded. Nothing else is loaded
 * for it. A command that turns out to refuse its flags has started one in vain.
 *
 * @internal
 */
import * as FirstLane from "../isolate/FirstLane.ts"

/** With one of these, a command says something and runs no cell. */
const saying = new Set(["--help", "-h", "--version", "-v", "--completions", "--list-tools"])

/** Whether there may be cells with these flags. */
export const isNeeded = (words: ReadonlyArray<string>): boolean =>
  !words.some((word) => saying.has(word.split("=")[0]!))

export const start = (words: ReadonlyArray<string>): void => {
  if (isNeeded(words)) {
    FirstLane.start()
  }
}
