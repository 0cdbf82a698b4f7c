/** Commands that tell of themselves, as processes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { folder, root, run, runCell, server, start, startCommand } from "../cli/Process.ts"
import { ofProcess, say, tool } from "../grpc/Client.ts"
import * as HostProcess from "../host/HostProcess.ts"
import * as Collector from "./Collector.ts"

const { attributes } = Collector

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${spanId}-01`

/** Nothing that was said to a tool, or by one, or by a cell. */
const secret = /s3cr3t/

describe("--otlp", () => {
  it.live("tells of a run, from the command to the MCP server, and no values", () =>
    Effect.gen(function*() {
      const collector = yield* Collector.make()
      const log = join(yield* folder, "log")
      const { status } = yield* runCell(
        `text((await tools.mcp__s__say_it({ it: "s3cr3t" })).content[0].text)
        await tools.mcp__s__complain({}).catch(() => {})
        throw new Error("s3cr3t")`,
        "--otlp",
        collector.url,
        "--mcp",
        `s=${server("--log", log)}`,
        "--log-level",
        "debug"
      )
      assert.strictEqual(status, 1)
      const spans = collector.spans()
      const [cell, ...otherCells] = spans.filter(({ name }) => name === "code-mode.cell")
      const session = spans.find(({ name }) => name === "code-mode.session")
      const calls = spans.filter(({ name }) => name.startsWith("execute_tool"))
      const byId = new Map(spans.map((span) => [span.spanId, span]))
      assert.deepStrictEqual(otherCells, [])
      assert.deepStrictEqual(calls.map(({ name, parentSpanId, status }) => [name, parentSpanId, status.code]), [
        ["execute_tool mcp__s__say-it", cell!.spanId, 1],
        ["execute_tool mcp__s__complain", cell!.spanId, 1]
      ])
      assert.deepInclude(attributes(calls[0]!.attributes), {
        "gen_ai.tool.name": "mcp__s__say-it",
        "gen_ai.tool.call.id": "tool-1",
        "code_mode.cell.id": attributes(cell!.attributes)["code_mode.cell.id"],
        "code_mode.call.outcome": "Succeeded",
        "code_mode.input.bytes": 15
      })
      assert.deepInclude(attributes(cell!.attributes), { "code_mode.cell.outcome": "Failed", "code_mode.calls": 2 })
      assert.deepStrictEqual(cell!.status, { code: 2, message: "the cell failed" })
      // Each stands below another one, up to the command's own.
      assert.deepStrictEqual(
        spans.filter((span) => span.parentSpanId === undefined).map(({ name }) => name),
        ["Run.run"]
      )
      assert.isTrue(spans.every((span) => span.parentSpanId === undefined || byId.has(span.parentSpanId)))
      assert.isDefined(session)
      // The server was told of the call's own span.
      const asked = readFileSync(log, "utf8").trim().split("\n").map((line) => JSON.parse(line))
        .filter(({ method }) => method === "tools/call")
      assert.deepStrictEqual(asked.map(({ traceparent }) => traceparent), [
        `00-${cell!.traceId}-${calls[0]!.spanId}-01`,
        `00-${cell!.traceId}-${calls[1]!.spanId}-01`
      ])
      assert.deepInclude(collector.resources()[0], { "service.name": "effect-code-mode" })
      assert.deepStrictEqual(collector.metric("effect_code_mode_cells"), { Failed: 1 })
      assert.deepStrictEqual(collector.metric("effect_code_mode_calls"), { "function,Succeeded": 2 })
      assert.deepStrictEqual(collector.metric("effect_code_mode_lanes_ended"), { released: 1 })
      assert.isAbove(collector.logs().length, 0)
      assert.notMatch(collector.text(), secret)
    }))

  it.live("tells of a host, below the spans of its clients, after a failure, and at its end", () =>
    Effect.gen(function*() {
      const collector = yield* Collector.make((path, count) => path === "/v1/traces" && count === 1 ? 503 : 200)
      const { child, ended } = yield* HostProcess.startAs(
        {
          command: [process.execPath, join(root, "bin", "code-mode-host.js")],
          env: { ...process.env, OTEL_BSP_SCHEDULE_DELAY: "200" }
        },
        "--listen",
        "grpc+stdio://",
        "--otlp",
        collector.url
      )
      const client = ofProcess(child)
      const session = yield* client.open()
      const calls = session.subscribe("add")
      yield* calls.begun
      const execution = session.execute("text(await tools.add({}))", { enabled_tools: [tool("add")] }, { traceparent })
      const [call] = yield* calls.heard(1)
      yield* session.complete(call!.invocation_id, 1)
      yield* execution.end
      assert.deepStrictEqual(say(execution.messages[1]!.outcome), ["Completed", "1"])
      const cell = yield* collector.until("code-mode.cell")
      assert.deepInclude(cell, { traceId, parentSpanId: spanId })
      assert.deepInclude(yield* collector.until("execute_tool add"), { traceId, parentSpanId: cell.spanId })
      assert.deepStrictEqual(
        collector.requests.filter(({ path }) => path === "/v1/traces").slice(0, 2).map(({ status }) => status),
        [503, 200]
      )
      child.kill("SIGTERM")
      assert.strictEqual((yield* ended).status, 0)
      assert.isDefined(collector.spans().find(({ name }) => name === "code-mode.session"))
      assert.isAbove(collector.metric("effect_code_mode_lanes_ended").released!, 0)
    }))

  it.live("leaves out what the variables of OpenTelemetry leave out", () =>
    Effect.gen(function*() {
      const collector = yield* Collector.make()
      const { status } = yield* run(["run", "-", "--otlp", collector.url], {
        stdin: "text(1)",
        env: { ...process.env, OTEL_TRACES_EXPORTER: "none", OTEL_SERVICE_NAME: "mine" }
      })
      assert.strictEqual(status, 0)
      assert.deepStrictEqual(new Set(collector.requests.map(({ path }) => path)), new Set(["/v1/metrics"]))
      assert.deepStrictEqual(collector.metric("effect_code_mode_cells"), { Completed: 1 })
      assert.include(collector.text(), "\"mine\"")
    }))

  it.live("neither breaks a command nor holds it up where there is no collector, or one that does not answer", () =>
    Effect.gen(function*() {
      const silent = yield* Collector.make(() => 0)
      for (const url of [silent.url, "http://127.0.0.1:1"]) {
        const { status, stderr, stdout } = yield* runCell("text(6 * 7)", "--otlp", url)
        const ended = performance.now()
        assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "42\n" })
        const [first] = silent.requests
        // What it takes the process to go is more than what it gives the collector.
        assert.isBelow(ended - first!.at, url === silent.url ? 10_000 : Infinity)
      }
    }))
})

