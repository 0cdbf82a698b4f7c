import { Effect } from "effect"
import { Kind } from "../src/isolate/Frames.ts"
import * as LaneProcess from "../src/isolate/LaneProcess.ts"
const lane = LaneProcess.start({ warmIsolates: 3, onGone: () => {} })
lane.hold(true)
await Effect.runPromise(lane.ready)
await new Promise((r) => setTimeout(r, 500))
const prog = (source: string) =>
  JSON.stringify({
    source,
    tools: "[{\"name\":\"echo\",\"description\":\"\"}]",
    stored: "[]",
    pausable: false,
    heapMebibytes: 256,
    maxPendingToolCalls: 1e6
  })
const run = (source: string) =>
  new Promise<void>((res) => {
    const cell = lane.open({
      onLost: res,
      onEvent: (json) => {
        const e = JSON.parse(json)
        if (e._tag === "ToolCalls") { for (const c of e.calls) lane.send(cell, Kind.Resolve, c.id + " 1") }
        if (e._tag === "Finished") {
          lane.close(cell)
          res()
        }
        return true
      }
    })
    lane.send(cell, Kind.Start, prog(source))
  })
const m = async (name: string, n: number, src: string) => {
  const ts = []
  for (let i = 0; i < n; i++) {
    await new Promise((r) => setTimeout(r, 8))
    const t = performance.now()
    await run(src)
    ts.push(performance.now() - t)
  }
  ts.sort((a, b) => a - b)
  console.log(name, ts[n >> 1]!.toFixed(2), ts[Math.floor(n * .95)]!.toFixed(2))
}
await m("cell", 60, "text(1)")
await m("1 tool", 60, "text(await tools.echo(1))")
await m("seq 1000", 10, "for (let i = 0; i < 1000; i++) await tools.echo(i)")
await m("par 1000", 10, "await Promise.all(Array.from({ length: 1000 }, (_, i) => tools.echo(i)))")
lane.kill()
process.exit()
