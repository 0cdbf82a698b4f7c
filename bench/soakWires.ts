/**
 * Clients of host processes over both wires, with faults of their own: `npm run soak -- [seconds] --wires`.
 *
 * Cells are good and hostile ones; clients reset what they asked, stop reading for a while, and are gone from one moment to
 * the next. Every answer has to be the right one, a host that is left has to end, with all of its lanes, and the host that
 * serves many has to hold no more at the end than it did.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { join } from "node:path"
import * as Lanes from "../test/hostile/Lanes.ts"
import { GrpcClient, GrpcHost } from "./GrpcHost.ts"
import { Host, type Json } from "./Host.ts"
import { count, counts, pick, violate, violations } from "./Violations.ts"

const seconds = Number(process.argv[2] ?? 600)
const cellsOfAClient = 20
const clientsOfEachKind = 2
const wedgedMillis = 60_000
const command = join(import.meta.dirname, "../bin/code-mode-host.js")

const good: ReadonlyArray<readonly [source: string, answer: string]> = [
  ["text(6 * 7)", "42"],
  ["text(await tools.echo({ a: 1 }))", "{\"a\":1}"],
  ["text((await Promise.all(Array.from({ length: 100 }, (_, i) => tools.echo(i)))).length)", "100"],
  ["store('k', [1]); text(load('k').length)", "1"],
  ["await new Promise((resolve) => setTimeout(resolve, 20)); text('late')", "late"],
  ["text((await tools.echo('x'.repeat(300_000))).length)", "300000"],
  ["text('x'.repeat(100_000).length); throw 'end'", "100000!end"]
]
const hostile = [
  "while (true) {}",
  "const all = []; for (;;) all.push(new Array(1e5).fill(1.5))",
  "for (;;) text('x'.repeat(1e4))",
  "for (let i = 0; i < 2000; i++) tools.deaf(i); await tools.deaf()",
  "const f = () => f(); try { f() } catch {} await new Promise(() => {})"
]

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const within = <A>(what: string, work: Promise<A>): Promise<A> =>
  Promise.race([
    work,
    pause(wedgedMillis).then(() => Promise.reject(new Error(`${what} takes longer than ${wedgedMillis} ms`)))
  ])

/** A client that is connected, whatever it speaks. */
interface Connected {
  readonly wire: string
  readonly answer: (source: string) => Promise<string>
  /** Starts a cell that does not end, and ends it in one of the ways that the wire has. */
  readonly hold: (source: string) => Promise<void>
  /** Reads nothing for a while. */
  readonly stall: () => Promise<void>
  readonly leave: () => void
  /** Waits until nothing is left of it. */
  readonly left: () => Promise<void>
}

/** A host at standard input and output is gone when its client is, and its lanes are. */
const goneWithClient = async (child: ChildProcess) => {
  const lanes = Lanes.lanesOf(child.pid!)
  child.stdin!.destroy()
  child.stdout!.destroy()
  if (child.exitCode === null) {
    await within("the end of a host", once(child, "exit"))
  }
  if (child.exitCode !== 0) violate(`a host ended with ${child.exitCode ?? child.signalCode}`)
  await within(
    "the end of lanes",
    (async () => {
      while (lanes.some(Lanes.isAlive)) await pause(20)
    })()
  )
}

const stallOn = async (stream: { readonly pause: () => unknown; readonly resume: () => unknown }) => {
  stream.pause()
  await pause(500)
  stream.resume()
}

const sayFrames = ({ Result }: Json): string =>
  Result === undefined
    ? "Yielded"
    : Result.content_items.map((item: Json) => item.text).join() +
      (Result.error_text === null ? "" : `!${Result.error_text}`)

const frames = async (): Promise<Connected> => {
  const host = await new Host(process.execPath, [command]).open()
  return {
    wire: "frames",
    answer: async (source) => sayFrames((await host.run(source)).event.value),
    hold: async (source) => {
      await host.terminate((await host.run(source, 50)).cell)
    },
    stall: () => stallOn(host.child.stdout!),
    leave: () => host.child.stdout!.destroy(),
    left: () => goneWithClient(host.child)
  }
}

