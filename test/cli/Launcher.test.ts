import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root, start } from "./Process.ts"

const write = (path: string, text: string) => {
  mkdirSync(join(path, ".."), { recursive: true })
  writeFileSync(path, text)
}

/**
 * A project with the launchers installed in it, and an entry point that tells what it was started with.
 */
const projectIn = (name: string) =>
  Effect.acquireRelease(
    Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "effect-code-mode-")))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ).pipe(Effect.map((parent) => {
    const folder = join(parent, name)
    const home = join(folder, "node_modules", "effect-code-mode")
    const launcher = join(home, "bin", "effect-code-mode.js")
    cpSync(join(root, "bin"), join(home, "bin"), { recursive: true })
    write(join(home, "package.json"), JSON.stringify({ name: "effect-code-mode", type: "module" }))
    const entry = join(home, "dist", "bundle", "effect-code-mode.cjs")
    write(
      entry,
      `
      const [what, value] = process.argv.slice(2)
      if (what === "tell") {
        process.stdin.pipe(process.stdout)
        console.log(JSON.stringify([process.version, process.argv.slice(2)]))
      } else if (what === "exit") {
        process.exitCode = Number(value)
      } else if (what === "die") {
        process.kill(process.pid, value)
      } else {
        process.on(value, () => process.exit(42))
        setInterval(() => {}, 1000)
        console.log("ready")
      }
    `
    )
    const link = join(folder, "node_modules", ".bin", "effect-code-mode")
    mkdirSync(join(link, ".."), { recursive: true })
    symlinkSync("../effect-code-mode/bin/effect-code-mode.js", link)

    // Makes node say that it is old, which is all that the launcher knows of it.
    const old = join(folder, "old.cjs")
    write(old, "Object.defineProperty(process.versions, 'node', { value: '12.0.0' })")

    return {
      entry,
      launcher,
      link,
      installNode: (version: string) => {
        const home = join(folder, "node_modules", "node")
        write(join(home, "package.json"), JSON.stringify({ name: "node", version }))
        mkdirSync(join(home, "bin"))
        symlinkSync(process.execPath, join(home, "bin", "node"))
      },
      run: (path: string, args: ReadonlyArray<string>, options?: { readonly old?: boolean; readonly stdin?: string }) =>
        start(process.execPath, [...options?.old === true ? ["--require", old] : [], path, ...args], {
          cwd: tmpdir(),
          env: {},
          stdin: options?.stdin ?? ""
        })
    }
  }))

const project = projectIn("project")

describe("the launcher", () => {
  for (const old of [false, true]) {
    describe(old ? "started by an old node" : "started by a new node", () => {
      it.live("hands over arguments and pipes", () =>
        Effect.gen(function*() {
          const { installNode, launcher, link, run } = yield* project
          installNode("26.1.0")
          for (const path of [launcher, link]) {
            const running = yield* run(path, ["tell", "a b", "--", "'c'"], { old, stdin: "input" })
            assert.deepStrictEqual(yield* running.result, {
              status: 0,
              stdout: `${JSON.stringify([process.version, ["tell", "a b", "--", "'c'"]])}\ninput`,
              stderr: ""
            })
          }
        }))

      it.live("ends as the command does", () =>
        Effect.gen(function*() {
          const { installNode, link, run } = yield* project
          installNode("26.1.0")
          const status = (...args: ReadonlyArray<string>) =>
            Effect.flatMap(run(link, args, { old }), ({ result }) => Effect.map(result, ({ status }) => status))
          assert.strictEqual(yield* status("exit", "7"), 7)
          assert.strictEqual(yield* status("die", "SIGKILL"), "SIGKILL")
          assert.strictEqual(yield* status("die", "SIGTERM"), "SIGTERM")
        }))

      it.live("passes signals on", () =>
        Effect.gen(function*() {
          const { installNode, link, run } = yield* project
          installNode("26.1.0")
          for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
            const { child, printed, result } = yield* run(link, ["wait", signal], { old })
            yield* printed("ready")
            child.kill(signal)
            assert.strictEqual((yield* result).status, 42)
          }
        }))
    })
  }

  it.live("says so when no node is new enough", () =>
    Effect.gen(function*() {
      const { installNode, link, run } = yield* project
      installNode("20.1.0")
      const { result } = yield* run(link, ["tell"], { old: true })
      assert.deepStrictEqual(yield* result, {
        status: 2,
        stdout: "",
        stderr: `effect-code-mode: Node.js 24 or newer is needed, and this is ${process.version}\n`
      })
    }))

  it.live("says so when the package is not built", () =>
    Effect.gen(function*() {
      const { entry, link, run } = yield* project
      rmSync(entry)
      const { result } = yield* run(link, ["tell"])
      assert.deepStrictEqual(yield* result, {
        status: 2,
        stdout: "",
        stderr: `effect-code-mode: ${entry} is missing: run npm run build\n`
      })
    }))

  it.live("cannot be steered by where it is", () =>
    Effect.gen(function*() {
      const { entry, launcher, run } = yield* projectIn("a\u001b[2J\u009b2J\u202eb\nc")
      rmSync(entry)
      const { result } = yield* run(launcher, ["tell"])
      const { stderr } = yield* result
      assert.match(
        stderr,
        /^effect-code-mode: [\x20-\x7e]+\/a\\u001b\[2J\\u009b2J\\u202eb\\u000ac\/[\x20-\x7e]+: run npm run build\n$/
      )
    }))
})

