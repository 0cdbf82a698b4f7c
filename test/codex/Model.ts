/** A model that says what a script tells it to, behind the one endpoint of the API that Codex needs. */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"

/** What the model does in one turn: write a cell, wait for the one that last yielded, or call a tool of a server. */
export type Turn =
  | { readonly tool: string; readonly namespace?: string; readonly input: object }
  | { readonly exec: string }
  | { readonly wait: { readonly yield_time_ms?: number; readonly max_tokens?: number; readonly terminate?: boolean } }

/** The output of a call, as the model is told it. */
export interface Told {
  readonly call_id: string
  readonly output: unknown
}

export interface Model {
  readonly port: number
  /** What the model was told so far, one for each turn. */
  readonly told: () => ReadonlyArray<Told>
  readonly close: () => void
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) {
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const usage = {
  input_tokens: 1,
  input_tokens_details: null,
  output_tokens: 1,
  output_tokens_details: null,
  total_tokens: 2
}

export const serve = async (turns: ReadonlyArray<Turn>): Promise<Model> => {
  let turn = 0
  let told: ReadonlyArray<Told> = []

  /** The id of the cell that last said it is running. */
  const runningCell = () => [...JSON.stringify(told).matchAll(/cell ID ([0-9a-zA-Z:]+)/g)].at(-1)?.[1] ?? "none"

  const say = (): object => {
    const index = turn++
    const next = turns[index]
    if (next === undefined) {
      const content = [{ type: "output_text", text: "done", annotations: [] }]
      return { type: "message", role: "assistant", id: `message-${index}`, content }
    }
    return "tool" in next
      ? {
        type: "function_call",
        id: `item-${index}`,
        call_id: `call-${index}`,
        name: next.tool,
        ...(next.namespace === undefined ? {} : { namespace: next.namespace }),
        arguments: JSON.stringify(next.input).replaceAll("$cell", runningCell())
      }
      : "exec" in next
      ? {
        type: "custom_tool_call",
        id: `item-${index}`,
        call_id: `call-${index}`,
        name: "exec",
        input: next.exec,
        status: "completed"
      }
      : {
        type: "function_call",
        id: `item-${index}`,
        call_id: `call-${index}`,
        name: "wait",
        arguments: JSON.stringify({ cell_id: runningCell(), ...next.wait })
      }
  }

  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    if (!request.url?.endsWith("/responses")) {
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ models: [], data: [] }))
      return
    }
    const { input } = JSON.parse(body) as { readonly input: ReadonlyArray<{ readonly type: string } & Told> }
    told = input.filter(({ type }) => type.endsWith("_call_output")).map(({ call_id, output }) => ({ call_id, output }))
    const id = `response-${turn}`
    const item = say()
    response.setHeader("content-type", "text/event-stream")
    for (
      const event of [
        { type: "response.created", response: { id } },
        { type: "response.output_item.done", output_index: 0, item },
        { type: "response.completed", response: { id, usage, output: [item] } }
      ]
    ) {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    }
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))

  return {
    port: (server.address() as AddressInfo).port,
    told: () => told,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}
