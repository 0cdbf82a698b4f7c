import { assert, describe, it } from "@effect/vitest"
import { Limits } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { descendants, isRunning, root } from "../cli/Process.ts"
import { Client, say } from "./Client.ts"
import * as HostProcess from "./HostProcess.ts"

/** Nothing here takes that long, on the busiest machine, unless it is stuck for ever. */
const wedged = "50 seconds"

/** How often to look whether something has happened that nobody tells. */
const tick = Schedule.spaced("20 millis")

const test = <E>(name: string, body: () => Effect.Effect<unknown, E, Scope.Scope>) =>
  it.live(name, () => Effect.timeout(body(), wedged), 60_000)

/** A host whose session has one cell in a loop, one with an open tool call, and one nobody has asked about. */
const busyHost = Effect.gen(function*() {
  const host = yield* HostProcess.startStdio()
  const { client } = host
  yield* client.open()
  yield* client.run("await tools.hold()", { yieldTime: 0, tools: ["hold"] })
  yield* client.heardType("delegate/request")
  yield* client.run("await new Promise(() => {})", { yieldTime: 0 })
  yield* client.run("while (true) {}", { yieldTime: 0 })
  const lanes = descendants(host.child.pid!)
  assert.isNotEmpty(lanes)
  return { ...host, lanes }
})

