import { assert, describe, it } from "@effect/vitest"
import * as Names from "effect-code-mode/mcp/Names"

describe("Names", () => {
  it("leaves only what may stand in an identifier", () => {
    assert.strictEqual(Names.identifier("secure-filesystem.server/2"), "secure_filesystem_server_2")
    assert.strictEqual(Names.identifier("déjà vu 👋"), "d_j__vu__")
    assert.strictEqual(Names.namespace("my server"), "mcp__my_server__")
  })

  it("tells servers of one name apart", () => {
    assert.deepStrictEqual(Names.distinct(["fs", "git", "fs", "fs_2", "f-s", "f s"]), [
      "fs",
      "git",
      "fs_3",
      "fs_2",
      "f_s",
      "f_s_2"
    ])
    assert.deepStrictEqual(Names.distinct(["get-stock", "get.stock", "get_stock"]), [
      "get_stock_2",
      "get_stock_3",
      "get_stock"
    ])
  })
})
