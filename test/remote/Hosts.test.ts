/** Sessions at real hosts, and at programs that are none. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Remote from "effect-code-mode/Remote"
import * as Runtime from "effect-code-mode/Runtime"
import * as Frame from "effect-code-mode/wire/Frame"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { isRunning } from "../cli/Process.ts"
import * as HostProcess from "../host/HostProcess.ts"
import * as BuiltHost from "./BuiltHost.ts"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const wedged = "50 seconds"

const request = (source: string): Protocol.CellRequest => ({ callId: "call-1", source })

/** A session at a host. */
const reach = (connection: Layer.Layer<Remote.Connection>, delegate = Delegate.layerNoop) =>
  Effect.map(
    Layer.build(Layer.fresh(Layer.provide(Remote.layer(), [connection, delegate]))),
    (context) => Context.get(context, Runtime.SessionRuntime)
  )

/** Runs a cell to its end, and gives the length of each text that it put out. */
const run = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"], source: string) {
  const { initial } = yield* session.execute(request(source))
  const event = yield* initial
  assert.deepInclude(event, { _tag: "Completed" })
  return event.items.map((item) => item.type === "input_text" ? item.text.length : item.type)
})

describe("a session at a host process", () => {
  it.live("is this package's own, without anything in its environment", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const { initial } = yield* session.execute(request("text(await tools.add({ a: 1, b: 2 }))"))
      assert.deepStrictEqual((yield* initial).items, [{ type: "input_text", text: "3" }])
      assert.deepStrictEqual(yield* session.storedValues, { kept: [1] })
    }).pipe(
      Effect.provide(
        Remote.layer({ storedValues: { kept: [1] } }).pipe(Layer.provide([
          BuiltHost.layerProcess(),
          Delegate.layer({
            tools: [Delegate.definition("add", { description: "", inputSchema: {} })],
            invokeTool: ({ input }) => {
              const { a, b } = input as { readonly a: number; readonly b: number }
              return Effect.succeed(a + b)
            }
          })
        ]))
      ),
      Effect.timeout(wedged)
    ))

  it.live.each([2_000, 100_000_000])(
    "takes frames as long as its host does: %i bytes",
    (maxFrameBytes) =>
      Effect.gen(function*() {
        const { path } = yield* BuiltHost.listenSomewhere(
          "--max-frame-bytes",
          String(maxFrameBytes),
          "--max-undelivered-output-bytes",
          "100000000"
        )
        const session = yield* reach(Remote.layerUnix(path, { maxFrameBytes }))
        const most = Math.trunc(maxFrameBytes * 0.8)
        assert.deepStrictEqual(yield* run(session, `text("x".repeat(${most}))`), [most])
        const refused = yield* Effect.flip(session.create(request(" ".repeat(maxFrameBytes))))
        assert.deepInclude(refused, { _tag: "CapacityExceeded", limit: "frame" })
        // Nothing is lost with that.
        assert.deepStrictEqual(yield* session.storedValues, {})
        assert.deepStrictEqual(yield* run(session, "text(1)"), [1])
      })
  )

  it.live("shares it with others that are given the same connection", () =>
    Effect.gen(function*() {
      const pidFile = join(yield* HostProcess.folder, "pids")
      const { args, command } = BuiltHost.command
      const connection = BuiltHost.layerProcess({
        command: "/bin/sh",
        args: ["-c", `echo $$ >> ${pidFile}; exec "$0" "$@"`, command, ...args!],
        env: {}
      })
      const layer = Layer.provideMerge(Remote.layer(), [connection, Delegate.layerNoop])
      yield* Effect.gen(function*() {
        const one = yield* Runtime.SessionRuntime
        const two = yield* Remote.make()
        yield* run(one, "store('k', 1)")
        yield* run(two, "text(1)")
        assert.deepStrictEqual([yield* one.storedValues, yield* two.storedValues], [{ k: 1 }, {}])
      }).pipe(Effect.provide(layer), Effect.scoped)
      assert.lengthOf(readFileSync(pidFile, "utf8").trim().split("\n"), 1)
    }).pipe(Effect.timeout(wedged)))

  it.live("says why there is none", () =>
    Effect.gen(function*() {
      const why = (connection: Layer.Layer<Remote.Connection>) =>
        Effect.map(Effect.flip(Effect.scoped(reach(connection))), ({ message }) => message)
      assert.match(
        yield* why(BuiltHost.layerProcess({ command: "/no/such/host" })),
        /^cannot start the code-mode host \/no\/such\/host: NotFound/
      )
      assert.strictEqual(
        yield* why(
          BuiltHost.layerProcess({
            command: process.execPath,
            args: ["-e", "console.error('out of order'); process.exit(3)"]
          })
        ),
        "the code-mode host ended with status 3: out of order"
      )
      assert.match(
        yield* why(Remote.layerUnix("/no/such/socket")),
        /^cannot connect to the code-mode host: connect ENOENT/
      )
      const codex = yield* HostProcess.startUnix()
      assert.strictEqual(
        yield* why(Remote.layerUnix(codex.path)),
        "the code-mode host closed the connection"
      )
    }).pipe(Effect.timeout(wedged)))

  it.live("goes on at the next one when it is killed", () =>
    Effect.gen(function*() {
      const path = join(yield* HostProcess.folder, "host.sock")
      const calls: Array<string> = []
      const first = yield* BuiltHost.listen(path)
      const session = yield* reach(
        Remote.layerUnix(path),
        Delegate.layer({
          tools: [Delegate.definition("wait", { description: "", inputSchema: {} })],
          invokeTool: () =>
            Effect.onInterrupt(
              Effect.andThen(Effect.sync(() => calls.push("called")), Effect.never),
              () => Effect.sync(() => calls.push("cancelled"))
            )
        })
      )
      const { cell, initial } = yield* session.execute(request("store('k', 1); yield_control(); await tools.wait()"))
      yield* initial
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => calls.length === 1 })
      const observation = yield* background(session.observe(cell))
      first.child.kill("SIGKILL")
      assert.deepInclude(yield* Fiber.join(observation), {
        error: { _tag: "IsolateLost", text: "the code-mode host closed the connection" }
      })
      assert.deepStrictEqual(calls, ["called", "cancelled"])
      // Nobody listens there now.
      assert.strictEqual((yield* Effect.flip(session.create(request(""))))._tag, "IsolateFailure")
      yield* BuiltHost.listen(path)
      assert.deepStrictEqual(yield* run(session, "text(String(load('k')))"), ["undefined".length])
      const gone = yield* Effect.flip(session.observe(cell))
      assert.strictEqual(gone.message, `cell ${cell.id} belongs to a code-mode host that is gone`)
    }).pipe(Effect.timeout(wedged)))
})

