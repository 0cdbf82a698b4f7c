/**
 * Files that are written in one step: whatever happens, there is the old one or the new one.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { randomBytes } from "node:crypto"
import { dirname, join } from "node:path"

/** A file of ours alone, in a folder. It is new: what others have put there is not written to. */
const create = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const attempt = Effect.suspend(() => {
    const path = join(folder, `.effect-code-mode-${randomBytes(8).toString("hex")}.tmp`)
    return Effect.map(fs.open(path, { flag: "wx", mode: 0o600 }), (file) => ({ file, path }))
  })
  return yield* Effect.retry(attempt, { while: ({ reason }) => reason._tag === "AlreadyExists", times: 3 })
})

const targetOf = (fs: FileSystem.FileSystem, path: string) =>
  // A link stays a link.
  Effect.orElseSucceed(fs.realPath(path), () => path)

/** Fails as `replace` would, as far as that can be known before. */
export const rehearse = Effect.fn("AtomicFile.rehearse")(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const target = yield* targetOf(fs, path)
  yield* Effect.scoped(Effect.flatMap(create(dirname(target)), (made) => fs.remove(made.path)))
  yield* Effect.scoped(fs.open(target, { flag: "r+" })).pipe(
    // Only a folder cannot be replaced.
    Effect.catchIf(({ reason }) => reason._tag !== "BadResource", () => Effect.void)
  )
})

/** Replaces the file by one with this text, which its owner alone may read. */
export const replace = Effect.fn("AtomicFile.replace")(function*(path: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const target = yield* targetOf(fs, path)
  yield* Effect.scoped(Effect.gen(function*() {
    const { file, path: next } = yield* create(dirname(target))
    yield* Effect.gen(function*() {
      yield* file.writeAll(Buffer.from(text))
      yield* file.sync
      yield* fs.rename(next, target)
    }).pipe(Effect.onError(() => Effect.ignore(fs.remove(next))))
  }))
})
