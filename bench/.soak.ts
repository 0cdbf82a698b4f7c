import * as LaneProcess from "../src/isolate/LaneProcess.ts"
import { Kind } from "../src/isolate/Frames.ts"
import { Effect } from "effect"
const prog = (source: string) => JSON.stringify({ source, tools: '[{"name":"echo","description":""},{"name":"hold","description":""}]', stored: "[]", pausable: false, heapMebibytes: 64, maxPendingToolCalls: 1e6 })
let lane: LaneProcess.LaneProcess, lanes = 0, deaths = 0
const fresh = () => { lanes++; lane = LaneProcess.start({ warmIsolates: 3, onGone: () => { deaths++ } }); lane.hold(true) }
fresh()
const kinds: Array<[string, boolean]> = [
  ["text(1); exit()", false], ["for(;;);", true], ["await tools.hold()", true], ["for(;;) await 0", true], ["for(;;) await tools.echo(1)", true], ["for(;;) text('x'.repeat(1000))", true],
  ["const a=[];for(;;)a.push(new Array(1000).fill({}))", false], ["(function f(){ f() })()", false], ["Promise.reject(1); await tools.echo(1); Promise.reject(new Error('x'))", false],
  ["for(let i=0;i<50;i++) await new Promise(r=>setTimeout(r,1)); text(1)", false], ["setTimeout(()=>{throw 1},1); await new Promise(()=>{})", false], ["await Promise.all(Array.from({length:100},(_,i)=>tools.echo(i)))", false],
  ["export const a=1; await tools.echo(1); throw new Error('e')", false], ["export const a=1; for(;;);", true], ["try{ exit() } finally { for(;;); }", false], ["for (;;) { try { (function f(){ f() })() } catch {} }", true], ["for await (const x of as_settled([tools.echo(1), tools.hold()])) text(x)", true],
  ["let o; for(;;){ o = new Array(100) }", true], ["for(;;) notify('x')", true], ["for(;;) JSON.parse('[1,2,3]')", true], ["const r=/(a+)+b/; r.test('a'.repeat(40))", true]
]
const n: any = { ok: 0, lost: 0, stopped: 0, hung: 0 }; const lostBy: any = {}
const run = (source: string, stop: boolean) => new Promise<void>((res) => {
  const l = lane
  const done = (k: string) => { clearTimeout(guard); clearTimeout(t); n[k]++; if (k !== "ok" && k !== "stopped") lostBy[source + "/" + k] = (lostBy[source + "/" + k] ?? 0) + 1; res() }
  const guard = setTimeout(() => done("hung"), 30000)
  let t: any
  const cell = l.open({ onLost: () => done("lost"), onEvent: (json: string) => { const e = JSON.parse(json); if (e._tag === "ToolCalls") for (const c of e.calls) if (c.tool === 0) l.send(cell, Kind.Resolve, c.id + " 1"); if (e._tag === "Finished") { l.close(cell); done("ok") } return true } })
  l.send(cell, Kind.Start, prog(source))
  if (stop) t = setTimeout(() => { l.send(cell, Kind.Stop); l.close(cell); done("stopped") }, Math.random() * 40)
})
const until = Date.now() + Number(process.argv[2] ?? 20) * 1000
const worker = async () => { while (Date.now() < until) { if (!lane.isOpen()) fresh(); const [s, stop] = kinds[Math.floor(Math.random() * kinds.length)]!; await run(s, stop) } }
await Promise.all(Array.from({ length: 6 }, worker))
console.log(process.version, n, lostBy, { lanes, deaths }); lane!.kill(); process.exit()
