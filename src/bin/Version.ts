/**
 * What `effect-code-mode --version` says. It is loaded instead of the commands, and loads nothing of them.
 *
 * @internal
 */
import * as Package from "../system/Package.ts"

// Whoever has asked need not listen.
process.stdout.on("error", () => {})
process.stdout.write(`effect-code-mode v${Package.version}\n`)
