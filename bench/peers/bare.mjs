// isolated-vm as its documentation shows it, and nothing around it.
import ivm from "../../node_modules/isolated-vm/isolated-vm.js"

const pending = new Map()
let lastCall = 0

const call = new ivm.Reference((input) =>
  new Promise((resolve) => {
    pending.set(++lastCall, resolve)
    process.send({ call: lastCall, input: JSON.parse(input) })
  })
)

const runCell = async ({ body, cell }) => {
  const isolate = new ivm.Isolate({ memoryLimit: 128 })
  const context = await isolate.createContext()
  const value = await context.evalClosure(
    `const echo = async (input) => JSON.parse(
       await $0.apply(undefined, [JSON.stringify(input)], { arguments: { copy: true }, result: { promise: true, copy: true } })
     )
     return (async () => { ${body} })()`,
    [call],
    { result: { promise: true, copy: true } }
  )
  process.send({ cell, value })
  isolate.dispose()
}

process.on("message", (message) => {
  if (message.call === undefined) {
    runCell(message)
  } else {
    pending.get(message.call)(JSON.stringify(message.value))
    pending.delete(message.call)
  }
})
