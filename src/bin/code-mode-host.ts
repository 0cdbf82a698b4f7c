/**
 * The command `code-mode-host`.
 *
 * @internal
 */
import * as EarlyLane from "./EarlyLane.ts"

EarlyLane.start(process.argv.slice(2))
import("./commands/HostCommand.ts")
