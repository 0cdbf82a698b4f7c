/** Clients that take more of a host than is good for the others. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { say } from "./Client.ts"
import * as HostProcess from "./HostProcess.ts"

it.live("a greeting of 60,000 capabilities costs its client the connection, and the others nothing", () =>
  Effect.gen(function*() {
    const host = yield* HostProcess.startUnix()
    const steady = yield* host.connect
    yield* steady.hello()
    yield* steady.open()
    const greedy = yield* host.connect
    greedy.send({
      type: "connection/hello",
      supportedVersions: [1],
      requiredCapabilities: [],
      optionalCapabilities: Array.from({ length: 60_000 }, (_, index) => `capability-${index}`)
    })
    assert.strictEqual(yield* greedy.left, "the host left")
    assert.deepStrictEqual(say(yield* steady.run("text('alive')")), ["Result", "alive"])
    host.child.kill("SIGTERM")
    const { status, stderr } = yield* host.ended
    assert.strictEqual(status, 0)
    assert.match(stderr, /a client was disconnected: failed to decode code-mode IPC frame: more than 1024 elements/)
  }).pipe(Effect.timeout("50 seconds")))

const entry = fileURLToPath(new URL("../../bin/code-mode-host.js", import.meta.url))

const descriptors = 64
const connections = 80

/** Connections that say nothing, so many that the host lets go of some at once. */
const hoard = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: connections }, () => Net.connect(path).on("error", () => {}))),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  ).pipe(
    Effect.flatMap((sockets) =>
      Effect.callback<void>((resume) =>
        sockets.forEach((socket) => socket.resume().once("close", () => resume(Effect.void)))
      )
    )
  )

it.live.runIf(process.platform === "linux")(
  "a host without file descriptors says so, and goes on once it has some",
  () =>
    Effect.gen(function*() {
      const path = join(yield* HostProcess.folder, "host.sock")
      const host = yield* HostProcess.startAs(
        { command: ["/bin/sh", "-c", `ulimit -n ${descriptors}; exec "$0" "$@"`, process.execPath, entry] },
        "--listen",
        `unix://${path}`
      )
      yield* HostProcess.listening(host)
      const client = yield* HostProcess.connect(path)
      yield* client.hello()
      yield* client.open("first")
      // The lane that waits for a session, and the one that waits behind it.
      assert.deepStrictEqual(say(yield* client.run("text(1)", { session: "first" })), ["Result", "1"])

      let sessions = 0
      const attempt = Effect.gen(function*() {
        const session = `session-${++sessions}`
        yield* client.open(session)
        const id = client.askExecute("text(2)", { session })
        const answer = yield* client.answer(id)
        return answer.status === "error" ? answer.message : say(yield* client.initial(id)).join()
      })

      yield* Effect.scoped(Effect.gen(function*() {
        yield* hoard(path)
        const refusals: Array<string> = []
        while (refusals.length < 3) {
          const answer = yield* attempt
          if (answer !== "Result,2") {
            refusals.push(answer)
          }
        }
        assert.deepStrictEqual(
          refusals,
          Array.from({ length: 3 }, () => "there is no lane for the cell: there are no file descriptors left")
        )
      }))
      yield* Effect.repeat(attempt, { until: (answer) => answer === "Result,2" })
    }).pipe(Effect.timeout("50 seconds"))
)
