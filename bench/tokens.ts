/**
 * What ten tasks take of a model: calling tools directly, and in code mode. `npm run bench:tokens`.
 *
 * The servers are real, the models are scripted: they do what a good model would, with the best tool and with all calls that
 * do not depend on each other in one turn. Both ways end with the same answer, which is checked. Tokens are those of
 * `o200k_base`: of the tools (names and descriptions, schemas as JSON), and of everything that was said and answered so far,
 * for each turn.
 */
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Schema from "effect/Schema"
import assert from "node:assert/strict"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Catalogue from "../dist/Catalogue.js"
import * as CodeMode from "../dist/CodeMode.js"
import { Delegate } from "../dist/Delegate.js"
import * as Mcp from "../dist/Mcp.js"
import type { NestedToolCall, OutputItem } from "../dist/Protocol.js"
import * as Runtime from "../dist/Runtime.js"
import * as Identifier from "../dist/text/Identifier.js"
import * as V8 from "../dist/V8.js"
import { countTokens } from "./Tokenizer.ts"

// =============================================================================
// The surroundings
// =============================================================================

const root = join(tmpdir(), "effect-code-mode-tokens")
rmSync(root, { recursive: true, force: true })
process.on("exit", () => rmSync(root, { recursive: true, force: true }))

const words = "the report of the week says that the pumps ran well and that one valve was changed on time ".repeat(6)
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
for (const n of numbers(12)) {
  write(`notes/note-${n}.md`, `# Note ${n}\n${`${words}\n`.repeat(n)}${n === 7 ? "The key is under the mat.\n" : ""}`)
}
const writeBills = () => {
  for (const n of numbers(5)) {
    write(`bills/bill-${n}.txt`, `Bill ${n}\n${words}\nTotal: ${n * 11} EUR\n`)
  }
}
const writeDrafts = () => {
  rmSync(join(root, "drafts"), { recursive: true, force: true })
  for (const n of numbers(8)) {
    write(`drafts/draft-${n}.txt`, `draft ${n}\n`)
  }
}
writeBills()
writeDrafts()
write(
  "people.csv",
  `name,city,employer\n${numbers(20).map((n) => `P${n},${["Rome", "Oslo"][n % 2]},Acme`).join("\n")}\n`
)

const serverFile = (name: string) =>
  createRequire(import.meta.url).resolve(`@modelcontextprotocol/server-${name}/dist/index.js`)

const servers: ReadonlyArray<Mcp.ServerConfig> = [
  { name: "fs", command: process.execPath, args: [serverFile("filesystem"), root] },
  {
    name: "memory",
    command: process.execPath,
    args: [serverFile("memory")],
    env: { MEMORY_FILE_PATH: join(root, "memory.jsonl") }
  },
  { name: "everything", command: process.execPath, args: [serverFile("everything")] },
  { name: "thinking", command: process.execPath, args: [serverFile("sequential-thinking")] }
]

// =============================================================================
// Three ways
// =============================================================================

/** What a task took. */
interface Cost {
  readonly turns: number
  /** What the model was sent, over all turns. */
  readonly input: number
  /** What it was sent in its last turn: how full its context was. */
  readonly context: number
  readonly output: number
  /** What it was told of the tools, in every turn. */
  readonly tools: number
}

interface Listed {
  readonly name: string
  readonly description: string
  readonly inputSchema?: unknown
}

const cost = (listed: ReadonlyArray<Listed>) => {
  const tools = listed.reduce(
    (sum, { description, inputSchema, name }) =>
      sum + countTokens(name) + countTokens(description) + countTokens(JSON.stringify(inputSchema)),
    0
  )
  let said = 0
  let turns = 0
  let input = 0
  let output = 0
  return {
    /** A turn: what the model says goes out, and comes back with what was answered in all later turns. */
    turn: (says: string, answered = "") => {
      turns++
      input += tools + said
      output += countTokens(says)
      said += countTokens(says) + countTokens(answered)
    },
    ask: (prompt: string) => {
      said += countTokens(prompt)
    },
    total: (): Cost => ({ turns, input, output, tools, context: tools + said })
  }
}

interface Call {
  readonly tool: string
  readonly input: Schema.JsonObject
}

type Result = any

