/**
 * A client of the host's framed JSON that does no more than the benchmarks need.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { FrameReader } from "../dist/system/Framing.js"

export type Json = any

const tool = (name: string) => ({
  name,
  tool_name: { name, namespace: null },
  description: "Does one thing with what it is given, and says what came of it.",
  kind: "function",
  input_schema: {
    type: "object",
    properties: { path: { type: "string" }, limit: { type: "integer" } },
    required: ["path"],
    additionalProperties: false
  },
  output_schema: null
})

/** The tools of a cell that is told of no others. */
export const fewTools: ReadonlyArray<string> = ["echo", "deaf", "polite"]

/** What the system says of a process, from its state on; nothing of one that has ended. */
const stat = (pid: number): ReadonlyArray<string> => {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^[^]*\) /, "").split(" ")
  } catch {
    return []
  }
}

/** A host that was started, whatever it speaks. */
export class HostProcess {
  readonly child: ChildProcess
  private readonly lost = Promise.withResolvers<never>()

  constructor(command: string, args: ReadonlyArray<string>, env = process.env) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"], env })
    this.child.stdin!.on("error", () => {})
    this.lost.promise.catch(() => {})
    this.child.on("exit", () => this.lost.reject(new Error("the host is gone")))
  }

  /** What it gives, unless the host is lost. */
  protected unlessLost<A>(promise: Promise<A>): Promise<A> {
    const either = Promise.race([promise, this.lost.promise])
    // Who asked may have had enough meanwhile.
    either.catch(() => {})
    return either
  }

  /** The host, and what it started. */
  private processes(withLanes: boolean): ReadonlyArray<number> {
    const parents = new Map<number, number>()
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
      const parent = Number(stat(pid)[1])
      if (parent > 0) {
        parents.set(pid, parent)
      }
    }
    const isOurs = (pid: number | undefined): boolean =>
      pid !== undefined && (pid === this.child.pid || (withLanes && isOurs(parents.get(pid))))
    return Array.from(parents.keys()).filter(isOurs)
  }

  /** Resident memory of the host, and of what it started, in MiB. */
  memory(withLanes = true): number {
    const pages = this.processes(withLanes).reduce((sum, pid) => sum + Number(stat(pid)[21] ?? 0), 0)
    return pages * 4 / 1024
  }

  /** Processor time that the host and what it started have used, in ms, to 10 ms, with that of lanes that have ended. */
  cpuMillis(): number {
    return this.processes(true).flatMap((pid) => stat(pid).slice(11, 15)).reduce(
      (sum, ticks) => sum + 10 * Number(ticks),
      0
    )
  }

  end() {
    this.child.kill("SIGKILL")
  }

  /** Hangs up, and waits until the host has ended. */
  async leave() {
    this.child.stdin!.end()
    await this.lost.promise.catch(() => {})
  }
}

/** What a benchmark asks of a host. */
export interface BenchHost extends HostProcess {
  readonly open: () => Promise<this>
  /** Runs a cell to its first event. */
  readonly run: (
    source: string,
    yieldTime?: number,
    tools?: ReadonlyArray<string>
  ) => Promise<{ readonly cell: string }>
  readonly terminate: (cell: string) => Promise<unknown>
}

export class Host extends HostProcess implements BenchHost {
  /** A frame that comes in many pieces is put together once: some are as long as 64 MiB. */
  private readonly reader = new FrameReader(
    { headerLength: 4, lengthOf: (header) => header.readUInt32LE(0) },
    () => "take",
    (payload) => {
      this.onMessage(JSON.parse(payload.toString()))
      return true
    }
  )
  private lastId = 0
  private readonly waiting = new Map<string, (value: Json) => void>()
  onCancel = (_id: number) => {}

  constructor(command: string, args: ReadonlyArray<string>, env = process.env) {
    super(command, args, env)
    this.child.stdout!.on("data", (bytes: Buffer) => this.reader.push(bytes))
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
    return this.unlessLost(answer)
  }

  async hello() {
    const ready = this.wait("ready")
    this.send({
      type: "connection/hello",
      supportedVersions: [1],
      requiredCapabilities: [],
      optionalCapabilities: ["delegate-capacity-4096"]
    })
    await ready
    return this
  }

  private isGreeted = false

  async open(sessionId = "s") {
    if (!this.isGreeted) {
      this.isGreeted = true
      await this.hello()
    }
    await this.request({ method: "session/open", sessionId })
    return this
  }

  request(request: Json): Promise<Json> {
    const id = ++this.lastId
    const answered = this.wait(`answer ${id}`)
    this.send({ type: "operation/request", id, request })
    return answered
  }

  /** Runs a cell to its first event. */
  async run(
    source: string,
    yieldTime = 60_000,
    tools = fewTools,
    sessionId = "s"
  ): Promise<{ readonly cell: string; readonly event: Json }> {
    const initial = this.wait(`initial ${this.lastId + 1}`)
    const started = await this.request({
      method: "session/execute",
      sessionId,
      request: {
        tool_call_id: "c",
        enabled_tools: tools.map(tool),
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
}
