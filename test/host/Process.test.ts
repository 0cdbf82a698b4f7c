import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { existsSync, statSync } from "node:fs"
import { descendants, isRunning } from "../cli/Process.ts"
import { say } from "./Client.ts"
import * as HostProcess from "./HostProcess.ts"

/** Nothing here takes long unless it is stuck for ever. */
const wedged = "20 seconds"

/** How often to look whether something has happened that nobody tells. */
const tick = Schedule.spaced("20 millis")

const test = <E>(name: string, body: () => Effect.Effect<unknown, E, Scope.Scope>) =>
  it.live(name, () => Effect.timeout(body(), wedged), 60_000)

/** A host whose session has one cell in a loop, one with an open tool call, and one nobody has asked about. */
const busyHost = Effect.gen(function*() {
  const host = yield* HostProcess.startStdio()
  const { client } = host
  yield* client.open()
  yield* client.run("while (true) {}", { yieldTime: 0 })
  yield* client.run("await tools.hold()", { yieldTime: 0, tools: ["hold"] })
  yield* client.heardType("delegate/request")
  yield* client.run("await new Promise(() => {})", { yieldTime: 0 })
  const lanes = descendants(host.child.pid!)
  assert.isNotEmpty(lanes)
  return { ...host, lanes }
})

const assertGone = (lanes: ReadonlyArray<number>) => assert.deepStrictEqual(lanes.filter((lane) => isRunning(lane)), [])

describe("a host at standard input and output", () => {
  test("runs cells that call the client's tools", () =>
    Effect.gen(function*() {
      const { client } = yield* HostProcess.startStdio()
      yield* client.open()
      const { initial } = yield* client.execute("text(await tools.add({ a: 1, b: 2 })); notify('n'); console.log", {
        tools: ["add"],
        callId: "call-7"
      })
      const call = yield* client.heardType("delegate/request")
      assert.deepStrictEqual(call.request.type === "tool/invoke" && call.request.invocation.input, { a: 1, b: 2 })
      client.respond(call.id, 3)
      const notification = yield* client.heardType("delegate/request", 2)
      assert.deepStrictEqual(notification.request, {
        type: "notification/send",
        callId: "call-7",
        cellId: "1",
        text: "n"
      })
      client.accept(notification.id)
      assert.deepStrictEqual(say(yield* initial), [
        "Result",
        "3",
        "! ReferenceError: console is not defined\n    at exec_main.mjs:1:53"
      ])
    }))

  test("delivers a burst of five thousand tool calls of one cell", () =>
    Effect.gen(function*() {
      const { client } = yield* HostProcess.startStdio()
      yield* client.open()
      client.serve({
        tools: [],
        invokeTool: ({ input }) => Effect.succeed(input ?? null),
        notify: () => Effect.void
      })
      const { initial } = yield* client.execute(
        "const all = await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.same(i))); text(all.reduce((a, b) => a + b))",
        { tools: ["same"] }
      )
      assert.deepStrictEqual(say(yield* initial), ["Result", String(4999 * 2500)])
    }))

  test("ends with status 0 when its input does, and nothing of it is left", () =>
    Effect.gen(function*() {
      const { child, ended, lanes } = yield* busyHost
      child.stdin.end()
      assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
      assertGone(lanes)
    }))

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`ends with status 0 on ${signal}, and nothing of it is left`, () =>
      Effect.gen(function*() {
        const { child, ended, lanes } = yield* busyHost
        child.kill(signal)
        assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
        assertGone(lanes)
      }))
  }

  test("ends with status 0 when nobody reads what it says", () =>
    Effect.gen(function*() {
      const { child, client, ended, lanes } = yield* busyHost
      child.stdout.destroy()
      yield* Effect.repeat(
        Effect.sync(() => client.ask({ method: "session/shutdown", sessionId: "nobody" })),
        { while: () => child.exitCode === null && child.signalCode === null, schedule: tick }
      )
      assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
      assertGone(lanes)
    }))

  test("ends on SIGTERM although its client has long stopped reading", () =>
    Effect.gen(function*() {
      const { child, client, ended } = yield* HostProcess.startStdio()
      yield* client.open()
      client.pause()
      for (let cell = 0; cell < 10; cell++) {
        client.askExecute("text('x'.repeat(1e6))")
      }
      const { stdout } = child
      yield* Effect.repeat(Effect.void, {
        until: () => stdout.readableLength >= stdout.readableHighWaterMark,
        schedule: tick
      })
      child.kill("SIGTERM")
      yield* Effect.repeat(Effect.void, { while: () => child.exitCode === null, schedule: tick })
      assert.strictEqual(child.exitCode, 0)
      client.resume()
      yield* ended
    }))

  test("says what was wrong with its client, with status 1", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* HostProcess.startStdio()
      client.send({ type: "zzz" })
      const { status, stderr } = yield* ended
      assert.strictEqual(status, 1)
      assert.match(stderr, /^code-mode-host: failed to decode code-mode IPC frame: .*zzz|expected/i)
    }))

  test("is killed without leaving anything", () =>
    Effect.gen(function*() {
      const { child, ended, lanes } = yield* busyHost
      child.kill("SIGKILL")
      yield* ended
      yield* Effect.repeat(Effect.void, { while: () => lanes.some((lane) => isRunning(lane)), schedule: tick })
    }))
})