/** One way through a task: what the model says, turn for turn. Every `yield` is a turn; the last value is its answer. */
interface Task {
  readonly name: string
  readonly prompt: string
  readonly direct: () => Generator<ReadonlyArray<Call>, string, ReadonlyArray<Result>>
  readonly cells: () => Generator<string, string, string>
  /** What it would look for, where it is not told of the tools. */
  readonly queries: ReadonlyArray<string>
  /** Puts things back to where they were before. */
  readonly reset?: () => void
}

const call = (tool: string, input: Schema.JsonObject): Call => ({ tool: `mcp__${tool}`, input })
const textOf = ({ content }: Result): string =>
  content.map(({ text = "" }: { readonly text?: string }) => text).join("\n")
const path = (name: string) => join(root, name)

const nested = ({ input, tool }: Call, toolName: NestedToolCall["toolName"]): NestedToolCall =>
  ({
    sessionId: "",
    cellId: "",
    callId: "",
    toolCallId: "",
    idempotencyKey: "",
    attempt: 1,
    tool,
    toolName,
    kind: "function",
    input
  }) as unknown as NestedToolCall

const inDirectCalls = Effect.fnUntraced(function*(task: Task) {
  const { invokeTool, tools } = yield* Delegate
  // What a client makes of a server's resources by itself is no tool of the server.
  const listed = tools.filter(({ name }) => !name.endsWith("_resource") && !name.endsWith("_resources"))
  const counted = cost(listed)
  counted.ask(task.prompt)
  const steps = task.direct()
  let step = steps.next([])
  while (step.done !== true) {
    const results = yield* Effect.forEach(step.value, (each) => {
      const { toolName } = listed.find(({ name }) => Identifier.fromName(name) === each.tool)!
      return invokeTool(nested(each, toolName))
    }, { concurrency: "unbounded" })
    counted.turn(
      step.value.map(({ input, tool }) => JSON.stringify({ name: tool, arguments: input })).join("\n"),
      results.map(textOf).join("\n")
    )
    step = steps.next(results)
  }
  counted.turn(step.value)
  return { answer: step.value, cost: counted.total() }
})

const textOfItems = (items: ReadonlyArray<OutputItem>) =>
  items.map((item) => item.type === "input_text" ? item.text : "").join("\n")

/** What a model writes first that is not told of the tools. */
const looking = (queries: ReadonlyArray<string>) =>
  `for (const query of ${JSON.stringify(queries)}) {
  for (const { name } of await tools.search(query, { limit: 2 })) text(await tools.describe(name))
}`

const inCells = Effect.fnUntraced(function*(task: Task, isTold: boolean) {
  const codeMode = yield* CodeMode.CodeMode
  const { exec, wait } = yield* codeMode.descriptions
  const counted = cost([
    { name: "exec", description: exec, inputSchema: Tool.getJsonSchema(CodeMode.Exec) },
    { name: "wait", description: wait, inputSchema: Tool.getJsonSchema(CodeMode.Wait) }
  ])
  counted.ask(task.prompt)
  const run = Effect.fnUntraced(function*(source: string) {
    const { items, success } = yield* codeMode.exec({ source })
    assert.ok(success, textOfItems(items))
    counted.turn(JSON.stringify({ name: "exec", arguments: { source } }), textOfItems(items))
    return textOfItems(items.slice(1))
  })
  const found = isTold ? undefined : yield* run(looking(task.queries))
  const steps = task.cells()
  let step = steps.next("")
  while (step.done !== true) {
    for (const [, name] of found === undefined ? [] : step.value.matchAll(/tools\.(\w+)/g)) {
      assert.ok(found!.includes(`${name}(args`), `${name} is not among what was found for ${task.name}`)
    }
    step = steps.next(yield* run(step.value))
  }
  counted.turn(step.value)
  return { answer: step.value, cost: counted.total() }
})

// =============================================================================
// The tasks
// =============================================================================