const overGrpc = (client: GrpcClient): Pick<Connected, "answer" | "hold"> => ({
  answer: async (source) => {
    const { outcome: { completed, content_items } } = await client.run(source)
    return completed === undefined
      ? "Yielded"
      : content_items.map(({ text }) => text?.text).join()
        + (completed.error_text === undefined ? "" : `!${completed.error_text}`)
  },
  hold: async (source) => {
    if (Math.random() < 0.5) {
      await client.terminate((await client.run(source, 50)).cell)
    } else {
      count("executions reset")
      const reset = Promise.withResolvers<void>()
      client.run(source, 60_000, undefined, (stream) => {
        client.http.reset(stream)
        reset.resolve()
      }).catch(reset.resolve)
      await reset.promise
    }
  }
})

const grpc = async (): Promise<Connected> => {
  const host = await new GrpcHost(process.execPath, [command]).open()
  return {
    wire: "gRPC",
    ...overGrpc(host.client),
    stall: () => stallOn(host.child.stdout!),
    leave: () => host.child.stdout!.destroy(),
    left: () => goneWithClient(host.child)
  }
}

const shared = spawn(process.execPath, [command, "--listen", "grpc://127.0.0.1:0"], {
  stdio: ["ignore", "pipe", "inherit"]
})
const [url] = await once(shared.stdout, "data")
const port = Number(new URL(String(url).trim()).port)

const tcp = async (): Promise<Connected> => {
  const socket = connect(port, "127.0.0.1")
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  socket.on("error", () => {}).on("close", () => lost.reject(new Error("the connection is gone")))
  const client = new GrpcClient(
    (bytes) => socket.write(bytes),
    (promise) => {
      const either = Promise.race([promise, lost.promise])
      either.catch(() => {})
      return either
    }
  )
  socket.on("data", (bytes: Buffer) => client.http.read(bytes))
  await client.open()
  return {
    wire: "gRPC at a port",
    ...overGrpc(client),
    stall: () => stallOn(socket),
    leave: () => socket.destroy(),
    left: () => Promise.resolve()
  }
}

const end = performance.now() + seconds * 1000

/** One client from its greeting to its end. */
const live = async (make: () => Promise<Connected>) => {
  const client = await within("the start of a client", make())
  const isWild = Math.random() < 0.5
  const cell = async () => {
    if (isWild && Math.random() < 0.3) {
      await within(`a hostile cell over ${client.wire}`, client.hold(pick(hostile)))
      count(`${client.wire}: hostile cells`)
    } else {
      const [source, expected] = pick(good)
      const answer = await within(`a good cell over ${client.wire}`, client.answer(source))
      count(`${client.wire}: good cells`)
      // A cell that shares its lane with a hostile one may end with it.
      if (answer !== expected && !isWild) violate(`${client.wire}: ${answer.slice(0, 300)} for ${expected}`)
    }
  }
  for (let cells = 0; cells < cellsOfAClient; cells += 2) {
    await Promise.all([cell(), cell(), ...(Math.random() < 0.1 ? [client.stall()] : [])])
  }
  if (Math.random() < 0.3) {
    // In the middle of everything.
    client.answer("await tools.deaf()").catch(() => {})
    client.answer("while (true) {}").catch(() => {})
    await pause(50)
    client.leave()
    count("clients gone at once")
  }
  client.leave()
  await client.left()
  count(`${client.wire}: clients`)
}

const report = () => {
  const lanes = Lanes.lanesOf(shared.pid!).length
  console.log(
    JSON.stringify({ ...counts, sharedMiB: Math.round(Lanes.residentMebibytes(shared.pid!)), sharedLanes: lanes })
  )
}
const reporting = setInterval(report, seconds * 100)

await Promise.all(
  [frames, grpc, tcp].flatMap((make) =>
    Array.from({ length: clientsOfEachKind }, async () => {
      while (performance.now() < end) {
        await live(make).catch((error) => violate(String(error)))
      }
    })
  )
)
clearInterval(reporting)

// Lanes that are held ready stay.
const readyLanes = 4
const patienceEnds = performance.now() + 10_000
while (Lanes.lanesOf(shared.pid!).length > readyLanes && performance.now() < patienceEnds) {
  await pause(50)
}
report()
if (Lanes.lanesOf(shared.pid!).length > readyLanes) violate("the shared host keeps lanes of clients that are gone")
shared.kill("SIGTERM")
const [status] = await once(shared, "exit")
if (status !== 0) violate(`the shared host ended with ${status}`)
console.log(violations.length === 0 ? "no violation" : `${violations.length} violations`)
process.exit(violations.length === 0 ? 0 : 1)
