// The systems, each as a function that runs a body with `echo`, and gives what the body returns.
import { fork } from "node:child_process"

const echo = async ({ value }) => value

/** This package, as a program uses it. */
const ours = async () => {
  const { Delegate, Runtime } = await import("../../dist/index.js")
  const V8 = await import("../../dist/V8.js")
  const { Effect, Layer, ManagedRuntime, Schema } = await import("effect")
  const tools = Delegate.layerTools({
    echo: Delegate.tool({
      parameters: Schema.Struct({ value: Schema.Number }),
      handler: ({ value }) => Effect.succeed(value)
    })
  })
  const runtime = ManagedRuntime.make(Runtime.layer().pipe(Layer.provide([tools, V8.layer()])))
  return async (body) => {
    const event = await runtime.runPromise(Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const { initial } = yield* session.execute({
        callId: "call",
        source: `const { echo } = tools; text(await (async () => { ${body} })())`
      })
      return yield* initial
    }))
    return Number(event.items[0].text)
  }
}

const vercel = async () => {
  const { run } = await import("run")
  const hostFunctions = { tools: { echo } }
  return async (body) => {
    const result = await run({ source: `const { echo } = tools; ${body}`, hostFunctions })
    return result.value
  }
}

/** Its calls block, so that they need no `await`, and take none. */
const utcp = async () => {
  console.log = () => {}
  const { CodeModeUtcpClient } = await import("@utcp/code-mode")
  const { addFunctionToUtcpDirectCall } = await import("@utcp/direct-call")
  const tool = {
    name: "echo",
    description: "echo",
    inputs: { type: "object", properties: { value: { type: "number" } } },
    tool_call_template: { call_template_type: "direct-call", callable_name: "echo" }
  }
  addFunctionToUtcpDirectCall("manual", async () => ({ utcp_version: "0.2.0", tools: [tool] }))
  addFunctionToUtcpDirectCall("echo", async (value) => typeof value === "object" ? value.value : value)
  const client = await CodeModeUtcpClient.create()
  await client.registerManual({ name: "tools", call_template_type: "direct-call", callable_name: "manual" })
  return async (body) => {
    const blocking = body.replaceAll("await ", "").replaceAll("Promise.all", "")
    const { result } = await client.callToolChain(`const echo = tools.echo; ${blocking}`)
    return result
  }
}

const quickjs = async () => {
  const { default: variant } = await import("@jitl/quickjs-ng-wasmfile-release-sync")
  const { loadQuickJs } = await import("@sebastianwessel/quickjs")
  const { runSandboxed } = await loadQuickJs(variant)
  return async (body) => {
    const { data } = await runSandboxed(
      ({ evalCode }) =>
        evalCode(`const { echo } = env; const run = async () => { ${body} }; export default await run()`),
      { env: { echo } }
    )
    return data
  }
}

/** isolated-vm alone, in a child process: an isolate for each cell, made when it is needed; calls go to the parent. */
const bare = async () => {
  const child = fork(new URL("bare.mjs", import.meta.url))
  const waiting = new Map()
  let last = 0
  child.on("message", async (message) => {
    if (message.call === undefined) {
      waiting.get(message.cell)(message.value)
      waiting.delete(message.cell)
    } else {
      child.send({ call: message.call, value: await echo(message.input) })
    }
  })
  return (body) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve)
      child.send({ cell: last, body })
    })
}

export const sides = {
  "effect-code-mode": ours,
  "run 2.1.5": vercel,
  "@utcp/code-mode 1.2.12": utcp,
  "@sebastianwessel/quickjs 3.1.0": quickjs,
  "isolated-vm, bare": bare
}