/** A program of two chunks, the second of which says a word. */
const kept = Effect.gen(function*() {
  const { entry, link, run } = yield* projectIn("a folder")
  const bundle = join(entry, "..")
  const cache = join(bundle, "cache")
  const write = (build: string, word: string) => {
    writeFileSync(entry, `// ${build}\nrequire("./saying.cjs").say()`)
    writeFileSync(join(bundle, "saying.cjs"), `exports.say = () => console.log(${JSON.stringify(word)})`)
  }
  write("1", "one")
  return {
    cache,
    write,
    say: Effect.gen(function*() {
      const { result } = yield* run(link, [])
      const { status, stderr, stdout } = yield* result
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
      return stdout.trim()
    }),
    files: () =>
      readdirSync(cache).filter((name) => name.endsWith("-effect-code-mode")).map((name) => join(cache, name))
  }
})

describe("the code that V8 has made", () => {
  it.live("is kept once", () =>
    Effect.gen(function*() {
      const { files, say } = yield* kept
      assert.strictEqual(yield* say, "one")
      const [file] = files()
      const before = statSync(file!)
      assert.strictEqual(yield* say, "one")
      assert.deepStrictEqual(files(), [file])
      // V8 has taken it: otherwise there would be a new file.
      assert.strictEqual(statSync(file!).ino, before.ino)
    }))

  it.live("is not that of another build", () =>
    Effect.gen(function*() {
      const { say, write } = yield* kept
      yield* say
      // As long as the other, which is all that V8 looks at.
      write("2", "two")
      assert.strictEqual(yield* say, "two")
      assert.strictEqual(yield* say, "two")
    }))

  it.live("is made again where it is damaged", () =>
    Effect.gen(function*() {
      const { files, say } = yield* kept
      yield* say
      const [file] = files()
      const whole = readFileSync(file!)
      // A disk that lost its power may have kept a file's length, and not all of what was in it.
      const emptied = Buffer.from(whole).fill(0, whole.length / 2)
      for (const damaged of [Buffer.alloc(0), whole.subarray(0, 20), whole.subarray(0, whole.length / 2), emptied]) {
        writeFileSync(file!, damaged)
        assert.strictEqual(yield* say, "one")
        assert.isAtLeast(statSync(file!).size, whole.length * 0.9)
      }
    }))

  it.live("is not needed", () =>
    Effect.gen(function*() {
      const { cache, say } = yield* kept
      // No folder can be made there.
      writeFileSync(cache, "")
      assert.strictEqual(yield* say, "one")
      assert.strictEqual(readFileSync(cache, "utf8"), "")
    }))
})
