/**
 * Our host beside the published one, interleaved in one run, driven by one client.
 *
 * `npm run bench:codex -- PATH_TO_PUBLISHED_HOST`. Times are medians in milliseconds; read the ratios.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

type Json = any

const published = process.argv[2]
if (published === undefined) {
  console.error("usage: npm run bench:codex -- PATH_TO_PUBLISHED_HOST")
  process.exit(2)
}
const ours = fileURLToPath(new URL("../bin/code-mode-host.js", import.meta.url))

const tool = (name: string) => ({
  name,
  tool_name: { name, namespace: null },
  description: "",
  kind: "function",
  input_schema: null,
  output_schema: null
})

/** A client of the wire protocol that does no more than the benchmark needs. */
class Host {
  readonly child: ChildProcess
  private buffer: Buffer = Buffer.alloc(0)
  private lastId = 0
  private readonly waiting = new Map<string, (value: Json) => void>()
  private readonly lost = Promise.withResolvers<never>()
  onCancel = (_id: number) => {}

  constructor(command: string, args: ReadonlyArray<string>) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] })
    this.child.stdout!.on("data", (bytes: Buffer) => this.read(bytes))
    this.child.stdin!.on("error", () => {})
    this.lost.promise.catch(() => {})
    this.child.on("exit", () => this.lost.reject(new Error("the host is gone")))
  }

  private read(bytes: Buffer) {
    this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes])
    let at = 0
    while (this.buffer.length - at >= 4 && this.buffer.length - at - 4 >= this.buffer.readUInt32LE(at)) {
      const end = at + 4 + this.buffer.readUInt32LE(at)
      this.onMessage(JSON.parse(this.buffer.toString("utf8", at + 4, end)))
      at = end
    }
    this.buffer = this.buffer.subarray(at)
  }

  private onMessage(message: Json) {
    switch (message.type) {
      case "connection/ready":
        return this.waiting.get("ready")?.(message)
      case "operation/response":
        return this.settle(`answer ${message.id}`, message.result)
      case "execute/initialResponse":
        return this.settle(`initial ${message.id}`, message.result)
      case "delegate/cancel":
        return this.onCancel(message.id)
      case "delegate/request": {
        const { invocation } = message.request
        const { name } = invocation.tool_name
        if (name === "echo") {
          this.answer(message.id, invocation.input)
        } else if (name === "polite") {
          this.onCancel = (id) =>
            this.send({ type: "delegate/response", id, result: { status: "error", message: "cancelled" } })
        }
      }
    }
  }

  private settle(key: string, value: Json) {
    this.waiting.get(key)?.(value)
    this.waiting.delete(key)
  }

  private answer(id: number, result: Json) {
    this.send({ type: "delegate/response", id, result: { status: "ok", value: { type: "tool/result", result } } })
  }

  send(message: Json) {
    const payload = Buffer.from(JSON.stringify(message))
    const header = Buffer.alloc(4)
    header.writeUInt32LE(payload.length)
    this.child.stdin!.write(Buffer.concat([header, payload]))
  }

  private wait(key: string): Promise<Json> {
    const answer = new Promise<Json>((resolve) => this.waiting.set(key, resolve))
    return Promise.race([answer, this.lost.promise])
  }

  async open() {
    const ready = this.wait("ready")
    this.send({
      type: "connection/hello",
      supportedVersions: [1],
      requiredCapabilities: [],
      optionalCapabilities: ["delegate-capacity-4096"]
    })
    await ready
    await this.request({ method: "session/open", sessionId: "s" })
    return this
  }

  request(request: Json): Promise<Json> {
    const id = ++this.lastId
    const answered = this.wait(`answer ${id}`)
    this.send({ type: "operation/request", id, request })
    return answered
  }

  /** Runs a cell to its first event. */
  async run(source: string, yieldTime = 60_000): Promise<{ readonly cell: string; readonly event: Json }> {
    const initial = this.wait(`initial ${this.lastId + 1}`)
    const started = await this.request({
      method: "session/execute",
      sessionId: "s",
      request: {
        tool_call_id: "c",
        enabled_tools: ["echo", "deaf", "polite"].map(tool),
        source,
        yield_time_ms: yieldTime,
        max_output_tokens: null
      }
    })
    if (started.status !== "ok") {
      throw new Error(started.message)
    }
    return { cell: started.value.cellId, event: await initial }
  }

  terminate(cell: string) {
    return this.request({ method: "session/terminate", sessionId: "s", cellId: cell })
  }

  /** Resident memory of the host and of what it started, in MiB. */
  memory(): number {
    const parents = new Map<number, number>()
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
      try {
        parents.set(pid, Number(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[1]))
      } catch {
        // It has ended meanwhile.
      }
    }
    const isOurs = (pid: number | undefined): boolean =>
      pid !== undefined && pid !== 0 && (pid === this.child.pid || isOurs(parents.get(pid)))
    let pages = 0
    for (const pid of parents.keys()) {
      try {
        pages += isOurs(pid) ? Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) : 0
      } catch {
        // It has ended meanwhile.
      }
    }
    return pages * 4 / 1024
  }

  end() {
    this.child.kill("SIGKILL")
  }
}

