/**
 * The inspectors that run for this user, each with the address of its page: a file for each, that its user alone may read.
 * Where the standard error of a process goes to is not always to be found.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { isAbsolute, join } from "node:path"
import * as Platform from "../../system/Platform.ts"

const OpenPage = Schema.Struct({
  pid: Schema.Int,
  title: Schema.String,
  folder: Schema.String,
  address: Schema.String
})

export type OpenPage = typeof OpenPage.Type

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(OpenPage))

/** 0 where users have no numbers, as files have there. */
const uid = Number(Platform.user())

const place = (): string => {
  const { XDG_RUNTIME_DIR: runtime = "" } = process.env
  return isAbsolute(runtime) ? join(runtime, "effect-code-mode") : join(tmpdir(), `effect-code-mode-${uid}`)
}

/** Whether a folder is ours alone: others may have made one of this name. */
const isOurs = (folder: string): boolean => {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === uid && (stat.mode & 0o077) === 0
}

const isAlive = (pid: number): boolean =>
  Result.match(Result.try(() => process.kill(pid, 0)), {
    onSuccess: () => true,
    onFailure: (error) => (error as NodeJS.ErrnoException).code === "EPERM"
  })

/** Lets it be found until the scope ends. A machine where that cannot be still has the page. */
export const add = (page: OpenPage) =>
  Effect.acquireRelease(
    Effect.try(() => {
      const folder = place()
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      if (!isOurs(folder)) {
        return undefined
      }
      const path = join(folder, `${page.pid}.json`)
      rmSync(path, { force: true })
      writeFileSync(path, JSON.stringify(page), { flag: "wx", mode: 0o600 })
      return path
    }).pipe(Effect.orElseSucceed(() => undefined)),
    (path) => path === undefined ? Effect.void : Effect.ignore(Effect.try(() => rmSync(path, { force: true })))
  )

/** Those whose process is there. What is left of others is taken away. */
export const all: Effect.Effect<ReadonlyArray<OpenPage>> = Effect.try(() => {
  const folder = place()
  if (!isOurs(folder)) {
    return []
  }
  return readdirSync(folder).filter((name) => /^\d+\.json$/.test(name)).flatMap((name) => {
    const path = join(folder, name)
    const page = Result.try(() => readFileSync(path, "utf8"))
    const decoded = Result.isSuccess(page) ? decode(page.success) : undefined
    if (decoded !== undefined && Result.isSuccess(decoded) && isAlive(decoded.success.pid)) {
      return [decoded.success]
    }
    rmSync(path, { force: true })
    return []
  })
}).pipe(Effect.orElseSucceed(() => []))
