// One system in a process of its own. It is told which bodies to run, one at a time, and says how long each took.
import { sides } from "./sides.mjs"

const run = await sides[process.argv[2]]()

process.on("message", async ({ body, expected }) => {
  const from = performance.now()
  const value = await run(body)
  const millis = performance.now() - from
  process.send(value === expected ? { millis } : { wrong: JSON.stringify(value) })
})
process.send({ ready: true })
