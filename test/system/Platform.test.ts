import { assert, describe, it } from "@effect/vitest"
import * as Confinement from "effect-code-mode/isolate/Confinement"
import * as Platform from "effect-code-mode/system/Platform"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")

describe("Platform", () => {
  it("is what every other module asks which system it is", () => {
    const asking = globSync("src/**/*.ts", { cwd: root }).filter((path) =>
      /process\.(platform|getuid)|os\.platform/.test(readFileSync(join(root, path), "utf8"))
    )
    // A lane loads nothing that it does not need.
    assert.sameMembers(asking, ["src/system/Platform.ts", "src/isolate/lane/main.ts"])
  })

  it("knows this one", () => {
    assert.strictEqual(Platform.here, Platform.of(process.platform))
    assert.deepStrictEqual(Platform.of("linux").lacks, [])
  })

  it("says what others lack", () => {
    assert.deepStrictEqual(Platform.of("darwin").lacks, ["confinement", "memory", "descendants"])
    assert.includeMembers(Array.from(Platform.of("win32").lacks), ["sockets", "scripts"])
    assert.deepStrictEqual(Platform.of("plan9"), { ...Platform.of("darwin"), name: "a system that was never tried" })
  })

  it("passes on the variables that programs need, in any case on Windows", () => {
    const [linux, windows] = [Platform.of("linux"), Platform.of("win32")]
    assert.deepStrictEqual(["PATH", "HOME", "SystemRoot", "TOKEN"].map(linux.isSafe), [true, true, false, false])
    assert.deepStrictEqual(["Path", "HOME", "SystemRoot", "Token"].map(windows.isSafe), [true, false, true, false])
  })

  it("keeps what programs remember where others keep it", () => {
    const at = (name: string, env: NodeJS.ProcessEnv) => Platform.of(name).stateFolder(env, "/home/me")
    assert.strictEqual(at("linux", {}), "/home/me/.local/state/effect-code-mode")
    assert.strictEqual(at("darwin", { XDG_STATE_HOME: "/state" }), "/state/effect-code-mode")
    assert.strictEqual(at("win32", { LOCALAPPDATA: "/local" }), "/local/effect-code-mode")
  })

  it("ends a process with all that it started where signals reach no groups", () => {
    assert.deepStrictEqual(Platform.of("win32").endTree?.(42), ["taskkill", ["/PID", "42", "/T", "/F"]])
    assert.isUndefined(Platform.of("darwin").endTree)
  })

  it("looks for no setpriv where there is no Linux", () => {
    assert.isUndefined(Confinement.findSetpriv([], Platform.of("darwin")))
  })
})
