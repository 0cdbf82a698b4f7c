// Makes one file of the proofs' host: what a kill leaves behind waits for the start of the next host, which is then as long
// as that of the commands.
import { rmSync } from "node:fs"
import { join } from "node:path"
import { bundle } from "../../scripts/bundling.mjs"

const target = join(import.meta.dirname, "../../node_modules/.cache/prove-durable")

rmSync(target, { recursive: true, force: true })
await bundle({ target, name: "host", entry: join(import.meta.dirname, "host.ts"), minify: false })