// =============================================================================
// What is no host
// =============================================================================

const limits = JSON.stringify(Schema.encodeSync(Schema.toCodecJson(Protocol.Limits))(Protocol.Limits.make({})))

/** A program that opens sessions, writes its id to a file, and does what it is told when a cell is to be made. */
const speaking = (end: string) => `
  const say = (message) => {
    const payload = Buffer.from(JSON.stringify(message))
    const header = Buffer.alloc(4)
    header.writeUInt32LE(payload.length)
    require("node:fs").writeSync(1, Buffer.concat([header, payload]))
  }
  const end = () => { ${end} }
  process.stdin.on("data", (bytes) => {
    const opening = /"id":(\\d+),"tag":"Open"/.exec(bytes)
    if (opening !== null) {
      say({ _tag: "Chunk", requestId: Number(opening[1]), values: [{ _tag: "Opened", limits: ${limits} }] })
    }
    if (bytes.includes("Create")) {
      process.stdin.removeAllListeners("data")
      end()
    }
  })
  setInterval(() => {}, 1000)
`

const program = (source: string): Remote.Command => ({ command: process.execPath, args: ["-e", source] })

describe("a program", () => {
  it.live("that does not go is killed", () =>
    Effect.gen(function*() {
      const pidFile = join(yield* HostProcess.folder, "pid")
      const scope = yield* Scope.make()
      const deaf = `
        require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid))
        process.on("SIGTERM", () => {})
      `
      yield* reach(BuiltHost.layerProcess(program(deaf + speaking("")))).pipe(Scope.provide(scope))
      const pid = Number(readFileSync(pidFile, "utf8"))
      assert.isTrue(isRunning(pid))
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isRunning(pid))
    }).pipe(Effect.timeout(wedged)))

  const ends: Record<string, readonly [end: string, text: string]> = {
    "that closes its output and stays": ["require('node:fs').closeSync(1)", "the code-mode host closed its streams"],
    "that closes its input and stays": [
      "process.stdin.destroy(); require('node:fs').closeSync(0)",
      "the code-mode host closed its streams"
    ],
    "that is killed": ["process.kill(process.pid, 'SIGKILL')", "the code-mode host ended by SIGKILL"],
    "that says something that is not a message": [
      "console.log('hello, there')",
      "the code-mode host broke the protocol: code-mode IPC frame length 1819043176 exceeds 67108864 bytes"
    ],
    "that ends, and leaves a child that holds its streams": [
      `const { pid } = require("node:child_process").spawn("sleep", ["1000"], { stdio: "inherit" })
       process.stderr.write("left " + pid)
       process.exit(3)`,
      "the code-mode host ended with status 3: left "
    ]
  }

  for (const [name, [end, text]] of Object.entries(ends)) {
    it.live(`${name} is lost`, () =>
      Effect.gen(function*() {
        const session = yield* reach(BuiltHost.layerProcess(program(speaking(end))))
        const creation = yield* background(Effect.flip(session.create(request("text(1)"))))
        // That nobody listens any more shows when something is said.
        yield* Effect.repeat(
          Effect.andThen(background(Effect.exit(session.cells)), Effect.sleep("20 millis")),
          { while: () => creation.pollUnsafe() === undefined }
        )
        const failure = yield* Fiber.join(creation)
        assert.strictEqual(failure._tag, "IsolateFailure")
        assert.isTrue(failure.message.startsWith(text), failure.message)
        const child = /left (\d+)/.exec(failure.message)?.[1]
        if (child !== undefined) {
          yield* Effect.repeat(Effect.sleep("5 millis"), { while: () => isRunning(Number(child)) })
        }
      }).pipe(Effect.timeout(wedged)))
  }

  it.live("that hangs up as soon as it has picked up is lost", () =>
    Effect.gen(function*() {
      const path = join(yield* HostProcess.folder, "host.sock")
      yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((socket) => socket.destroy())
          server.listen(path, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      for (let turn = 0; turn < 20; turn++) {
        const failure = yield* Effect.flip(Effect.scoped(reach(Remote.layerUnix(path))))
        assert.strictEqual(failure.message, "the code-mode host closed the connection")
      }
    }).pipe(Effect.timeout(wedged)))

  it.live("that is no client of a host costs the others nothing", () =>
    Effect.gen(function*() {
      const { path } = yield* BuiltHost.listenSomewhere()
      const session = yield* reach(Remote.layerUnix(path))
      for (const bytes of [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Frame.encode("[1]") as Buffer]) {
        yield* Effect.callback<void>((resume) => {
          const socket = Net.connect(path, () => socket.write(bytes))
          socket.on("error", () => {}).resume().once("close", () => resume(Effect.void))
        })
      }
      assert.deepStrictEqual(yield* run(session, "text(1)"), [1])
    }).pipe(Effect.timeout(wedged)))
})
