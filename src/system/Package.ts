/**
 * Who this package says it is: to MCP servers, and on the command line.
 *
 * @internal
 */
import { createRequire } from "node:module"

/** The manifest lies two folders up, from `src` and from `dist` alike. */
const manifest: { readonly name: string; readonly version: string } = createRequire(import.meta.url)(
  "../../package.json"
)

export const { name, version } = manifest
