/**
 * Runs the unmodified Codex CLI with its own code-mode host and with ours in its place, over gRPC, which it speaks by
 * itself, and over framed JSON, and compares what the model behind it is told: `npm run test:codex`, or
 * `node test/codex/compare.ts TIMES`. Linux on x64 only, as the package it fetches.
 */
import { deepStrictEqual } from "node:assert"
import { join } from "node:path"
import * as Codex from "./Codex.ts"
import type { Turn } from "./Model.ts"
import * as Package from "./Package.ts"

const turns: ReadonlyArray<Turn> = [
  { exec: "text('hello'); text({ a: [1, 2] }); text(undefined)" },
  { exec: "const r = await tools.exec_command({ cmd: 'echo from a shell' }); text(r.output ?? r); store('n', 41)" },
  { exec: "text(load('n') + 1); text(ALL_TOOLS.map((tool) => tool.name).sort().join())" },
  { exec: "text('kept'); throw new Error('the model sees this')" },
  { exec: "const broken = ;" },
  { exec: "try { await tools.exec_command({}) } catch (error) { text(`caught ${error}`) }" },
  {
    exec: "const all = await Promise.all([1, 2, 3].map((n) => tools.exec_command({ cmd: `echo ${n}` })))\n" +
      "text(all.map((r) => (r.output ?? r).trim()).join('+'))"
  },
  {
    exec:
      "image('data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')"
  },
  { exec: "// @exec: {\"max_output_tokens\": 20}\ntext('word '.repeat(500))" },
  {
    exec:
      "// @exec: {\"yield_time_ms\": 300}\ntext('before'); const r = await tools.exec_command({ cmd: 'sleep 1; echo late' }); text(r.output ?? r)"
  },
  { wait: { yield_time_ms: 9_000 } },
  { wait: { yield_time_ms: 1_000 } },
  { exec: "text('first'); yield_control(); text('second'); exit(); text('never')" },
  { wait: { yield_time_ms: 9_000, max_tokens: 100 } },
  { exec: "// @exec: {\"yield_time_ms\": 200}\nwhile (true) {}" },
  { wait: { yield_time_ms: 5_000, terminate: true } },
  { exec: "text(typeof load('n')); text('the end')" }
]

const times = Number(process.argv[2] ?? 1)
const published = Package.folder()
const ours = [process.execPath, join(import.meta.dirname, "../../src/bin/code-mode-host.ts")]

for (const wire of ["grpc", "frames"] as const) {
  const wanted = await Codex.run(published, [join(published, "bin", "codex-code-mode-host")], wire, turns)
  deepStrictEqual(wanted.length, turns.length)
  for (let time = 0; time < times; time++) {
    deepStrictEqual(await Codex.run(published, ours, wire, turns), wanted)
  }
  console.log(`Over ${wire}, Codex tells its model the same with either host: ${turns.length} turns, ${times} times`)
}
