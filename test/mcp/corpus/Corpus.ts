/**
 * The tools of published servers.
 */
import type { ServerTool } from "effect-code-mode/Mcp"
import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"

export interface CorpusTool extends ServerTool {
  /** The npm package that it is from, and its version. */
  readonly server: string
  readonly version: string
}

export const tools: ReadonlyArray<CorpusTool> = gunzipSync(
  readFileSync(new URL("tools.jsonl.gz", import.meta.url))
).toString("utf8").split("\n").map((line) => JSON.parse(line))
