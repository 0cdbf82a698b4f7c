/**
 * This package in process beside others that run model-written JavaScript, on one node, in turn.
 *
 * `npm run bench:peers -- [--rounds FACTOR]`. Each system is in a process of its own. Times are medians in milliseconds,
 * after a pause of 8 ms, as a model's cells come; the last columns are theirs by ours.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { parseArgs } from "node:util"
import { sides } from "./sides.mjs"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "1" } } })

const tasks = [
  { name: "hello", few: 60, body: "return 1", expected: 1 },
  { name: "one call", few: 60, body: "return await echo({ value: 7 })", expected: 7 },
  {
    name: "200 calls in sequence",
    few: 11,
    body: "let sum = 0; for (let i = 0; i < 200; i++) sum += await echo({ value: i }); return sum",
    expected: 19_900
  },
  {
    name: "100 calls at once",
    few: 15,
    body:
      "const all = await Promise.all(Array.from({ length: 100 }, (_, i) => echo({ value: i }))); return all.reduce((a, b) => a + b)",
    expected: 4950
  },
  {
    name: "fib(25)",
    few: 9,
    body: "const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); return fib(25)",
    expected: 75_025
  }
]

const withinMillis = 60_000

const start = async (name) => {
  const child = fork(new URL("side.mjs", import.meta.url), [name], { stdio: ["ignore", "ignore", "pipe", "ipc"] })
  let said = ""
  // So that it is not waited for.
  child.on("exit", () => child.emit("error", new Error("it ended")))
  child.on("error", () => {})
  child.stderr.on("data", (text) => {
    said = (said + text).slice(-2000)
  })
  const isReady = await once(child, "message", { signal: AbortSignal.timeout(withinMillis) }).then(
    () => true,
    () => false
  )
  if (!isReady) {
    console.error(`${name} does not run here: ${said.match(/^.*Error.*$/m)?.[0] ?? said}`)
    return undefined
  }
  return { name, child }
}

const time = async ({ child }, { body, expected }) => {
  child.send({ body, expected })
  const [answer] = await once(child, "message", { signal: AbortSignal.timeout(withinMillis) })
  if (answer.millis === undefined) {
    throw new Error(`it gave ${answer.wrong}`)
  }
  return answer.millis
}

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))
const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]
const row = (cells) => console.log(`| ${cells.join(" | ")} |`)

const running = (await Promise.all(Object.keys(sides).map(start))).filter((side) => side !== undefined)
const others = running.slice(1)
row(["what", ...running.map(({ name }) => name), ...others.map(({ name }) => `${name} / ours`)])
row(Array(running.length + others.length + 1).fill("---"))

for (const task of tasks) {
  const figures = new Map(running.map((side) => [side, []]))
  const failed = new Map()
  for (let round = 0; round < Math.ceil(task.few * Number(values.rounds)); round++) {
    for (const side of round % 2 === 0 ? running : running.toReversed()) {
      await pause(8)
      if (!failed.has(side)) {
        await time(side, task).then(
          (millis) => figures.get(side).push(millis),
          (error) => failed.set(side, error.message)
        )
      }
    }
  }
  const medians = running.map((side) => failed.has(side) ? undefined : median(figures.get(side)))
  row([
    task.name,
    ...medians.map((millis) => millis === undefined ? "fails" : millis.toFixed(2)),
    ...medians.slice(1).map((millis) =>
      millis === undefined || medians[0] === undefined ? "" : (millis / medians[0]).toFixed(2)
    )
  ])
  failed.forEach((why, { name }) => console.error(`${name}: ${task.name}: ${why}`))
}
// Some of them do not end when they are asked to.
running.forEach(({ child }) => child.kill("SIGKILL"))
