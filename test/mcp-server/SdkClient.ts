/** The official client, at the command as a process. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js"
import {
  type CallToolResult,
  CallToolResultSchema,
  type ClientCapabilities,
  type ElicitRequest,
  ElicitRequestSchema,
  type ElicitResult,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema
} from "@modelcontextprotocol/sdk/types.js"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { root } from "../cli/Process.ts"

export const command = join(root, "bin/effect-code-mode.js")

/** A server of the official ones, for `--mcp`. */
export const official = (
  name: "everything" | "filesystem" | "memory" | "sequential-thinking",
  ...args: Array<string>
) =>
  [
    name,
    "=",
    [process.execPath, join(root, "node_modules/@modelcontextprotocol", `server-${name}`, "dist/index.js"), ...args]
      .map((
        word
      ) => `'${word}'`).join(" ")
  ].join("")

export interface Options {
  readonly capabilities?: ClientCapabilities
  readonly elicit?: (
    request: ElicitRequest["params"],
    asking: { readonly signal: AbortSignal }
  ) => ElicitResult | Promise<ElicitResult>
}

export interface Connected {
  readonly client: Client
  /** What the server has said for its log. */
  readonly logged: Queue.Dequeue<unknown>
  readonly toolsChanged: Queue.Dequeue<void>
  readonly call: (
    name: string,
    input: Record<string, unknown>,
    options?: RequestOptions
  ) => Effect.Effect<CallToolResult>
  readonly exec: (source: string, options?: RequestOptions) => Effect.Effect<CallToolResult>
}

export const connect = (
  transport: Parameters<Client["connect"]>[0],
  { capabilities, elicit }: Options = {}
) =>
  Effect.gen(function*() {
    const logged = yield* Queue.make<unknown>()
    const toolsChanged = yield* Queue.make<void>()
    const client = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ name: "test", version: "1" }, {
          capabilities: capabilities ?? (elicit === undefined ? {} : { elicitation: {} })
        })
        if (elicit !== undefined) {
          client.setRequestHandler(ElicitRequestSchema, ({ params }, asking) => elicit(params, asking))
        }
        client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
          Queue.offerUnsafe(logged, params.data)
        })
        client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
          Queue.offerUnsafe(toolsChanged, undefined)
        })
        await client.connect(transport)
        return client
      }),
      (client) => Effect.promise(() => client.close())
    )
    const call: Connected["call"] = (name, input, options) =>
      Effect.promise(async () =>
        CallToolResultSchema.parse(await client.callTool({ name, arguments: input }, undefined, options))
      )
    const connected: Connected = {
      client,
      logged,
      toolsChanged,
      call,
      exec: (source, options) => call("exec", { source }, options)
    }
    return connected
  })

/** A client of a process of its own, with these flags. */
export const stdio = (flags: ReadonlyArray<string>, options?: Options) =>
  Effect.gen(function*() {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [command, "mcp", ...flags],
      env: { ...process.env } as Record<string, string>,
      stderr: "pipe"
    })
    let errors = ""
    transport.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString()
    })
    const connected = yield* connect(transport, options)
    return { ...connected, transport, errors: () => errors }
  })

/** The texts of a result, in one. */
export const textOf = ({ content }: CallToolResult): string =>
  content.map((block) => block.type === "text" ? block.text : `[${block.type}]`).join("\n")

/** What a cell has put out, without what says how it went. */
export const outputOf = (result: CallToolResult): string =>
  textOf(result).replace(/^Script [^\n]*\nWall time [^\n]*\nOutput:\n/, "")

/** Waits until a server has written that into its log. */
export const untilLogged = async (log: string, what: RegExp) => {
  while (!existsSync(log) || !what.test(readFileSync(log, "utf8"))) {
    await setTimeout(20)
  }
}
