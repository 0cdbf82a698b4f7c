import * as LaneProcess from "../src/isolate/LaneProcess.ts"
import { Kind } from "../src/isolate/Frames.ts"
import { Effect } from "effect"
const prog = (source: string) => JSON.stringify({ source, tools: '[{"name":"echo","description":""}]', stored: "[]", pausable: false, heapMebibytes: 256, maxPendingToolCalls: 1e6 })
let lane: any
const fresh = async () => { lane = LaneProcess.start({ warmIsolates: 3, onGone: () => console.log("GONE", lane.why?.()) }); lane.hold(true); await Effect.runPromise(lane.ready) }
await fresh()
const run = (source: string) => new Promise<string>((res) => {
  const cell = lane.open({ onLost: () => res("lost"), onEvent: (json: string) => { const e = JSON.parse(json); if (e._tag === "ToolCalls") for (const c of e.calls) lane.send(cell, Kind.Resolve, c.id + " 1"); if (e._tag === "Finished") { lane.close(cell); res("ok") } return true } })
  lane.send(cell, Kind.Start, prog(source))
})
const n: any = { ok: 0, lost: 0 }
for (let i = 0; i < Number(process.argv[3] ?? 300); i++) { const r = await run(process.argv[2]!); n[r]++; if (r === "lost") await fresh() }
console.log(n); lane.kill(); process.exit()
