/**
 * The command `effect-code-mode`. Its `host` is `code-mode-host`, which has to be there soon and loads nothing of the
 * others. What runs cells has its first lane started before its own code is loaded.
 *
 * @internal
 */
import * as FirstLane from "../isolate/FirstLane.ts"

const [, , name = "", ...words] = process.argv

if (["run", "repl", "mcp", "host"].includes(name) && !words.some((word) => word === "--help" || word === "-h")) {
  FirstLane.start()
}
if (name === "host") {
  process.argv.splice(2, 1)
  import("./commands/HostCommand.ts")
} else {
  import("./commands/Commands.ts")
}
