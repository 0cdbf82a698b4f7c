import ivm from "isolated-vm"
import { makePrepare } from "../src/isolate/lane/Warm.ts"
const prep = makePrepare(ivm as any, () => {})
const ts = []
for (let i = 0; i < 40; i++) {
  const t = performance.now()
  prep(256)
  ts.push(performance.now() - t)
  await new Promise((r) => setTimeout(r, 5))
}
console.log("first", ts[0].toFixed(2), "med", ts.slice(1).sort((a, b) => a - b)[20].toFixed(2))
process.kill(process.pid, "SIGKILL")