describe("a host on a socket", () => {
  test("serves many clients, each with sessions of its own", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix()
      const clients = yield* Effect.all([host.connect, host.connect, host.connect])
      yield* Effect.forEach(clients, (client) => Effect.andThen(client.hello(), client.open()), { concurrency: 3 })
      const stored = yield* Effect.forEach(clients, (client, index) =>
        Effect.andThen(client.run(`store("k", ${index})`), client.run("text(load('k'))")), { concurrency: 3 })
      assert.deepStrictEqual(stored.map(say), [["Result", "0"], ["Result", "1"], ["Result", "2"]])
    }))

  test("goes on when one of them leaves or breaks the protocol", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix()
      const [steady, leaving, broken] = yield* Effect.all([host.connect, host.connect, host.connect])
      yield* Effect.forEach([steady, leaving, broken], (client) => Effect.andThen(client.hello(), client.open()))
      const { initial } = yield* steady.execute("text(await tools.hold())", { tools: ["hold"] })
      const { id } = yield* steady.heardType("delegate/request")
      for (const client of [leaving, broken]) {
        yield* client.run("while (true) {}", { yieldTime: 0 })
      }
      leaving.end()
      broken.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
      yield* leaving.left
      yield* broken.left
      steady.respond(id, "still here")
      assert.deepStrictEqual(say(yield* initial), ["Result", "still here"])
    }))

  test("does not let a client that does not read hold up another", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix()
      const [steady, slow] = yield* Effect.all([host.connect, host.connect])
      yield* Effect.forEach([steady, slow], (client) => Effect.andThen(client.hello(), client.open()))
      const { initial } = yield* slow.execute(
        "const all = await Promise.all(Array.from({ length: 500 }, () => tools.same('x'.repeat(1e5)))); text(all.length)",
        { tools: ["same"] }
      )
      slow.pause()
      for (let turn = 0; turn < 20; turn++) {
        assert.deepStrictEqual(say(yield* steady.run(`text(${turn})`)), ["Result", String(turn)])
      }
      slow.resume()
      for (let call = 1; call <= 500; call++) {
        slow.respond((yield* slow.heardType("delegate/request", call)).id, null)
      }
      assert.deepStrictEqual(say(yield* initial), ["Result", "500"])
    }))

  test("is its owner's alone, and goes away with the host", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix()
      const stat = statSync(host.path)
      assert.isTrue(stat.isSocket())
      assert.strictEqual(stat.mode & 0o777, 0o600)
      const client = yield* host.connect
      yield* client.hello()
      yield* client.open()
      yield* client.run("while (true) {}", { yieldTime: 0 })
      const lanes = descendants(host.child.pid!)
      host.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
      assert.isFalse(existsSync(host.path))
      assertGone(lanes)
      yield* client.left
    }))

  test("is not taken from a host that serves it, but from one that was killed", () =>
    Effect.gen(function*() {
      const first = yield* HostProcess.startUnix()
      const second = yield* HostProcess.start("--listen", `unix://${first.path}`)
      const refused = yield* second.ended
      assert.strictEqual(refused.status, 1)
      assert.match(refused.stderr, /^code-mode-host: cannot listen on .*EADDRINUSE/)
      yield* (yield* first.connect).hello()

      first.child.kill("SIGKILL")
      yield* first.ended
      assert.isTrue(existsSync(first.path))
      const third = yield* HostProcess.start("--listen", `unix://${first.path}`)
      yield* HostProcess.listening(third)
      yield* (yield* HostProcess.connect(first.path)).hello()
    }))

  test("shares its number of live cells between its clients", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix("--max-live-cells", "1")
      const [one, other] = yield* Effect.all([host.connect, host.connect])
      yield* Effect.forEach([one, other], (client) => Effect.andThen(client.hello(), client.open()))
      yield* one.run("await new Promise(() => {})", { yieldTime: 0 })
      assert.deepStrictEqual(say(yield* other.answer(other.askExecute("text(1)"))), [
        "error",
        "code-mode host has too many active cells"
      ])
      one.end()
      yield* one.left
      const again = Effect.suspend(() => other.answer(other.askExecute("text(1)")))
      yield* Effect.repeat(again, { until: ({ status }) => status === "ok", schedule: tick })
    }))
})

