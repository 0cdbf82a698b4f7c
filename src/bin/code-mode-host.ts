/**
 * The command `code-mode-host`, which is to be there soon: its first lane starts before its own code is loaded.
 *
 * @internal
 */
import * as FirstLane from "../isolate/FirstLane.ts"

if (!process.argv.some((word) => word === "--help" || word === "-h")) {
  FirstLane.start()
}
import("./commands/HostCommand.ts")
