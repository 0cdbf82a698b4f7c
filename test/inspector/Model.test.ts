import { assert, describe, it } from "@effect/vitest"
import type { CallEvent, CellId, ToolCallId } from "effect-code-mode/Protocol"
import * as CallSites from "../../src/inspector/CallSites.ts"
import * as Kept from "../../src/inspector/Kept.ts"
import { Model } from "../../src/inspector/Model.ts"
import { PageView } from "../../src/inspector/PageView.ts"
import * as CellRef from "../../src/session/CellRef.ts"

const process = { title: "test", version: "0", pid: 1, startedAt: 0, hasStore: false }

const make = () => {
  let now = 1000
  const model = new Model(() => now++)
  const session = model.sessionBegan("one")
  const cell = (id: string, source = "text(1)") =>
    model.cellBegan(session, CellRef.continuing(id as CellId), "continuing", { callId: "call", source })
  return { model, session, cell }
}

const view = (model: Model) => {
  let woken = 0
  const page = new PageView(model, "page", process, () => woken++)
  model.viewers.add(page)
  return { page, take: () => page.take(0).message, woken: () => woken }
}

const event = (number: number, rest: Partial<CallEvent> = {}): CallEvent =>
  ({
    _tag: "CallStarted",
    cellId: "a",
    toolCallId: `tool-${number}` as ToolCallId,
    tool: "read",
    atMillis: 2000,
    queuedMillis: 0,
    inputBytes: 0,
    ...rest
  }) as CallEvent

const ended = (number: number): CallEvent =>
  event(
    number,
    {
      _tag: "CallEnded",
      outcome: "Succeeded",
      approvalMillis: 0,
      durationMillis: 5,
      outputBytes: 1,
      atMillis: 2005
    } as Partial<CallEvent>
  )

describe("what a page is told", () => {
  it("is everything at first, then what has changed, and of each thing its last state", () => {
    const { cell, model } = make()
    const a = cell("a")
    const { page, take } = view(model)
    page.show(a)
    const first = take()
    assert.isDefined(first.reset)
    assert.deepStrictEqual(first.cells?.map(({ id }) => id), ["a"])
    assert.strictEqual(first.focus?.reset, true)
    assert.deepStrictEqual(take(), { now: 0 })

    model.happened(a, event(1))
    model.happened(a, ended(1))
    model.happened(a, event(2))
    const second = take()
    assert.isUndefined(second.reset)
    assert.deepStrictEqual(second.cells?.map(({ calls, running }) => ({ calls, running })), [{ calls: 2, running: 1 }])
    assert.deepStrictEqual(second.focus?.calls?.map(([number, , state]) => [number, state]), [[1, 2], [2, 0]])
    assert.deepStrictEqual(second.focus?.tools, ["read"])
  })

  it("is all of a cell again when too much of it has changed at once", () => {
    const { cell, model } = make()
    const a = cell("a")
    const { page, take } = view(model)
    page.show(a)
    take()
    for (let number = 1; number <= 5000; number++) {
      model.happened(a, event(number))
    }
    const message = take()
    assert.strictEqual(message.focus?.reset, true)
    assert.strictEqual(message.focus?.calls?.length, 5000)
  })

  it("comes in pieces, and says what was left out", () => {
    const { cell, model } = make()
    const a = cell("a")
    const { page } = view(model)
    page.show(a)
    for (let index = 0; index < 6000; index++) {
      model.output(a, { type: "input_text", text: `line ${index}` })
    }
    const texts: Array<string> = []
    let from: number | undefined
    let more = true
    while (more) {
      const { hasMore, message } = page.take(0)
      from ??= message.focus?.items?.from
      texts.push(...(message.focus?.items?.list ?? []).map(({ text }) => text!))
      assert.isAtMost(message.focus?.items?.list.length ?? 0, 500)
      more = hasMore
    }
    assert.strictEqual(texts.at(-1), "line 5999")
    assert.strictEqual(texts.length + from!, 6000)
    assert.isAtMost(texts.length, 5000)
  })

  it("has the last calls of a cell that makes too many, and the last cells", () => {
    const { cell, model, session } = make()
    const a = cell("a")
    for (let number = 1; number <= 20_100; number++) {
      model.happened(a, event(number))
      model.happened(a, ended(number))
    }
    assert.strictEqual(a.calls.size, 20_000)
    assert.strictEqual(a.omittedCalls, 100)
    assert.deepStrictEqual([a.made, a.running], [20_100, 0])

    const { take } = view(model)
    take()
    for (let index = 0; index < 600; index++) {
      model.settled(cell(`cell-${index}`), "Completed")
    }
    assert.isTrue(model.cells.has(a.key))
    assert.strictEqual(model.cells.size, 1 + 512)
    assert.strictEqual(take().gone?.length, 88)
    model.sessionEnded(session)
    assert.strictEqual(a.status, "Terminated")
  })
})

describe("what is kept", () => {
  it("is bounded over all cells: those that have ended go first", () => {
    const { cell, model } = make()
    const cells = Array.from({ length: 20 }, (_, index) => cell(`cell-${index}`))
    for (const each of cells) {
      for (let number = 1; number <= 15_000; number++) {
        model.callOf(each, `tool-${number}`, "read")
      }
      if (each !== cells[1]) {
        model.settled(each, "Completed")
      }
    }
    const kept = Array.from(model.cells.values(), ({ ref }): string => ref.id)
    assert.notInclude(kept, "cell-0")
    assert.includeMembers(kept, ["cell-1", "cell-19"])
    assert.isAtMost(kept.length, 17)
    assert.strictEqual(cells[19]!.calls.size, 15_000)
  })

  it("is told once more to a page that has missed that much of it has gone", () => {
    const { cell, model } = make()
    const { take } = view(model)
    take()
    for (let index = 0; index < 5000; index++) {
      model.settled(cell(`cell-${index}`), "Completed")
    }
    const message = take()
    assert.isDefined(message.reset)
    assert.strictEqual(message.cells?.length, 512)
    assert.isUndefined(message.gone)
  })
})

describe("texts that are kept", () => {
  it("are cut, and go when there is no room", () => {
    const room = new Kept.Room(300)
    const first = room.keep("a".repeat(80), 60)
    assert.deepStrictEqual([first.value?.length, first.omitted], [60, 20])
    const second = room.keep("b".repeat(60), 60)
    assert.isNull(first.value)
    assert.strictEqual(second.value?.length, 60)
  })
})

describe("lines that call tools", () => {
  it("are found by the tool, under the names that it has there", () => {
    const source = [
      "#!/usr/bin/env code-mode",
      "const { read: get, list } = tools",
      "const save = tools.save",
      "await get({}); await list({})",
      "for (const a of [1, 2]) await save(a)",
      "items.map(tools.read)",
      "tools[\"odd-name\"]({}); tools[dynamic]()",
      "other.read(); read()"
    ].join("\n")
    assert.deepStrictEqual({ ...CallSites.find(source) }, {
      read: [4, 6],
      list: [4],
      save: [5],
      "odd-name": [7]
    })
  })

  it("are read line by line where the source is no JavaScript, and never fail", () => {
    assert.deepStrictEqual({ ...CallSites.find("const a: number = 1\nawait tools.read({})\nenum X { }") }, {
      read: [2]
    })
    assert.deepStrictEqual({ ...CallSites.find("") }, {})
    assert.deepStrictEqual({ ...CallSites.find(`${"(".repeat(9000)}tools.a()`) }, { a: [1] })
    assert.deepStrictEqual(Object.keys(CallSites.find("tools.__proto__({})")), ["__proto__"])
  })
})
