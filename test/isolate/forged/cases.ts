/** What a lane may not say, and what becomes of its cell and of the lane when it does. */
import { encode, event, frame, Kind, ready, type Script, type Step } from "./Script.ts"

export interface Case {
  readonly name: string
  /** What the lane does before a cell is started; by default it says that it is up. */
  readonly opening?: Script
  /** Whether it is a pausable cell, and whether it is resumed. */
  readonly pausable?: "resumed" | "left"
  readonly script: Script
  /** What the cell ends with; by default the contract that was broken. `well` is no error. */
  readonly error?: RegExp | "well"
  /** What is logged, once; by default that the contract was broken. */
  readonly logs?: RegExp | "nothing"
}

/** The bounds that the cases go past. */
export const bounds = { pendingCalls: 64, bytes: 4 * 2 ** 20 }

export const tools = ["hold", "echo"]
const [hold, echo] = [0, 1]

const started = event({ _tag: "Started" })
const finished = event({ _tag: "Finished", stored: [] })
const output = (...items: ReadonlyArray<unknown>) => event({ _tag: "Output", items })
const text = (text: unknown) => output({ type: "input_text", text })
const notify = (text: unknown) => event({ _tag: "Notify", text })
const call = (id: unknown, tool: unknown = hold, input?: unknown) => ({
  id,
  tool,
  ...(input === undefined ? {} : { input })
})
const calls = (...calls: ReadonlyArray<unknown>) => event({ _tag: "ToolCalls", calls })
const frontier = (pendingToolCalls: unknown, timers: unknown = 0) =>
  event({ _tag: "Frontier", pendingToolCalls, timers })
const stored = (...stored: ReadonlyArray<unknown>) => event({ _tag: "Finished", stored })
const failed = (error: unknown) => event({ _tag: "Finished", stored: [], error })

const numbered = (count: number, input?: (number: number) => string) =>
  Array.from({ length: count }, (_, index) => call(`tool-${index + 1}`, hold, input?.(index + 1)))

const times = (step: Step, times: number): Step => ({ ...step, times } as Step)
const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels)

/** A lane that breaks its contract with what it does once its cell has started. */
const broken = (name: string, what: RegExp, ...script: Script): Case => ({
  name,
  script: [started, ...script],
  error: new RegExp(`^IsolateLost the lane broke its contract: .*${what.source}`),
  logs: what
})

const unstarted = (name: string, what: RegExp, ...script: Script): Case => ({
  ...broken(name, what),
  script
})

/** The cell has ended, and nothing more is to be said of it. */
const late = (name: string, what: RegExp, ...script: Script): Case => ({
  name,
  script: [started, finished, ...script],
  error: "well",
  logs: what
})

const pausable = (name: string, what: RegExp, ...script: Script): Case => ({
  ...broken(name, what, ...script),
  pausable: "resumed"
})

const stopped = (name: string, what: RegExp, ...script: Script): Case => ({
  ...broken(name, what, ...script),
  pausable: "left"
})

/** What a script may bring about: it ends its cell, and the lane goes on. */
const excess = (name: string, error: RegExp, ...script: Script): Case => ({
  name,
  script: [started, ...script],
  error,
  logs: "nothing"
})

const opening = (name: string, what: RegExp, ...opening: Script): Case => ({
  name,
  opening,
  script: [],
  error: new RegExp(`^IsolateFailure the lane process did not start: the lane broke its contract: .*${what.source}`),
  logs: what
})

const form = /does not have the form/
const field = /a field that is not known, or has one twice/

