import { assert, describe, it } from "@effect/vitest"
import { bare, kinds } from "effect-code-mode/isolate/lane/bare"
import { createContext, runInContext } from "node:vm"

/** Everything that its holder can reach from a value. */
const reachable = (root: object): ReadonlySet<object> => {
  const seen = new Set<object>()
  const visit = (value: unknown) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) {
      return
    }
    seen.add(value)
    visit(Object.getPrototypeOf(value))
    for (const key of Reflect.ownKeys(value)) {
      const { get, set, value: member } = Object.getOwnPropertyDescriptor(value, key)!
      visit(get)
      visit(set)
      visit(member)
    }
  }
  visit(root)
  return seen
}

describe("a realm that is bare", () => {
  const context = createContext()
  const make = runInContext(
    `(() => {
      const { Error, Map, RangeError, TypeError } = globalThis
      return {
        array: () => [1], error: () => new Error("x"), range: () => new RangeError("x"), type: () => new TypeError("x"),
        function: () => () => {}, map: () => new Map(), object: () => ({ a: 1 }), pattern: () => /x/
      }
    })()`,
    context
  ) as Record<string, () => object>

  it("leads somewhere before", () => {
    for (const [kind, made] of Object.entries(make)) {
      assert.isAbove(reachable(made()).size, 30, kind)
    }
  })

  it("leads nowhere then", () => {
    runInContext(`(${bare.toString()})((${kinds.toString()})())`, context)
    for (const [kind, made] of Object.entries(make)) {
      const value = made()
      for (const found of reachable(value)) {
        const isPrototype = found !== value && Object.getPrototypeOf(found) === null
        assert.notProperty(found, "constructor", kind)
        if (isPrototype) {
          assert.isTrue(Object.isFrozen(found), kind)
          // What cannot be deleted.
          assert.isEmpty(Reflect.ownKeys(found).filter((key) => key !== "length" && key !== Symbol.hasInstance), kind)
        }
      }
      assert.isBelow(reachable(value).size, 10, kind)
    }
  })
})