const start = {
  ours: () => new Host(process.execPath, [ours]),
  published: () => new Host(published, [])
}
type Side = keyof typeof start
const sides: ReadonlyArray<Side> = ["ours", "published"]

const median = (times: ReadonlyArray<number>) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

const rows: Array<readonly [name: string, ours: number | undefined, published: number | undefined, unit: string]> = []

/** Rounds of both hosts in turn. A host that is lost or fails has no figure. */
const compare = async (name: string, rounds: number, work: (side: Side) => Promise<number>, unit = "ms") => {
  const figures: Record<Side, Array<number>> = { ours: [], published: [] }
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      try {
        figures[side].push(await work(side))
      } catch {
        // Told by the missing figure.
      }
    }
  }
  const of = (side: Side) => figures[side].length === rounds ? median(figures[side]) : undefined
  rows.push([name, of("ours"), of("published"), unit])
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const time = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

await compare("cold start to first result", 7, async (side) => {
  const from = performance.now()
  const host = await start[side]().open()
  await host.run("text(1)")
  const took = performance.now() - from
  host.end()
  return took
})

const warm: Record<Side, Host> = { ours: await start.ours().open(), published: await start.published().open() }
for (const side of sides) {
  await warm[side].run("text(1)")
}
const timed = (name: string, rounds: number, work: (host: Host) => Promise<unknown>) =>
  compare(name, rounds, async (side) => {
    await pause(10)
    return time(() => work(warm[side]))
  })

await timed("a cell", 60, (host) => host.run("text(1)"))
await timed("a cell with one tool call", 60, (host) => host.run("text(await tools.echo(1))"))
await timed("200 sequential calls", 9, (host) => host.run("for (let i = 0; i < 200; i++) await tools.echo(i)"))
await timed(
  "100 parallel calls",
  15,
  (host) => host.run("await Promise.all(Array.from({ length: 100 }, (_, i) => tools.echo(i)))")
)
await timed(
  "64 concurrent cells",
  5,
  (host) => Promise.all(Array.from({ length: 64 }, () => host.run("text(await tools.echo(1))")))
)
await timed("1 MB in and out", 9, (host) => host.run("text((await tools.echo('x'.repeat(1e6))).length)"))
const terminate = (name: string, source: string) =>
  compare(name, 7, async (side) => {
    const { cell } = await warm[side].run(source, 100)
    return time(() => warm[side].terminate(cell))
  })
await terminate("terminate a busy loop", "while (true) {}")
await terminate("terminate with a cooperative call", "await tools.polite()")
await terminate("terminate with a deaf call", "await tools.deaf()")
// Last, and each on a host of its own: the published one does not survive it.
await compare("5,000 parallel calls", 3, async (side) => {
  const host = await start[side]().open()
  try {
    return await time(() => host.run("await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.echo(i)))"))
  } finally {
    host.end()
  }
})
for (const cells of [0, 200, 1000]) {
  await compare(`memory with ${cells} idle cells`, 1, async (side) => {
    const host = await start[side]().open()
    await host.run("text(1)")
    for (let cell = 0; cell < cells; cell++) {
      await host.run("await tools.deaf()", 0)
    }
    await pause(500)
    const memory = host.memory()
    host.end()
    return memory
  }, "MiB")
}

const show = (figure: number | undefined, unit: string) =>
  figure === undefined ? "fails" : `${figure.toFixed(figure < 10 ? 2 : 0)} ${unit}`

console.log("| what | ours | published | ours / published |\n| --- | --- | --- | --- |")
for (const [name, a, b, unit] of rows) {
  const ratio = a === undefined || b === undefined ? "" : (a / b).toFixed(2)
  console.log(`| ${name} | ${show(a, unit)} | ${show(b, unit)} | ${ratio} |`)
}
for (const side of sides) {
  warm[side].end()
}
process.exit(0)