/** Waits until processes that were told to go are gone: one that is killed takes its moment. */
const gone = (lanes: ReadonlyArray<number>) =>
  Effect.repeat(Effect.void, { while: () => lanes.some((lane) => isRunning(lane)), schedule: tick }).pipe(
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.die(new Error(`still there: ${lanes.filter((lane) => isRunning(lane))}`))
    })
  )

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
      yield* gone(lanes)
    }))

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`ends with status 0 on ${signal}, and nothing of it is left`, () =>
      Effect.gen(function*() {
        const { child, ended, lanes } = yield* busyHost
        child.kill(signal)
        assert.deepStrictEqual(yield* ended, { status: 0, stderr: "" })
        yield* gone(lanes)
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
      yield* gone(lanes)
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
      yield* gone(lanes)
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
      yield* gone(lanes)
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

  test("is not made where there is something else", () =>
    Effect.gen(function*() {
      const folder = yield* HostProcess.folder
      const precious = join(folder, "precious")
      writeFileSync(precious, "text")
      const link = join(folder, "link")
      symlinkSync(precious, link)
      for (const path of [precious, link, folder]) {
        const { ended } = yield* HostProcess.start("--listen", `unix://${path}`)
        const { status, stderr } = yield* ended
        assert.strictEqual(status, 1)
        assert.match(stderr, /^code-mode-host: cannot listen on .*EADDRINUSE/)
      }
      assert.strictEqual(readFileSync(precious, "utf8"), "text")
      assert.isTrue(lstatSync(link).isSymbolicLink())
    }))

  test("is one host's, although many find it abandoned at the same time", () =>
    Effect.gen(function*() {
      const folder = yield* HostProcess.folder
      const path = join(folder, "host.sock")
      for (let round = 0; round < 3; round++) {
        const before = yield* HostProcess.start("--listen", `unix://${path}`)
        yield* HostProcess.listening(before)
        before.child.kill("SIGKILL")
        yield* before.ended
        const hosts = yield* Effect.all(
          Array.from({ length: 4 }, () => HostProcess.start("--listen", `unix://${path}`))
        )
        // Each of them listens or ends.
        const listening = yield* Effect.forEach(hosts, (host) =>
          Effect.raceFirst(
            Effect.as(HostProcess.listening(host), true),
            Effect.map(host.ended, ({ status }) => {
              assert.strictEqual(status, 1)
              return false
            })
          ), { concurrency: "unbounded" })
        assert.deepStrictEqual(listening.filter((listens) => listens), [true])
        yield* (yield* HostProcess.connect(path)).hello()
        assert.deepStrictEqual(readdirSync(folder), ["host.sock"])
        const owner = hosts[listening.indexOf(true)]!
        owner.child.kill("SIGTERM")
        yield* owner.ended
      }
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

describe("a host with much to do", () => {
  const endings: Record<string, (host: HostProcess.HostProcess) => void> = {
    "its input ends": ({ child }) => child.stdin.end(),
    "it is told to": ({ child }) => child.kill("SIGTERM")
  }

  for (const [name, end] of Object.entries(endings)) {
    test(`ends when ${name}, whatever 200 cells are doing`, () =>
      Effect.gen(function*() {
        const host = yield* HostProcess.startStdio()
        const { client } = host
        yield* client.open()
        // The busy ones last, as they take from the others.
        const sources = [
          ["await tools.hold()", 96],
          ["text('x'.repeat(1e5)); await new Promise(() => {})", 50],
          ["notify('n'); setTimeout(() => {}, 1e6)", 50],
          ["while (true) {}", 4]
        ] as const
        for (const [source, count] of sources) {
          yield* Effect.all(
            Array.from({ length: count }, () => client.run(source, { yieldTime: 0, tools: ["hold"] })),
            { concurrency: 16 }
          )
        }
        yield* client.heardType("delegate/request", 96 + 50)
        const lanes = descendants(host.child.pid!)
        // Whoever listened does so no more.
        client.pause()
        for (let cell = 0; cell < 10; cell++) {
          client.askExecute("text('x'.repeat(1e6))")
        }
        end(host)
        yield* Effect.repeat(Effect.void, { while: () => host.child.exitCode === null, schedule: tick })
        client.resume()
        assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
        yield* gone(lanes)
      }))
  }

  test("keeps what a client does not read in bounds, and delivers it when it does", () =>
    Effect.gen(function*() {
      const { child, client } = yield* HostProcess.startStdio({ optional: ["delegate-capacity-4096"] })
      const memory = () => Number(readFileSync(`/proc/${child.pid}/statm`, "utf8").split(" ")[1]) * 4096
      const written = () => /^wchar: \d+/m.exec(readFileSync(`/proc/${child.pid}/io`, "utf8"))![0]
      yield* client.open()
      yield* client.run("text(1)")
      const before = memory()
      const { initial } = yield* client.execute(
        `const all = await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.same('x'.repeat(1e4) + i)))
         text(all.length)`,
        { tools: ["same"], yieldTime: 60_000 }
      )
      client.pause()
      // Until it writes no more.
      yield* Effect.suspend(() => Effect.as(Effect.sleep("100 millis"), written())).pipe(
        Effect.repeat({ until: (before) => before === written() })
      )
      const sizes: Array<number> = []
      for (let call = 1; call <= 5000; call++) {
        // Reads a little, and no more than it answers.
        client.resume()
        const { id } = yield* client.heardType("delegate/request", call)
        client.pause()
        client.respond(id, null)
        if (call % 500 === 0) {
          sizes.push(memory() - before)
        }
      }
      client.resume()
      assert.deepStrictEqual(say(yield* initial), ["Result", "5000"])
      assert.isBelow(Math.max(...sizes), 300 * 2 ** 20)
    }))
})

describe("a host that is started", () => {
  const launcher = join(root, "bin", "code-mode-host.js")
  const command = join(root, "bin", "effect-code-mode.js")
  const oldNode = "/usr/bin/node"
  const isOld = existsSync(oldNode) &&
    Number(spawnSync(oldNode, ["-p", "parseInt(process.versions.node)"], { encoding: "utf8" }).stdout) < 24
  const nodeOnPath = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` }

  const link = Effect.map(HostProcess.folder, (folder) => {
    const path = join(folder, "host")
    symlinkSync(launcher, path)
    return path
  })

  const ways: Record<string, Effect.Effect<HostProcess.HowToStart, never, Scope.Scope>> = {
    "by its absolute path in another folder": Effect.succeed({ command: [launcher], cwd: "/", env: nodeOnPath }),
    "through a symlink": Effect.map(link, (path) => ({ command: [path], env: nodeOnPath })),
    "with nothing in its environment": Effect.succeed({ command: [process.execPath, launcher], env: {} }),
    "with a strange environment": Effect.succeed({
      command: [process.execPath, launcher],
      env: {
        NODE_OPTIONS: "--max-old-space-size=512 --enable-source-maps",
        NODE_ENV: "production",
        FORCE_COLOR: "1",
        HOME: "/nowhere",
        TMPDIR: "/nowhere",
        LANG: "tr_TR.UTF-8",
        TZ: "Asia/Kathmandu"
      }
    }),
    "as a subcommand": Effect.succeed({ command: [command, "host"], cwd: "/", env: nodeOnPath }),
    "as a subcommand, from its source": Effect.succeed({
      command: [process.execPath, join(root, "bin/effect-code-mode.js"), "host"]
    }),
    ...isOld
      ? {
        "with an old node on the path": Effect.succeed({
          command: [launcher],
          cwd: "/",
          env: { PATH: "/usr/bin:/bin" }
        }),
        "as a subcommand, with an old node on the path": Effect.succeed({
          command: [command, "host"],
          cwd: "/",
          env: { PATH: "/usr/bin:/bin" }
        })
      }
      : {}
  }

  for (const [name, way] of Object.entries(ways)) {
    test(`${name} serves a client, and ends with it`, () =>
      Effect.gen(function*() {
        const how = yield* way
        const host = yield* HostProcess.startAs(how, "--max-source-bytes", "200")
        const client = new Client(host.child.stdout, host.child.stdin)
        yield* client.hello()
        yield* client.open()
        assert.deepStrictEqual(say(yield* client.run("text(6 * 7)")), ["Result", "42"])
        assert.strictEqual(say(yield* client.answer(client.askExecute(" ".repeat(201))))[0], "error")
        const started = descendants(host.child.pid!)
        host.child.stdin.end()
        assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
        yield* gone(started)
      }))

    test(`${name} ends on SIGTERM`, () =>
      Effect.gen(function*() {
        const host = yield* HostProcess.startAs(yield* way)
        const client = new Client(host.child.stdout, host.child.stdin)
        yield* client.hello()
        yield* client.open()
        yield* client.run("while (true) {}", { yieldTime: 0 })
        const started = descendants(host.child.pid!)
        host.child.kill("SIGTERM")
        assert.deepStrictEqual(yield* host.ended, { status: 0, stderr: "" })
        yield* gone(started)
      }))
  }
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

  test("has a flag for each bound, and says what it is without it", () =>
    Effect.gen(function*() {
      const { stdout } = yield* run("--help")
      const others = ["maxFrameBytes", "maxLanes", "warmLanes", "maxMemoryBytes", "laneKillAfter"]
      for (const name of [...Object.keys(Limits.fields), ...others]) {
        const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
        assert.match(stdout, new RegExp(`--${flag}(-ms)? N\\n .* [(]([0-9]+|no bound)[)]`), name)
      }
    }))

  test("bounds a message, either way", () =>
    Effect.gen(function*() {
      const host = yield* HostProcess.startUnix("--max-frame-bytes", "2000")
      const client = yield* host.connect
      yield* client.hello()
      yield* client.open()
      const [status, message] = say(yield* client.run("text('x'.repeat(3000))"))
      assert.strictEqual(status, "error")
      assert.match(
        String(message),
        /^code-mode initial response exceeds the IPC frame limit: code-mode IPC frame length 3\d+ exceeds 2000 bytes$/
      )
      assert.deepStrictEqual(say(yield* client.run("text(1)")), ["Result", "1"])
      client.send({ type: "x".repeat(2000) })
      yield* client.left
    }))
})
