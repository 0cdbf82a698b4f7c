// throwaway: just enough of the wire to run the single-session conformance groups on the engine
import { Effect, Queue, Scope } from "effect"
import { Isolate } from "../src/Isolate.ts"
import * as V8 from "../src/isolate/V8.ts"
const write = (m: any) => {
  const p = Buffer.from(JSON.stringify(m))
  const h = Buffer.alloc(4)
  h.writeUInt32LE(p.length)
  process.stdout.write(Buffer.concat([h, p]))
}
const main = Effect.gen(function*() {
  const iso = yield* Isolate
  const sessions = new Map<string, any>()
  const delegates = new Map<number, (r: any) => void>()
  let nextDelegate = 0
  let buf = Buffer.alloc(0)
  const run = (e: any) => Effect.runFork(e as any)
  const on = (m: any): any => {
    if (m.type === "connection/hello") {
      return write({ type: "connection/ready", selectedVersion: 1, capabilities: m.optionalCapabilities })
    }
    if (m.type === "delegate/response") return delegates.get(m.id)?.(m.result)
    if (m.type !== "operation/request") return
    const r = m.request,
      ok = (value: any) => write({ type: "operation/response", id: m.id, result: { status: "ok", value } })
    const s = sessions.get(r.sessionId)
    switch (r.method) {
      case "session/open": {
        const scope = Scope.makeUnsafe()
        const lease = Effect.runSync(Scope.provide(iso.lease, scope) as any)
        sessions.set(r.sessionId, {
          lease,
          stored: new Map(),
          cells: new Map(),
          next: 1,
          heap: m.request.cellExecutionLimits?.maxHeapSizeBytes ?? 0
        })
        return ok({ type: "session/ready", sessionId: r.sessionId })
      }
      case "session/execute": {
        const q = r.request
        const cellId = String(s.next++)
        const tools = q.enabled_tools.map((t: any) => ({
          name: t.name,
          toolName: t.tool_name,
          description: t.description,
          kind: t.kind
        }))
        const cell: any = { items: [], waiters: [] }
        s.cells.set(cellId, cell)
        const take = () => {
          const i = cell.items
          cell.items = []
          return i
        }
        const observe = (ms: number, cb: (o: any) => void) => {
          let t: any
          const fin = () => {
            clearTimeout(t)
            cb({ Result: { cell_id: cellId, content_items: take(), error_text: cell.done.error?.text ?? null } })
          }
          if (cell.done) return fin()
          cell.waiters.push(fin)
          t = setTimeout(() => {
            cell.waiters.splice(cell.waiters.indexOf(fin), 1)
            cb({ Yielded: { cell_id: cellId, content_items: take() } })
          }, ms)
        }
        cell.observe = observe
        cell.terminate = () => {
          cell.h.stop()
          return { Terminated: { cell_id: cellId, content_items: take() } }
        }
        run(Effect.gen(function*() {
          const h: any = yield* s.lease.start({
            source: q.source,
            tools,
            stored: new Map(s.stored),
            pausable: false,
            maxHeapSizeBytes: s.heap,
            maxPendingToolCalls: 65536
          })
          cell.h = h
          ok({ type: "execution/started", cellId })
          observe(
            q.yield_time_ms ?? 10000,
            (o) => write({ type: "execute/initialResponse", id: m.id, result: { status: "ok", value: o } })
          )
          while (true) {
            const e: any = yield* Queue.take(h.events).pipe(
              Effect.catch(() => Effect.succeed({ _tag: "Finished", stored: [], error: { text: "lost" } }))
            )
            if (process.env.DEBUG) console.error(JSON.stringify(e).slice(0, 500))
            if (e._tag === "Output") cell.items.push(...e.items)
            if (e._tag === "Notify") {
              const id = ++nextDelegate
              write({
                type: "delegate/request",
                id,
                request: { type: "notification/send", callId: q.tool_call_id, cellId, text: e.text }
              })
            }
            if (e._tag === "ToolCalls") {
              for (const c of e.calls) {
                const id = ++nextDelegate
                delegates.set(id, (res) =>
                  res.status === "ok"
                    ? h.resolve(c.id, JSON.stringify(res.value.result))
                    : h.reject(c.id, res.message))
                write({
                  type: "delegate/request",
                  id,
                  request: {
                    type: "tool/invoke",
                    invocation: {
                      cell_id: cellId,
                      runtime_tool_call_id: c.id,
                      tool_name: tools[c.tool].toolName,
                      tool_kind: tools[c.tool].kind,
                      ...(c.input === undefined ? { input: null } : { input: JSON.parse(c.input) })
                    }
                  }
                })
              }
            }
            if (e._tag === "Finished") {
              for (const [k, v] of e.stored) s.stored.set(k, v)
              cell.done = e
              for (const w of cell.waiters.splice(0)) w()
              write({ type: "cell/closed", cellId })
              break
            }
          }
        }))
        return
      }
      case "session/wait":
        return s.cells.get(r.request.cell_id).observe(
          r.request.yield_time_ms,
          (o: any) => ok({ type: "wait/completed", outcome: { LiveCell: o } })
        )
      case "session/terminate":
        return ok({ type: "wait/completed", outcome: { LiveCell: s.cells.get(r.cellId).terminate() } })
    }
  }
  process.stdin.on("data", (d) => {
    buf = Buffer.concat([buf, d])
    while (buf.length >= 4) {
      const n = buf.readUInt32LE(0)
      if (buf.length < 4 + n) break
      const j = JSON.parse(buf.toString("utf8", 4, 4 + n))
      buf = buf.subarray(4 + n)
      on(j)
    }
  })
  process.stdin.on("end", () => process.exit(0))
  yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(V8.layer()))
Effect.runPromise(main as any)