describe("the command line", () => {
  const run = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
    const host = yield* HostProcess.start(...args)
    let stdout = ""
    host.child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text
    })
    host.child.stdin.end()
    return { ...yield* host.ended, stdout }
  })

  test("takes stdio by default and by its names", () =>
    Effect.gen(function*() {
      for (const args of [[], ["--listen", "stdio"], ["--listen=stdio://"]]) {
        assert.deepStrictEqual(yield* run(...args), { status: 0, stderr: "", stdout: "" })
      }
    }))

  test("explains itself", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run("--help")
      assert.deepStrictEqual([status, stderr], [0, ""])
      for (const flag of ["--listen URL", "--max-heap-size-bytes N", "--cancellation-grace-ms N"]) {
        assert.include(stdout, flag)
      }
    }))

  test("says what it does not understand, with status 2, and what it cannot listen on, with status 1", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, status: number, text: RegExp]> = [
        [["--bogus"], 2, /--bogus/],
        [["extra"], 2, /extra/],
        [["--listen"], 2, /--listen/],
        [["--max-live-cells", "many"], 2, /--max-live-cells takes a number, and got `many`/],
        [["--cancellation-grace-ms=-1"], 2, /takes a number/],
        [["--listen", "ws://127.0.0.1:0"], 1, /unsupported --listen URL `ws:\/\/127.0.0.1:0`; expected/],
        [["--listen", "unix://relative"], 1, /unsupported --listen URL/],
        [["--listen", "unix:///nowhere/at/all"], 1, /cannot listen on \/nowhere\/at\/all/]
      ]
      yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function*([args, status, text]) {
          const result = yield* run(...args)
          assert.deepStrictEqual([result.status, result.stdout], [status, ""], args.join(" "))
          assert.match(result.stderr, text)
          assert.match(result.stderr, /^code-mode-host: .*\n$/)
        }),
        { concurrency: 2 }
      )
    }))

  test("sets bounds", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix("--max-source-bytes", "10")
      const client = yield* host.connect
      yield* client.hello()
      yield* client.open()
      assert.deepStrictEqual(say(yield* client.answer(client.askExecute("text(1234567)"))), [
        "error",
        "the source is longer than 10 bytes"
      ])
    }))
})
