/**
 * What the cells of the proof do. The way a cell takes depends on chance, on the clock and on who answers first; what it puts
 * out and stores does not.
 */
import * as Effect from "effect/Effect"
import * as Delegate from "../../dist/Delegate.js"
import type * as Protocol from "../../dist/Protocol.js"
import type * as Dice from "./Dice.ts"

/** A call of `once` must not be performed again, the others may be. */
export const tools: ReadonlyArray<Protocol.ToolDefinition> = (["once", "again", "status"] as const).map((name) => ({
  name,
  toolName: { name, namespace: null },
  description: name,
  kind: "function",
  annotations: name === "once" ? { onRestart: "fail" } : name === "again" ? { onRestart: "retry" } : { readOnly: true }
}))

export const valueOf = (n: number): number => n * n + 1

export const sourceOf = (dice: Dice.Dice): string => `
const count = ${dice.between(2, 7)}
const slow = ${dice.pick([20, 60, 200])}
let last = Date.now()
const checkTime = () => {
  const now = Date.now()
  if (now < last) text("the time went back")
  last = now
}

// What chance says is in the arguments: a run that is not the same again calls other things.
const luck = () => ({ at: Date.now(), dice: Math.random() })

// Whether a call that was interrupted was performed is to be asked for.
const once = async (n) => {
  while (true) {
    try {
      return (await tools.once({ n, ...luck() })).value
    } catch (error) {
      if (!String(error).includes("may have been performed")) throw error
      const { value } = await tools.status({ n })
      if (value !== undefined) return value
    }
  }
}

const order = Array.from({ length: count }, (_, index) => index)
order.sort(() => Math.random() - 0.5)
const results = []
let firsts = 0
await Promise.all(order.map(async (n) => {
  if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, Math.random() * slow))
  checkTime()
  const value = n % 2 === 0 ? await once(n) : (await tools.again({ n, ...luck() })).value
  checkTime()
  if (firsts++ === 0) yield_control()
  results.push([n, value])
}))
notify("done")
results.sort(([one], [other]) => one - other)
for (const [n, value] of results) text(n + " is " + value)
for (let round = 0; round < ${dice.between(0, 3)}; round++) {
  text("round " + round + ": " + (await once(100 + round)))
}
const sum = results.reduce((sum, [, value]) => sum + value, load("sum") ?? 0)
store("sum", sum)
store("cells", (load("cells") ?? 0) + 1)
text("sum " + sum)
${dice.next() < 0.1 ? "throw new Error('as it should')" : ""}
`

/** The tools without a world: for a run that nothing interrupts. */
export const undisturbed = Delegate.layer({
  tools,
  invokeTool: ({ input }) => Effect.succeed({ value: valueOf((input as { readonly n: number }).n) }),
  notify: () => Effect.void
})
