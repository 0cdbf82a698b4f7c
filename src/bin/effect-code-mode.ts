/**
 * The command `effect-code-mode`. Its `host` is `code-mode-host`, which has to be there soon and loads nothing of the
 * others. Nor does it need any of them to say its version.
 *
 * @internal
 */
import * as EarlyLane from "./EarlyLane.ts"

const [, , name = "", ...words] = process.argv

if (["run", "repl", "mcp", "host"].includes(name)) {
  EarlyLane.start(words)
}
if (["--version", "-v"].includes(name) && words.length === 0) {
  import("./Version.ts")
} else if (name === "host") {
  process.argv.splice(2, 1)
  import("./commands/HostCommand.ts")
} else {
  import("./commands/Commands.ts")
}
