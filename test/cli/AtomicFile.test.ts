import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as AtomicFile from "effect-code-mode/bin/commands/AtomicFile"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { folder } from "./Process.ts"

describe("AtomicFile", () => {
  const files = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
    Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => ({ ...fs, ...change(fs) }))

  const replace = (path: string, text: string, change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
    Effect.flatMap(
      files(change),
      (fs) => Effect.provideService(AtomicFile.replace(path, text), FileSystem.FileSystem, fs)
    )

  it.live("writes to a new file of ours, in the same folder", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "file")
      const opened: Array<string> = []
      yield* replace(path, "ours", (fs) => ({
        open: (path, options) => {
          opened.push(path)
          assert.deepStrictEqual(options, { flag: "wx", mode: 0o600 })
          if (opened.length === 1) {
            writeFileSync(path, "theirs")
          }
          return fs.open(path, options)
        }
      }))
      assert.strictEqual(readFileSync(path, "utf8"), "ours")
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(readFileSync(opened[0]!, "utf8"), "theirs")
      assert.deepStrictEqual(readdirSync(join(path, "..")).sort(), [basename(opened[0]!), "file"].sort())
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("writes where a link leads", () =>
    Effect.gen(function*() {
      const home = yield* folder
      mkdirSync(join(home, "far"))
      writeFileSync(join(home, "far", "file"), "old")
      symlinkSync("far/file", join(home, "link"))
      yield* AtomicFile.replace(join(home, "link"), "new")
      assert.strictEqual(readFileSync(join(home, "far", "file"), "utf8"), "new")
      assert.deepStrictEqual(readdirSync(home).sort(), ["far", "link"])
      assert.deepStrictEqual(readdirSync(join(home, "far")), ["file"])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("leaves nothing behind where it fails, or is interrupted", () =>
    Effect.gen(function*() {
      const home = yield* folder
      mkdirSync(join(home, "folder"))
      const { reason } = yield* Effect.flip(AtomicFile.replace(join(home, "folder"), "text"))
      assert.notStrictEqual(reason._tag, "NotFound")
      assert.deepStrictEqual(readdirSync(home), ["folder"])

      const written = yield* Deferred.make<void>()
      const writing = yield* replace(join(home, "file"), "text", () => ({
        rename: () => Effect.andThen(Deferred.succeed(written, undefined), Effect.never)
      })).pipe(Effect.forkChild)
      yield* Deferred.await(written)
      assert.strictEqual(readdirSync(home).length, 2)
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(home), ["folder"])
    }).pipe(Effect.provide(NodeServices.layer)))
})
