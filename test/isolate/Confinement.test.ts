/** What the operating system adds, as seen from outside a lane. */
import { assert, describe, it } from "@effect/vitest"
import { Isolate } from "effect-code-mode/Isolate"
import * as Cgroup from "effect-code-mode/isolate/Cgroup"
import * as Confinement from "effect-code-mode/isolate/Confinement"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Lanes from "../hostile/Lanes.ts"
import * as ControlGroup from "./ControlGroup.ts"
import { run, startBusyHost, until } from "./harness.ts"
import * as Users from "./Users.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-code-mode-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const of = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8")

describe.runIf(process.platform === "linux")("a lane", () => {
  it.live("has what the system adds, and leaves nothing of it", () =>
    Effect.gen(function*() {
      const seen = yield* Effect.gen(function*() {
        const lease = yield* Effect.flatMap(Isolate, (isolate) => isolate.lease)
        yield* run(lease, "text(1)")
        const [pid] = Lanes.lanesOf(process.pid)
        yield* until(() => of(pid!, "oom_score_adj").trim() === "1000")
        assert.strictEqual(of(pid!, "environ"), "")
        if (Users.hasSetpriv) {
          assert.match(of(pid!, "status"), /^NoNewPrivs:\s+1$/m)
        }
        if (Users.isRoot) {
          assert.match(of(pid!, "status"), /^CapEff:\s+0+$/m)
          assert.notStrictEqual(Lanes.user(pid!), 0)
        }
        const group = () => /:memory:(.*effect-code-mode-.*)/.exec(of(pid!, "cgroup"))?.[1]
        // The kernel may still be at it.
        if (ControlGroup.isWritable()) {
          yield* until(() => group() !== undefined)
        }
        return group()
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(V8.layer({ warmLanes: 0, maxMemoryBytes: 2 ** 34 }))))
      if (ControlGroup.isWritable()) {
        assert.isFalse(existsSync(join("/sys/fs/cgroup/memory", seen!)))
      }
    }))

  // Nothing in a frozen lane can notice that its host is gone.
  it.live.runIf(Users.areKept)(
    "that is frozen is killed with its host, too",
    () =>
      Effect.gen(function*() {
        const { host, lanes } = yield* startBusyHost
        lanes.forEach((lane) => process.kill(lane, "SIGSTOP"))
        host.kill("SIGKILL")
        yield* until(() => lanes.every((lane) => !Lanes.isAlive(lane)))
      })
  )
})

describe.runIf(Users.isRoot && Users.hasSetpriv)("where other users cannot read what a lane reads", () => {
  it.effect("it is not started as one, and drops its user by itself", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "file")
      writeFileSync(file, "")
      const closed = Confinement.make(Confinement.findSetpriv([file]), undefined)
      assert.isFalse(closed.isKilledWithHost)
      assert.deepStrictEqual(
        yield* Effect.callback((resume) => closed.levels((levels) => resume(Effect.succeed(levels)))),
        [
          "no new privileges"
        ]
      )
      const [program, args] = closed.command("id", ["-u"])
      assert.strictEqual(spawnSync(program, args, { encoding: "utf8" }).stdout, "0\n")
    }))

  it.effect.runIf(Users.areKept)("otherwise each has a user of its own", () =>
    Effect.sync(() => {
      const open = Confinement.make(Confinement.findSetpriv(["/bin/sh"]), undefined)
      const users = [open.command("id", ["-u"]), open.command("id", ["-u"])].map(([program, args]) =>
        spawnSync(program, args, { encoding: "utf8" }).stdout
      )
      assert.isTrue(open.isKilledWithHost)
      assert.notStrictEqual(users[0], users[1])
      assert.notInclude(users, "0\n")
    }))
})

describe("a control group", () => {
  /** A tree that looks like the kernel's. */
  const tree = Effect.fnUntraced(function*(self: string, folders: Readonly<Record<string, string>>) {
    const root = yield* folder
    for (const [path, controllers] of Object.entries(folders)) {
      mkdirSync(join(root, "groups", path), { recursive: true })
      writeFileSync(join(root, "groups", path, "cgroup.subtree_control"), controllers)
    }
    mkdirSync(join(root, "processes", "4711"), { recursive: true })
    writeFileSync(join(root, "self"), self)
    return { self: join(root, "self"), root: join(root, "groups"), processes: join(root, "processes") }
  })

  const v2 = "0::/user/host\n"

  it.effect("of version 2 is made where memory is handed down", () =>
    Effect.gen(function*() {
      const paths = yield* tree(v2, { "user/host": "cpu memory pids\n" })
      const group = Cgroup.make(1000, paths)!
      assert.match(group.path, /\/groups\/user\/host\/effect-code-mode-\d+-\d+$/)
      assert.strictEqual(readFileSync(join(group.path, "memory.max"), "utf8"), "1000")
      assert.strictEqual(group.processes, join(group.path, "cgroup.procs"))
      assert.strictEqual(group.kills(), 0)
      writeFileSync(join(group.path, "memory.events"), "low 0\noom 7\noom_kill 2\noom_group_kill 0\n")
      assert.strictEqual(group.kills(), 2)
    }))

  it.effect("of version 2 is made beside its host's where that may have no groups below it", () =>
    Effect.gen(function*() {
      const paths = yield* tree(v2, { "user/host": "\n", user: "memory\n" })
      assert.match(Cgroup.make(1000, paths)!.path, /\/groups\/user\/effect-code-mode-\d+-\d+$/)
    }))

  it.effect("is not made where nobody hands down memory, or nothing is known", () =>
    Effect.gen(function*() {
      const paths = yield* tree(v2, { "user/host": "cpu\n", user: "" })
      assert.isUndefined(Cgroup.make(1000, paths))
      assert.deepStrictEqual(readdirSync(join(paths.root, "user/host")), ["cgroup.subtree_control"])
      assert.isUndefined(Cgroup.make(1000, { ...paths, self: "/nowhere" }))
    }))

  it.effect("of version 1 is made where memory has groups of its own; what killed hosts left goes", () =>
    Effect.gen(function*() {
      const paths = yield* tree("5:pids:/\n4:memory:/host\n0::/\n", { "memory/host": "" })
      const parent = join(paths.root, "memory/host")
      mkdirSync(join(parent, "effect-code-mode-4710-1"))
      utimesSync(join(parent, "effect-code-mode-4710-1"), 0, 0)
      mkdirSync(join(parent, "effect-code-mode-4709-1"))
      mkdirSync(join(parent, "effect-code-mode-4711-1"))
      mkdirSync(join(parent, "somebody-else"))
      const group = Cgroup.make(1000, paths)!
      assert.strictEqual(readFileSync(join(group.path, "memory.limit_in_bytes"), "utf8"), "1000")
      assert.sameMembers(
        readdirSync(parent),
        [
          "cgroup.subtree_control",
          "effect-code-mode-4709-1",
          "effect-code-mode-4711-1",
          "somebody-else",
          group.path.slice(parent.length + 1)
        ]
      )
    }))
})
