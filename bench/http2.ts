/**
 * What an answer costs with `node:http2` and nothing else, beside one in a frame of JSON: the least that gRPC adds to a tool call.
 *
 * `npm run bench:http2 -- [--answers NUMBER] [--rounds NUMBER] [--pause MILLIS]`. Each server gives back what it is sent, one request after the
 * other, interleaved. Medians of the rounds, in microseconds an answer: from the request to the end of the answer, and
 * processor time of the server. With a pause before each request, the server is as cold as one that does other work.
 */
import { createServer, performServerHandshake } from "node:http2"
import { connect, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import { FrameReader } from "../dist/system/Framing.js"
import * as StdioDuplex from "../dist/wire/grpc/StdioDuplex.js"
import { RawHttp2 } from "../test/grpc/RawHttp2.ts"
import { HostProcess } from "./Host.ts"
import { median } from "./Quantile.ts"

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    serve: { type: "string" },
    answers: { type: "string", default: "1000" },
    rounds: { type: "string", default: "9" },
    pause: { type: "string", default: "0" }
  }
})

const framing = { headerLength: 4, lengthOf: (header: Buffer) => header.readUInt32LE(0) }

const toFrame = (message: unknown) => {
  const payload = Buffer.from(JSON.stringify(message))
  const header = Buffer.alloc(4)
  header.writeUInt32LE(payload.length)
  return Buffer.concat([header, payload])
}

const framesOf = (input: NodeJS.ReadableStream, onMessage: (message: unknown) => void) => {
  const reader = new FrameReader(framing, () => "take", (payload) => {
    onMessage(JSON.parse(payload.toString()))
    return true
  })
  input.on("data", (bytes: Buffer) => reader.push(bytes))
}

// =============================================================================
// Servers
// =============================================================================

/** As a call of gRPC is answered: headers, one message, and its status in trailers. */
const answer = (session: ReturnType<typeof performServerHandshake>) =>
  session.on("error", () => {}).on("stream", (stream) => {
    let body: Buffer
    stream.on("error", () => {}).on("data", (bytes: Buffer) => {
      body = bytes
    })
    stream.on("end", () => {
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true })
      stream.end(body)
    })
  })

/** Linux has sockets whose names are in no folder. */
const toSocket = (name: string) => `\0${name}`

const servers: Readonly<Record<string, (name: string) => unknown>> = {
  frames: () => framesOf(process.stdin, (message) => process.stdout.write(toFrame(message))),
  pipes: () => answer(performServerHandshake(StdioDuplex.make())),
  socket: (name) => createServer().on("session", answer).listen(toSocket(name), () => process.stdout.write("listening"))
}

// =============================================================================
// Clients
// =============================================================================

type Ask = () => Promise<unknown>

class Server extends HostProcess {
  readonly socket: string

  constructor(kind: string) {
    const name = `bench-http2-${process.pid}`
    super(process.execPath, [import.meta.filename, "--serve", kind, name])
    this.socket = toSocket(name)
  }
}

const message = {
  type: "delegate/response",
  id: 1,
  result: { status: "ok", value: { type: "tool/result", result: 1 } }
}

const askFrames = ({ child }: Server): Ask => {
  let told = (_: unknown) => {}
  framesOf(child.stdout!, (message) => told(message))
  return () =>
    new Promise((resolve) => {
      told = resolve
      child.stdin!.write(toFrame(message))
    })
}

const body = Buffer.concat([Buffer.from([0, 0, 0, 0, 78]), Buffer.alloc(78)])

const askHttp2 = (input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Ask => {
  const http = new RawHttp2((bytes) => output.write(bytes))
  input.on("data", (bytes: Buffer) => http.read(bytes))
  return () =>
    new Promise<void>((resolve) => {
      http.ask("/codex.code_mode.v1.CodeModeHost/CompleteToolCall", body, { onData: () => {}, onEnd: resolve })
    })
}

const connected = async ({ child, socket: path }: Server): Promise<Ask> => {
  await new Promise((resolve) => child.stdout!.once("data", resolve))
  const socket = await new Promise<Socket>((resolve) => {
    const socket = connect(path, () => resolve(socket))
  })
  return askHttp2(socket, socket)
}

const clients: Readonly<Record<string, (server: Server) => Ask | Promise<Ask>>> = {
  frames: askFrames,
  pipes: ({ child }) => askHttp2(child.stdout!, child.stdin!),
  socket: connected
}

const run = async () => {
  const answers = Number(values.answers)
  const pauseMillis = Number(values.pause)
  const sides = await Promise.all(
    Object.entries(clients).map(async ([kind, client]) => {
      const server = new Server(kind)
      return { kind, server, ask: await client(server), wall: Array<number>(), cpu: Array<number>() }
    })
  )
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { ask, cpu, server, wall } of round % 2 === 0 ? sides : sides.toReversed()) {
      const cpuBefore = server.cpuMillis()
      let millis = 0
      for (let count = 0; count < answers; count++) {
        if (pauseMillis > 0) {
          await setTimeout(pauseMillis)
        }
        const before = performance.now()
        await ask()
        millis += performance.now() - before
      }
      wall.push(1_000 * millis / answers)
      cpu.push(1_000 * (server.cpuMillis() - cpuBefore) / answers)
    }
  }
  console.log("| an answer | it takes | processor time |\n| --- | --- | --- |")
  for (const { cpu, kind, server, wall } of sides) {
    console.log(`| ${kind} | ${median(wall).toFixed(0)} µs | ${median(cpu).toFixed(0)} µs |`)
    server.end()
  }
  process.exit(0)
}

await (values.serve === undefined ? run() : servers[values.serve]!(process.argv.at(-1)!))
