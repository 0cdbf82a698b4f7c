import ivm from "isolated-vm"
import { load } from "../src/isolate/lane/Source.ts"
import { makePrepare } from "../src/isolate/lane/Warm.ts"
const prep = makePrepare(ivm as any, () => {})
const A = [], B = [], C = [], D = [], E = []
for (let i = 0; i < 60; i++) {
  const p = prep(256)
  if (process.argv[2]) await p.controls.drain.apply(undefined, [], { result: { copy: true } })
  await new Promise((r) => setTimeout(r, 8))
  let t = performance.now()
  await p.controls.drain.apply(undefined, [], { result: { copy: true } })
  D.push(performance.now() - t)
  t = performance.now()
  await p.controls.drain.apply(undefined, [], { result: { copy: true } })
  E.push(performance.now() - t)
  t = performance.now()
  load(p, "text(1)")
  A.push(performance.now() - t)
  t = performance.now()
  const r = await p.controls.start.apply(undefined, ["[]", "[]", 10], { result: { copy: true } })
  B.push(performance.now() - t)
  t = performance.now()
  p.isolate.dispose()
  C.push(performance.now() - t)
}
for (const x of [A, B, C, D, E]) console.log(x.sort((a, b) => a - b)[30]!.toFixed(3), x[56]!.toFixed(3))
process.kill(process.pid, "SIGKILL")
