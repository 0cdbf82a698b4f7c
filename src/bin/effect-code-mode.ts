/**
 * The command `effect-code-mode`. Its `host` is `code-mode-host`, which has to be there soon and loads nothing of the
 * others.
 *
 * @internal
 */
import * as EarlyLane from "./EarlyLane.ts"

const [, , name = "", ...words] = process.argv

if (["run", "repl", "mcp", "host"].includes(name)) {
  EarlyLane.start(words)
}
if (name === "host") {
  process.argv.splice(2, 1)
  import("./commands/HostCommand.ts")
} else {
  import("./commands/Commands.ts")
}