const tasks: ReadonlyArray<Task> = [
  {
    name: "echo a word",
    queries: ["echo"],
    prompt: "Have the server echo the word pump, and tell me what it says.",
    direct: function*() {
      const [said] = yield [call("everything__echo", { message: "pump" })]
      return textOf(said)
    },
    cells: function*() {
      return yield "text((await tools.mcp__everything__echo({ message: \"pump\" })).content[0].text)"
    }
  },
  {
    name: "sizes of the files in a folder",
    queries: ["list directory with sizes"],
    prompt: "Which file in the folder notes is the largest?",
    direct: function*() {
      const [listed] = yield [call("fs__list_directory_with_sizes", { path: path("notes"), sortBy: "size" })]
      return /note-\d+\.md/.exec(textOf(listed))![0]
    },
    cells: function*() {
      return yield `const result = await tools.mcp__fs__list_directory_with_sizes({ path: "${
        path("notes")
      }", sortBy: "size" })
text(/note-\\d+\\.md/.exec(result.content[0].text)[0])`
    }
  },
  {
    name: "search the text of 12 files",
    queries: ["list directory", "read text file"],
    prompt: "Which note in the folder notes mentions a key?",
    direct: function*() {
      const [listed] = yield [call("fs__list_directory", { path: path("notes") })]
      const names = textOf(listed).match(/note-\d+\.md/g)!
      const [read] = yield [call("fs__read_multiple_files", { paths: names.map((name) => path(`notes/${name}`)) })]
      return /(note-\d+\.md):[^:]*The key/.exec(textOf(read))![1]!
    },
    cells: function*() {
      return yield `const folder = "${path("notes")}"
const names = (await tools.mcp__fs__list_directory({ path: folder })).content[0].text.match(/note-\\d+\\.md/g)
const notes = await Promise.all(names.map((name) => tools.mcp__fs__read_text_file({ path: folder + "/" + name })))
text(names.filter((_, i) => /\\bkey\\b/.test(notes[i].content[0].text)))`.replace("text(names", "text(...names")
    }
  },
  {
    name: "rename 8 files",
    reset: writeDrafts,
    queries: ["list directory", "move file"],
    prompt: "Rename every draft-N.txt in the folder drafts to letter-N.txt.",
    direct: function*() {
      const [listed] = yield [call("fs__list_directory", { path: path("drafts") })]
      const names = textOf(listed).match(/draft-\d+\.txt/g)!
      yield names.map((name) =>
        call("fs__move_file", {
          source: path(`drafts/${name}`),
          destination: path(`drafts/${name.replace("draft", "letter")}`)
        })
      )
      return `Renamed ${names.length} files.`
    },
    cells: function*() {
      const said = yield `const folder = "${path("drafts")}/"
const names = (await tools.mcp__fs__list_directory({ path: folder })).content[0].text.match(/draft-\\d+\\.txt/g)
await Promise.all(names.map((name) =>
  tools.mcp__fs__move_file({ source: folder + name, destination: folder + name.replace("draft", "letter") })))
text(names.length)`
      return `Renamed ${said} files.`
    }
  },
  {
    name: "add a line to 5 files",
    reset: writeBills,
    queries: ["list directory", "read text file", "write file"],
    prompt: "Put the line Paid at the end of every bill in the folder bills.",
    direct: function*() {
      const [listed] = yield [call("fs__list_directory", { path: path("bills") })]
      const names = textOf(listed).match(/bill-\d+\.txt/g)!
      const bills = yield names.map((name) => call("fs__read_text_file", { path: path(`bills/${name}`), tail: 1 }))
      yield names.map((name, index) =>
        call("fs__edit_file", {
          path: path(`bills/${name}`),
          edits: [{ oldText: textOf(bills[index]).trim(), newText: `${textOf(bills[index]).trim()}\nPaid` }]
        })
      )
      return `${names.length} bills are marked as paid.`
    },
    cells: function*() {
      const said = yield `const folder = "${path("bills")}/"
const names = (await tools.mcp__fs__list_directory({ path: folder })).content[0].text.match(/bill-\\d+\\.txt/g)
await Promise.all(names.map(async (name) => {
  const bill = (await tools.mcp__fs__read_text_file({ path: folder + name })).content[0].text
  await tools.mcp__fs__write_file({ path: folder + name, content: bill.trimEnd() + "\\nPaid\\n" })
}))
text(names.length)`
      return `${said} bills are marked as paid.`
    }
  },
  {
    name: "15 sums",
    queries: ["sum of numbers"],
    prompt: `What are the sums of these pairs? ${numbers(15).map((n) => `${n}+${n * n}`).join(" ")}. Use the server.`,
    direct: function*() {
      const sums = yield numbers(15).map((n) => call("everything__get_sum", { a: n, b: n * n }))
      return sums.map((sum) => /is (\d+)/.exec(textOf(sum))![1]).join(", ")
    },
    cells: function*() {
      return yield `const pairs = [${numbers(15).map((n) => `[${n},${n * n}]`).join(",")}]
const sums = await Promise.all(pairs.map(([a, b]) => tools.mcp__everything__get_sum({ a, b })))
text(sums.map(({ content }) => /is (\\d+)/.exec(content[0].text)[1]).join(", "))`
    }
  },
  {
    name: "6 steps of thought",
    queries: ["think step by step"],
    prompt: "Think in six steps about how to lay out a garden, with the tool for that.",
    direct: function*() {
      for (const n of numbers(6)) {
        yield [call("thinking__sequentialthinking", {
          thought: `Step ${n}: look at what the step before has left open.`,
          thoughtNumber: n,
          totalThoughts: 6,
          nextThoughtNeeded: n < 6
        })]
      }
      return "Beds in the south, paths between them, trees in the north."
    },
    cells: function*() {
      yield `for (let n = 1; n <= 6; n++) {
  const thought = "Step " + n + ": look at what the step before has left open."
  await tools.mcp__thinking__sequentialthinking({ thought, thoughtNumber: n, totalThoughts: 6, nextThoughtNeeded: n < 6 })
}
text("thought")`
      return "Beds in the south, paths between them, trees in the north."
    }
  },
  {
    name: "20 rows into a graph",
    queries: ["read text file", "create entities", "create relations"],
    prompt: "Put the people of people.csv into memory, each with a relation to the employer.",
    direct: function*() {
      const [csv] = yield [call("fs__read_text_file", { path: path("people.csv") })]
      const rows = textOf(csv).trim().split("\n").slice(1).map((row) => row.split(","))
      yield [call("memory__create_entities", {
        entities: [
          { name: "Acme", entityType: "company", observations: [] },
          ...rows.map(([name, city]) => ({ name: name!, entityType: "person", observations: [`lives in ${city}`] }))
        ]
      })]
      yield [call("memory__create_relations", {
        relations: rows.map(([from, , to]) => ({ from: from!, to: to!, relationType: "works at" }))
      })]
      return `${rows.length} people are in memory.`
    },
    cells: function*() {
      const said = yield `const csv = (await tools.mcp__fs__read_text_file({ path: "${
        path("people.csv")
      }" })).content[0].text
const rows = csv.trim().split("\\n").slice(1).map((row) => row.split(","))
await tools.mcp__memory__create_entities({ entities: [
  { name: "Acme", entityType: "company", observations: [] },
  ...rows.map(([name, city]) => ({ name, entityType: "person", observations: ["lives in " + city] }))
] })
await tools.mcp__memory__create_relations({ relations: rows.map(([from, , to]) => ({ from, to, relationType: "works at" })) })
text(rows.length)`
      return `${said} people are in memory.`
    }
  },
  {
    name: "a question to the graph",
    queries: ["read graph"],
    prompt: "How many people in memory work at Acme and live in Oslo?",
    direct: function*() {
      const [graph] = yield [call("memory__read_graph", {})]
      const { entities } = JSON.parse(textOf(graph))
      return String(entities.filter(({ observations }: Result) => observations.includes("lives in Oslo")).length)
    },
    cells: function*() {
      return yield `const { entities, relations } = (await tools.mcp__memory__read_graph({})).structuredContent
const staff = new Set(relations.filter(({ to }) => to === "Acme").map(({ from }) => from))
text(entities.filter(({ name, observations }) => staff.has(name) && observations.includes("lives in Oslo")).length)`
    }
  },
  {
    name: "add up 5 bills, one by one, and remember",
    queries: ["list directory", "read text file", "sum of numbers", "create entities"],
    prompt:
      "Add up the totals of the bills in the folder bills with the server's sum, and keep the result in memory as Spending.",
    direct: function*() {
      const [listed] = yield [call("fs__list_directory", { path: path("bills") })]
      const names = textOf(listed).match(/bill-\d+\.txt/g)!
      const [read] = yield [call("fs__read_multiple_files", { paths: names.map((name) => path(`bills/${name}`)) })]
      const totals = Array.from(textOf(read).matchAll(/Total: (\d+)/g), ([, total]) => Number(total))
      let sum = totals[0]!
      for (const total of totals.slice(1)) {
        const [added] = yield [call("everything__get_sum", { a: sum, b: total })]
        sum = Number(/is (\d+)/.exec(textOf(added))![1])
      }
      yield [call("memory__create_entities", {
        entities: [{ name: "Spending", entityType: "sum", observations: [`${sum} EUR`] }]
      })]
      return `${sum} EUR`
    },
    cells: function*() {
      return yield `const folder = "${path("bills")}/"
const names = (await tools.mcp__fs__list_directory({ path: folder })).content[0].text.match(/bill-\\d+\\.txt/g)
let sum = 0
for (const name of names) {
  const bill = (await tools.mcp__fs__read_text_file({ path: folder + name })).content[0].text
  const added = await tools.mcp__everything__get_sum({ a: sum, b: Number(/Total: (\\d+)/.exec(bill)[1]) })
  sum = Number(/is (\\d+)/.exec(added.content[0].text)[1])
}
await tools.mcp__memory__create_entities({ entities: [{ name: "Spending", entityType: "sum", observations: [sum + " EUR"] }] })
text(sum + " EUR")`
    }
  }
]

