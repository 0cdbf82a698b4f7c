/**
 * The command `effect-code-mode`. Its `host` is `code-mode-host`, which has to be there soon and loads nothing of the
 * others.
 *
 * @internal
 */
if (process.argv[2] === "host") {
  process.argv.splice(2, 1)
  import("./code-mode-host.ts")
} else {
  import("./commands/Commands.ts")
}