export const cases: ReadonlyArray<Case> = [
  // -- lanes that keep the contract ---------------------------------------------------------------------------------
  { name: "a cell that ends at once", script: [started, finished], error: "well", logs: "nothing" },
  {
    name: "a cell that does all it may",
    script: [
      started,
      output({ type: "input_text", text: "語\"\\\n" }, { type: "input_image", image_url: "data:,", detail: "low" }),
      output({ audio_url: "DATA:,", type: "input_audio" }, { type: "input_image", image_url: "data:," }),
      frame(Kind.Busy),
      frame(Kind.Idle),
      frontier([], 3),
      calls(call("tool-1", echo), call("tool-2", echo, "[1, {\"a\": null}]")),
      { awaits: Kind.Resolve, times: 2 },
      calls(call("tool-3", echo, "\"x\"")),
      { awaits: Kind.Resolve, times: 3 },
      event({ _tag: "YieldRequested" }),
      event({
        _tag: "Finished",
        stored: [["k", "1"], ["__proto__", "[]"]],
        error: { _tag: "ScriptError", text: "boom", location: { line: 1, column: 0 } }
      }),
      frame(Kind.Left),
      frame(Kind.Retired, "", 0)
    ],
    error: /^ScriptError boom$/,
    logs: "nothing"
  },
  {
    name: "a cell that pauses while an answer is under way",
    pausable: "resumed",
    script: [
      started,
      calls(call("tool-1", echo), call("tool-2", hold)),
      { awaits: Kind.Resolve, times: 1 },
      frontier(["tool-1", "tool-2"]),
      { awaits: Kind.Resume, times: 1 },
      frontier(["tool-2"]),
      { awaits: Kind.Resume, times: 2 },
      finished
    ],
    error: "well",
    logs: "nothing"
  },
  {
    name: "a source that does not compile",
    script: [failed({ _tag: "ScriptError", text: "SyntaxError: no" })],
    error: /^ScriptError SyntaxError: no$/,
    logs: "nothing"
  },

  // -- before it is up ----------------------------------------------------------------------------------------------
  opening("an event before it is ready", /before it was ready/, frame(Kind.Event, "{}", 1), ready),
  opening("its retirement before it is ready", /before it was ready/, frame(Kind.Retired, "", 0)),
  opening("it is ready, for a cell", /before it was ready/, frame(Kind.Ready, "", 1)),
  opening("it is ready, as a user with a name", /a user that is no number/, frame(Kind.Ready, "root", 0)),
  opening("it is ready, with a long story", /before it was ready/, frame(Kind.Ready, "1".repeat(11), 0)),
  opening("it is ready, with 4 GiB to come", /before it was ready/, { kind: Kind.Ready, cell: 0, length: 2 ** 32 - 1 }),
  opening("a frame of a kind there is not, first of all", /before it was ready/, frame(200, "", 0)),

  // -- frames -------------------------------------------------------------------------------------------------------
  broken("it is ready once more", /a frame of kind 0/, ready),
  broken("a frame that only hosts send: Start", /a frame of kind 3/, frame(Kind.Start, "{}")),
  broken("a frame that only hosts send: Resolve", /a frame of kind 4/, frame(Kind.Resolve, "tool-1 1")),
  broken("a frame that only hosts send: Reject", /a frame of kind 5/, frame(Kind.Reject, "tool-1 1")),
  broken("a frame that only hosts send: Resume", /a frame of kind 6/, frame(Kind.Resume)),
  broken("a frame that only hosts send: Stop", /a frame of kind 7/, frame(Kind.Stop)),
  broken("a frame of the first kind there is not", /a frame of kind 11/, frame(11)),
  broken("a frame of the last kind there is not", /a frame of kind 255/, frame(255, "x".repeat(1000))),
  broken("an event of no cell", /of a cell that is not there/, frame(Kind.Event, "{}", 0)),
  broken("an event of a cell to come", /of a cell that is not there/, frame(Kind.Event, "{\"_tag\":\"Started\"}", 2)),
  broken("an event of the last cell of all", /of a cell that is not there/, frame(Kind.Event, "{}", 2 ** 32 - 1)),
  broken("an event of 4 GiB", /of 4294967295 bytes/, { kind: Kind.Event, cell: "own", length: 2 ** 32 - 1 }),
  broken("an event of 20 MiB", /of 20971520 bytes/, { kind: Kind.Event, cell: "own", length: 20 * 2 ** 20 }),
  broken("busy, with words", /busy or idle/, frame(Kind.Busy, "x")),
  broken("busy twice", /busy or idle/, frame(Kind.Busy), frame(Kind.Busy)),
  broken("idle, and was not busy", /busy or idle/, frame(Kind.Idle)),
  broken("idle twice", /busy or idle/, frame(Kind.Busy), frame(Kind.Idle), frame(Kind.Idle)),
  broken("a cell is busy that there is not", /busy or idle/, frame(Kind.Busy, "", 7)),
  broken("a cell is idle that there is not", /busy or idle/, frame(Kind.Idle, "", 0)),
  broken("a cell has left that runs", /had not ended/, frame(Kind.Left)),
  broken("a cell has left that there is not", /had not ended/, frame(Kind.Left, "", 9)),
  broken("it retires twice", /takes no more cells/, frame(Kind.Retired, "", 0), frame(Kind.Retired, "", 0)),
  broken("it retires, with words", /takes no more cells/, frame(Kind.Retired, "because", 0)),
  broken("it retires, for a cell", /takes no more cells/, frame(Kind.Retired)),
  broken("two megabytes on its standard error", /to its standard error/, { stderr: 2 * 2 ** 20 }),
  {
    name: "half a header, and its end",
    script: [started, { bytes: "0500000001" }, { exit: true }],
    error: /^IsolateLost exec runtime ended unexpectedly$/,
    logs: "nothing"
  },
  {
    name: "half a frame, and its end",
    script: [started, { kind: Kind.Event, cell: "own", length: 1000 }, { bytes: "7b22" }, { exit: true }],
    error: /^IsolateLost exec runtime ended unexpectedly$/,
    logs: "nothing"
  },

  // -- what is no event ---------------------------------------------------------------------------------------------
  broken("nothing", form, event("")),
  broken("a word", form, event("not json")),
  broken("an event that stops in the middle", /a text that does not end/, event("{\"_tag\":\"Notify\",\"text\":\"abc")),
  broken("an event that stops before its brace", form, event("{\"_tag\":\"Notify\",\"text\":\"abc\"")),
  broken("an event and more", /goes on after its end/, event("{\"_tag\":\"YieldRequested\"}x")),
  broken(
    "two events at once",
    /goes on after its end/,
    event("{\"_tag\":\"YieldRequested\"}{\"_tag\":\"YieldRequested\"}")
  ),
  broken("an event with white space", form, event("{ \"_tag\": \"YieldRequested\" }")),
  broken("an event behind a byte order mark", form, event("\ufeff{\"_tag\":\"YieldRequested\"}")),
  broken("bytes that are no UTF-8", /not UTF-8/, {
    bytes: encode(Kind.Event, 1, Buffer.from("{\"_tag\":\"Notify\",\"text\":\"\xff\"}", "latin1")).toString("hex")
  }),
  broken("a list", form, event([])),
  broken("null", form, event("null")),
  broken("an event without a tag", /no tag/, event({ items: [] })),
  broken("an event with its tag behind", /no tag/, event({ text: "x", _tag: "Notify" })),
  broken("an event whose tag is a number", form, event({ _tag: 1 })),
  broken("an event of another kind", /no known kind/, event({ _tag: "Exploded" })),
  broken("an event of a kind of the prototype's", /no known kind/, event({ _tag: "constructor" })),
  broken("an event with two tags", field, event("{\"_tag\":\"Notify\",\"_tag\":\"Notify\",\"text\":\"x\"}")),
  broken("an event with two texts", field, event("{\"_tag\":\"Notify\",\"text\":\"x\",\"text\":\"y\"}")),
  broken("an event with a field too many", field, event({ _tag: "YieldRequested", by: "me" })),
  broken("an event with a field __proto__", field, event("{\"_tag\":\"YieldRequested\",\"__proto__\":{}}")),
  broken("an event with a field of the prototype's", field, event("{\"_tag\":\"Notify\",\"toString\":\"x\"}")),
  broken("a field with a name of a megabyte", /too long a word/, event({ _tag: "Notify", ["x".repeat(2 ** 20)]: 1 })),
  broken("a tag of a megabyte", /too long a word/, event({ _tag: "N".repeat(2 ** 20) })),
  broken("a control character in a text", /control character/, event("{\"_tag\":\"Notify\",\"text\":\"a\nb\"}")),
  broken("an escape sequence that is none", /not JSON/, event("{\"_tag\":\"Notify\",\"text\":\"\\x41\"}")),
  broken("half an escape sequence", /not JSON/, event("{\"_tag\":\"Notify\",\"text\":\"\\u00\"}")),
  broken("an event that is nested 50,000 deep", form, event(`{"_tag":"Notify","text":${deep(50_000)}}`)),
  broken(
    "four megabytes of empty objects",
    /an output item|form/,
    event(`{"_tag":"Output","items":[${"{},".repeat(2 ** 20)}{}]}`)
  ),

  // -- order --------------------------------------------------------------------------------------------------------
  unstarted("output before it started", /before it started/, text("x")),
  unstarted("a tool call before it started", /before it started/, calls(call("tool-1"))),
  unstarted("a frontier before it started", /before it started/, frontier([])),
  unstarted("a good end before it started", /ended well that did not start/, finished),
  broken("it started twice", /started twice/, started),
  late("output after the end", /of a cell that is not there|after its end|something of a cell/, text("x")),
  late("a second end", /of a cell that is not there|something of a cell/, finished),
  late("busy after the end", /busy or idle/, frame(Kind.Busy)),
  late("it has left twice", /had not ended/, frame(Kind.Left), frame(Kind.Left)),
  late("output after it has left", /of a cell that is not there/, frame(Kind.Left), text("x")),
  stopped("output while it stands still", /without being told to/, frontier([]), text("x")),
  stopped("a tool call while it stands still", /without being told to/, frontier([]), calls(call("tool-1"))),
  stopped("two frontiers in a row", /without being told to/, frontier([]), frontier([])),

  // -- output -------------------------------------------------------------------------------------------------------
  broken("an item of another kind", /an output item/, output({ type: "nonsense" })),
  broken("an item of no kind", /an output item/, output({ text: "x" })),
  broken("an item that is a text", form, output("x")),
  broken("an item without fields", form, output({})),
  broken("no items", /no items/, output()),
  broken("items that are missing", /no items/, event({ _tag: "Output" })),
  broken("items that are no list", form, event({ _tag: "Output", items: { length: 1 } })),
  broken("a text that is a number", form, text(1)),
  broken("a text that is missing", /an output item/, output({ type: "input_text" })),
  broken("a text with a picture", /an output item/, output({ type: "input_text", text: "x", image_url: "data:," })),
  broken("a text with a field too many", field, output({ type: "input_text", text: "x", id: 1 })),
  broken(
    "a picture from elsewhere",
    /an output item/,
    output({ type: "input_image", image_url: "https://a.example/" })
  ),
  broken(
    "a picture in another detail",
    /an output item/,
    output({ type: "input_image", image_url: "data:,", detail: "all" })
  ),
  broken("a picture without a URL", /an output item/, output({ type: "input_image", detail: "low" })),
  broken("a sound from elsewhere", /an output item/, output({ type: "input_audio", audio_url: "file:///etc/passwd" })),
  broken("a sound in detail", /an output item/, output({ type: "input_audio", audio_url: "data:,", detail: "low" })),
  broken(
    "a hundred thousand items at once",
    /a list of more than 65536/,
    output(...Array.from({ length: 100_000 }, () => ({ type: "input_text", text: "" })))
  ),
  excess(
    "output that nobody reads",
    /^LimitExceeded the cell has put out more than 4194304 bytes that were not read$/,
    times(text("語".repeat(100_000)), 20)
  ),
  excess(
    "empty output that nobody reads",
    /^LimitExceeded the cell has put out more than 4194304 bytes that were not read$/,
    times(output(...Array.from({ length: 1000 }, () => ({ type: "input_text", text: "" }))), 80)
  ),

  // -- tool calls ---------------------------------------------------------------------------------------------------
  broken("no calls", /has none/, calls()),
  broken("calls that are missing", /has none/, event({ _tag: "ToolCalls" })),
  broken("a call that is a text", form, calls("tool-1")),
  broken("a tool of index -1", /not a whole one/, calls(call("tool-1", -1))),
  broken("a tool of index 99", /names no tool/, calls(call("tool-1", 99))),
  broken("a tool of index 1.5", form, event("{\"_tag\":\"ToolCalls\",\"calls\":[{\"id\":\"tool-1\",\"tool\":1.5}]}")),
  broken(
    "a tool of index 1e300",
    form,
    event("{\"_tag\":\"ToolCalls\",\"calls\":[{\"id\":\"tool-1\",\"tool\":1e300}]}")
  ),
  broken(
    "a tool of index 00",
    /not a whole one/,
    event("{\"_tag\":\"ToolCalls\",\"calls\":[{\"id\":\"tool-1\",\"tool\":00}]}")
  ),
  broken(
    "a tool of a long index",
    /not a whole one/,
    event(`{"_tag":"ToolCalls","calls":[{"id":"tool-1","tool":${"9".repeat(1000)}}]}`)
  ),
  broken("a tool that is named", /not a whole one/, calls(call("tool-1", "echo"))),
  broken("a tool that is missing", /names no tool/, calls({ id: "tool-1" })),
  broken("an empty id", /numbered/, calls(call(""))),
  broken("an id that is missing", /numbered/, calls({ tool: 0 })),
  broken("an id that is a number", form, calls(call(1))),
  broken("one id a thousand times", /numbered/, times(calls(call("tool-1")), 1000)),
  broken("one id twice in an event", /numbered/, calls(call("tool-1"), call("tool-1"))),
  broken(
    "an id that was answered",
    /numbered/,
    calls(call("tool-1", echo)),
    { awaits: Kind.Resolve, times: 1 },
    calls(call("tool-1"))
  ),
  broken("an id from further on", /numbered/, calls(call("tool-77"))),
  broken("ids in the wrong order", /numbered/, calls(call("tool-2"), call("tool-1"))),
  broken("an id in other digits", /numbered/, calls(call("tool-01"))),
  broken("an id of zero", /numbered/, calls(call("tool-0"))),
  broken("an id of a megabyte", /too long a word/, calls(call("tool-1".repeat(200_000)))),
  broken("an id of the prototype's", /numbered/, calls(call("__proto__"))),
  broken("a call with a field too many", field, calls({ ...call("tool-1"), cell: 2 })),
  broken("an input that is not JSON", /is not JSON/, calls(call("tool-1", echo, "{{{"))),
  broken("an empty input", /is not JSON/, calls(call("tool-1", echo, ""))),
  broken("an input of two values", form, calls(call("tool-1", echo, "1 2"))),
  broken("an input that is undefined", /is not JSON/, calls(call("tool-1", echo, "undefined"))),
  broken("an input that does not end", /is not JSON/, calls(call("tool-1", echo, "{\"a\":[1"))),
  broken("an input that is nested 50,000 deep", /more than 127 levels/, calls(call("tool-1", echo, deep(50_000)))),
  broken("an input that is nested 128 deep", /more than 127 levels/, calls(call("tool-1", echo, deep(128)))),
  broken("more calls than may wait", /more than 64 tool calls/, calls(...numbered(65))),
  excess(
    "more input than may wait",
    /^LimitExceeded the tool calls that wait for an answer carry more than 4194304 bytes$/,
    ...numbered(50, () => JSON.stringify("x".repeat(100_000))).map((call) => calls(call))
  ),
  excess(
    "more input than may wait, in characters of three bytes",
    /^LimitExceeded the tool calls that wait for an answer carry more than 4194304 bytes$/,
    ...numbered(16, () => JSON.stringify("語".repeat(100_000))).map((call) => calls(call))
  ),
  excess(
    "an input of very many values",
    /^LimitExceeded .*too many values$/,
    calls(call("tool-1", hold, `[${"[],".repeat(400_000)}0]`))
  ),
  excess(
    "an object of very many members",
    /^LimitExceeded .*too many values$/,
    calls(call("tool-1", hold, `{${Array.from({ length: 100_000 }, (_, key) => `"${key}":0`).join(",")}}`))
  ),

  // -- notifications ------------------------------------------------------------------------------------------------
  broken("a notification without a text", /no text/, event({ _tag: "Notify" })),
  broken("an empty notification", /no text/, notify("")),
  broken("a notification of an object", form, notify({ text: "x" })),
  excess(
    "notifications that nobody takes",
    /^LimitExceeded the cell has notified more than 4194304 bytes/,
    // Two of them are too much; each is given up after a second.
    times(notify("語".repeat(1_000_000)), 6)
  ),
  excess(
    "too many notifications",
    /^LimitExceeded the cell has more than 64 tool calls and notif/,
    times(notify("x"), 100)
  ),

  // -- frontiers ----------------------------------------------------------------------------------------------------
  broken("a frontier that waits for a call that there is not", /does not wait/, frontier(["tool-1"])),
  broken("a running cell that names what it waits for", /does not wait/, calls(call("tool-1")), frontier(["tool-1"])),
  broken("a running cell at rest with calls that wait", /leaves out/, calls(call("tool-1")), frontier([])),
  broken("a frontier without timers", /does not say/, event({ _tag: "Frontier", pendingToolCalls: [] })),
  broken("a frontier without calls", /does not say/, event({ _tag: "Frontier", timers: 0 })),
  broken("timers that are no number", /not a whole one/, frontier([], "not json")),
  broken("timers below zero", /not a whole one/, frontier([], -1)),
  broken("half a timer", form, frontier([], 0.5)),
  pausable(
    "a frontier that names a call to come",
    /does not wait/,
    calls(call("tool-1")),
    frontier(["tool-1", "tool-2"])
  ),
  pausable(
    "a frontier that names a call twice",
    /does not wait/,
    calls(call("tool-1"), call("tool-2")),
    frontier(["tool-1", "tool-1"])
  ),
  pausable(
    "a frontier that names calls in another order",
    /does not wait/,
    calls(call("tool-1"), call("tool-2")),
    frontier(["tool-2", "tool-1"])
  ),
  pausable(
    "a frontier that leaves out a call",
    /leaves out/,
    calls(call("tool-1"), call("tool-2")),
    frontier(["tool-1"])
  ),
  pausable("a frontier that names a thing", /does not wait/, frontier(["constructor"])),
  pausable(
    "a frontier that names a call that it knows is answered",
    /does not wait/,
    calls(call("tool-1", echo)),
    { awaits: Kind.Resolve, times: 1 },
    frontier([]),
    { awaits: Kind.Resume, times: 1 },
    frontier(["tool-1"])
  ),

  // -- the end ------------------------------------------------------------------------------------------------------
  broken("an end that does not say what is stored", /what it stored/, event({ _tag: "Finished" })),
  broken("a stored value that is not JSON", /a stored value is not JSON/, stored(["k", "not json ["])),
  broken("a stored value that is nested 3,000 deep", /a stored value is nested/, stored(["k", deep(3000)])),
  broken("a stored value that is no text", form, stored(["k", 1])),
  broken("a key that is no text", form, stored([1, "1"])),
  broken("a key without a value", form, stored(["k"])),
  broken("a value of three", form, stored(["k", "1", "2"])),
  broken("one key twice", /stored twice/, stored(["k", "1"], ["k", "2"])),
  broken("stored values as an object", form, event({ _tag: "Finished", stored: { k: "1" } })),
  broken("an error of another kind", /the error of its cell/, failed({ _tag: "Bug", text: "x" })),
  broken("an error without a text", /the error of its cell/, failed({ _tag: "ScriptError" })),
  broken("an error without anything", form, failed({})),
  broken("an error that is a text", form, failed("boom")),
  broken("an error that is null", form, failed(null)),
  broken("an error with a field too many", field, failed({ _tag: "ScriptError", text: "x", stack: "y" })),
  broken(
    "a place at half a line",
    form,
    failed({ _tag: "ScriptError", text: "x", location: { line: 0.5, column: 1 } })
  ),
  broken(
    "a place before the first line",
    /not a whole one/,
    failed({ _tag: "ScriptError", text: "x", location: { line: -1, column: 1 } })
  ),
  broken(
    "a place without a column",
    /a place in the source/,
    failed({ _tag: "ScriptError", text: "x", location: { line: 1 } })
  ),
  excess(
    "an error of ten megabytes",
    /^ScriptError S{262000,}… \(cut at 256 KiB\)$/,
    failed({ _tag: "ScriptError", text: `${"S".repeat(1e7)}` })
  ),
  excess(
    "more stored than a session takes, in characters of three bytes",
    /^LimitExceeded the stored values of the session would exceed 4194304 bytes/,
    stored(["k", JSON.stringify("語".repeat(1_500_000))])
  ),
  excess(
    "stored values of very many parts",
    /^LimitExceeded the stored values of the session would consist of too many parts/,
    stored(["k", `[${"[],".repeat(400_000)}0]`])
  )
]