describe("--metrics", () => {
  it.live("serves what a Prometheus asks for, of sessions whose clients say where they stand in a trace", () =>
    Effect.gen(function*() {
      const collector = yield* Collector.make()
      const running = yield* startCommand(["mcp", "--metrics", "0", "--otlp", collector.url], { keepOpen: true })
      let stderr = ""
      running.child.stderr.on("data", (text) => {
        stderr += text
      })
      const request = (id: number, method: string, params: object) =>
        running.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`)
      request(0, "initialize", {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "test", version: "1" }
      })
      request(1, "tools/call", { name: "exec", arguments: { source: "text('s3cr3t')" }, _meta: { traceparent } })
      yield* running.printed("\"id\":1")
      const url = yield* Effect.sync(() => /metrics at (\S+)/.exec(stderr)?.[1]).pipe(
        Effect.repeat({ until: (url) => url !== undefined, schedule: Schedule.spaced("20 millis") })
      )
      const response = yield* Effect.promise(() => fetch(url!))
      assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/)
      const text = yield* Effect.promise(() => response.text())
      assert.include(text, "\n# TYPE effect_code_mode_cells counter\neffect_code_mode_cells{outcome=\"Completed\"} 1\n")
      assert.include(text, "effect_code_mode_cell_duration_seconds_bucket{outcome=\"Completed\",le=\"+Inf\"} 1\n")
      assert.match(url!, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
      running.child.stdin.end()
      assert.strictEqual((yield* running.result).status, 0)
      const exec = collector.spans().find(({ name }) => name === "CodeMode.exec")!
      const cell = collector.spans().find(({ name }) => name === "code-mode.cell")!
      assert.deepInclude(exec, { traceId, parentSpanId: spanId })
      assert.deepInclude(cell, { traceId, parentSpanId: exec.spanId })
      assert.notMatch(collector.text(), secret)
    }))

  it.live("says what is wrong with a port, or with an address, before anything runs", () =>
    Effect.gen(function*() {
      const taken = createServer()
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => taken.close())
      )
      const { port } = taken.address() as AddressInfo
      for (
        const [flags, text] of [
          [["--metrics", String(port)], /--metrics: .*EADDRINUSE/],
          [["--metrics", "65536"], /--metrics 65536: a port is from 0 to 65535/],
          [["--otlp", "localhost:4318"], /--otlp localhost:4318: it is the address of a collector, http:\/\/HOST:PORT/]
        ] as const
      ) {
        const { status, stderr, stdout } = yield* runCell("text(1)", ...flags)
        assert.deepStrictEqual([status, stdout], [2, ""])
        assert.match(stderr, text)
        const host = yield* Effect.flatMap(
          start(process.execPath, [join(root, "bin", "code-mode-host.js"), ...flags], { keepOpen: true }),
          ({ result }) => result
        )
        assert.match(host.stderr, /--(?:metrics|otlp)/)
        assert.include([1, 2], host.status)
      }
      assert.match((yield* run(["doctor", "--help"])).stdout, /--otlp URL/)
    }))
})