// =============================================================================
// The table
// =============================================================================

const row = (cells: ReadonlyArray<string | number>) =>
  `| ${cells.map((cell) => typeof cell === "number" ? cell.toLocaleString("en") : cell).join(" | ")} |`

const ways = ["direct", "declared", "found"] as const

/** The same servers, with their tools declared to the model, and with tools that find them. */
const sessions = Effect.gen(function*() {
  const delegate = yield* Delegate
  const codeMode = (delegate: Delegate["Service"], options: CodeMode.Options) =>
    Effect.map(
      Runtime.make().pipe(Effect.provideService(Delegate, delegate)),
      (session) => CodeMode.make(session, options)
    )
  return {
    declared: yield* codeMode(delegate, {}),
    found: yield* codeMode(Catalogue.make(delegate), {
      deferred: ({ toolName }) => toolName.namespace !== null
    })
  }
})

const main = Effect.gen(function*() {
  const { declared, found } = yield* sessions
  const all: Array<{ readonly name: string; readonly costs: ReadonlyArray<Cost> }> = []
  for (const task of tasks) {
    const costs: Array<Cost> = []
    const answers: Array<string> = []
    for (
      const way of [
        inDirectCalls(task),
        Effect.provideService(inCells(task, true), CodeMode.CodeMode, declared),
        Effect.provideService(inCells(task, false), CodeMode.CodeMode, found)
      ]
    ) {
      task.reset?.()
      const { answer, cost } = yield* way
      answers.push(answer)
      costs.push(cost)
    }
    assert.deepEqual(answers, answers.map(() => answers[0]), task.name)
    all.push({ name: task.name, costs })
  }
  const total = (key: keyof Cost) => ways.map((_, way) => all.reduce((sum, { costs }) => sum + costs[way]![key], 0))
  const columns = ["turns", "input", "output"] as const
  console.log(row(["task", ...columns.flatMap((column) => ways.map((way) => `${column}, ${way}`))]))
  console.log(row(["---", ...Array.from({ length: 9 }, () => "--:")]))
  for (const { costs, name } of all) {
    console.log(row([name, ...columns.flatMap((column) => costs.map((cost) => cost[column]))]))
  }
  console.log(row(["all ten", ...columns.flatMap(total)]))
  const most = ways.map((_, way) => Math.max(...all.map(({ costs }) => costs[way]!.context)))
  const least = ways.map((_, way) => Math.min(...all.map(({ costs }) => costs[way]!.tools)))
  const { tools } = yield* Delegate
  console.log(`\n${tools.length} tools\n`)
  console.log(row(["", ...ways]))
  console.log(row(["---", "--:", "--:", "--:"]))
  console.log(row(["what the model is told of the tools", ...least]))
  console.log(row(["its fullest context", ...most]))
})

const layer = Layer.merge(Mcp.layer(servers), V8.layer())

await Effect.runPromise(
  Effect.scoped(main).pipe(Effect.provide(layer), Effect.provideService(Logger.LogToStderr, true))
)
