/**
 * What a lane says of a cell, taken apart and checked: the one place where the host's trust in a lane ends.
 *
 * **Details**
 *
 * A lane runs what a model wrote, and may have been taken over by it. So an event is read byte by byte against the one
 * shape that it can have, and nothing of it is kept before it has passed: there is no text that takes more memory here
 * than its own length. An event that no lane of ours would send breaks the contract. What a script can bring about by
 * itself is a limit of its cell.
 *
 * @since 0.1.0
 */
import { isUtf8 } from "node:buffer"
import type { IsolateEvent, Program } from "../Isolate.ts"
import type { CellError, Location, OutputItem, ToolCallId } from "../Protocol.ts"
import * as StoredValues from "../session/StoredValues.ts"
import * as JsonText from "../text/JsonText.ts"
import { Breach, breach, EventReader } from "./EventReader.ts"
import { maxErrorTextBytes, maxPayload } from "./Frames.ts"

/**
 * What became of a lane's event: it is one, or it goes past a limit of its cell, or no lane that keeps its contract would
 * have sent it.
 *
 * @category models
 * @since 0.1.0
 */
export type Heard =
  | IsolateEvent
  | { readonly _tag: "TooMuch"; readonly text: string }
  | { readonly _tag: "Broken"; readonly what: string }

type Event<Tag extends IsolateEvent["_tag"]> = Extract<IsolateEvent, { readonly _tag: Tag }>
type ToolCall = Event<"ToolCalls">["calls"][number]
type StoredValue = Event<"Finished">["stored"][number]

/** The cell goes past a limit. */
class Excess {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const mebibyte = 2 ** 20

/** An event carries no more than the host would hold of one kind, and JSON may write that so many times as long. */
const mostJsonPerByte = 4

/**
 * The longest event in bytes that a cell may need.
 *
 * @category constructors
 * @since 0.1.0
 */
export const maxEventBytes = ({ maxOutputBytes, maxPendingInputBytes, maxStoredBytes }: Program): number => {
  const most = Math.max(maxOutputBytes, maxPendingInputBytes, maxStoredBytes)
  return Math.min(maxPayload, mebibyte * Math.ceil(1 + mostJsonPerByte * most / mebibyte))
}

const word = (reader: EventReader) => reader.word()
const string = (reader: EventReader) => reader.string()
const natural = (reader: EventReader) => reader.natural()
const nothing = {}

/** A lane sends what there is as soon as it is more than some kilobytes, so that no event of many items is long to read. */
const maxItems = 65_536

const details = ["auto", "low", "high", "original"] as const

const isData = (url: string) => /^data:/i.test(url)

const itemFields = { type: word, text: string, image_url: string, audio_url: string, detail: word }

const readItem = (reader: EventReader): OutputItem => {
  const item = reader.object(itemFields)
  const { audio_url, image_url, text, type } = item
  const others = Object.keys(item).length - 2
  if (type === "input_text" && text !== undefined && others === 0) {
    return { type, text }
  }
  if (type === "input_audio" && audio_url !== undefined && isData(audio_url) && others === 0) {
    return { type, audio_url }
  }
  if (type === "input_image" && image_url !== undefined && isData(image_url)) {
    const detail = details.find((known) => known === item.detail)
    if (others === (detail === undefined ? 0 : 1)) {
      return detail === undefined ? { type, image_url } : { type, image_url, detail }
    }
  }
  return breach("an output item has a form that there is not")
}

const locationFields = { line: natural, column: natural }

const readLocation = (reader: EventReader): Location => {
  const { column, line } = reader.object(locationFields)
  return line === undefined || column === undefined ? breach("a place in the source is incomplete") : { line, column }
}

const errorTags = ["ScriptError", "LimitExceeded", "IsolateLost"] as const

const errorFields = {
  _tag: word,
  text: (reader: EventReader) => reader.stringWithin(maxErrorTextBytes),
  location: readLocation
}

const readError = (reader: EventReader): CellError => {
  const { _tag: given, location, text } = reader.object(errorFields)
  const tag = errorTags.find((known) => known === given)
  if (tag === undefined || text === undefined) {
    return breach("the error of its cell has a form that there is not")
  }
  return location === undefined ? { _tag: tag, text } : { _tag: tag, text, location }
}

const checkJson = (what: string, json: string): number => {
  const weight = JsonText.weigh(json)
  return typeof weight === "number" ? weight : breach(`${what} ${weight}`)
}

const readStored = (reader: EventReader): ReadonlyArray<StoredValue> => {
  const keys = new Set<string>()
  return reader.array((reader) => {
    const [key, json] = reader.pair()
    checkJson("a stored value", json)
    if (keys.has(key)) {
      breach("a value is stored twice")
    }
    if (keys.size >= StoredValues.maxValues) {
      throw new Excess(`the cell has stored more than ${StoredValues.maxValues} values`)
    }
    keys.add(key)
    return [key, json]
  })
}

const callFields = {
  id: word,
  tool: natural,
  input: (reader: EventReader) => reader.json("the input of a tool call"),
  line: natural
}

interface Pending {
  readonly bytes: number
  readonly weight: number
}

const nothingPending: Pending = { bytes: 0, weight: 0 }

const idPattern = /^tool-([1-9]\d{0,14})$/

/**
 * What a cell has said so far, as far as it decides what it may say next.
 *
 * @category models
 * @since 0.1.0
 */
export class Contract {
  private readonly program: Program
  private state: "new" | "running" | "paused" | "over" = "new"
  /** Calls are numbered, so that no id needs to be remembered once it is answered. */
  private lastCall = 0
  private readonly pending = new Map<string, Pending>()
  private pendingBytes = 0
  private pendingWeight = 0
  /** Answers that may still be under way when the cell says what it waits for. */
  private answersUnderWay = 0
  private past = 0

  constructor(program: Program) {
    this.program = program
  }

  /** A tool call is answered. Whether it was waiting for that. */
  answer(id: string): boolean {
    const call = this.pending.get(id)
    if (call === undefined) {
      return false
    }
    this.pending.delete(id)
    this.pendingBytes -= call.bytes
    this.pendingWeight -= call.weight
    this.answersUnderWay++
    return true
  }

  /** The cell goes on, if it stands still. It has every answer by then that was sent before. */
  resume(): boolean {
    if (this.state !== "paused") {
      return false
    }
    this.state = "running"
    this.answersUnderWay = 0
    return true
  }

  /** The cell has the next of the turns that it had before. */
  private repeat(): void {
    const past = this.program.deterministic?.turns?.[this.past++]
    if (past !== undefined) {
      past.answers.forEach(([id]) => this.answer(id))
      this.resume()
    }
  }

  /** What an event's bytes say. After anything but an event, there is nothing more to hear. */
  read(payload: Buffer): Heard {
    try {
      if (!isUtf8(payload)) {
        breach("its event is not UTF-8")
      }
      const reader = new EventReader(payload)
      const event = this.readEvent(reader)
      reader.end()
      return event
    } catch (error) {
      this.state = "over"
      if (error instanceof Excess) {
        return { _tag: "TooMuch", text: error.text }
      }
      if (error instanceof Breach) {
        return { _tag: "Broken", what: error.what }
      }
      throw error
    }
  }

  private readEvent(reader: EventReader): IsolateEvent {
    const tag = reader.tag()
    this.checkOrder(tag)
    switch (tag) {
      case "Started":
        this.state = "running"
        reader.rest(nothing)
        return { _tag: "Started" }
      case "Output":
        return this.readOutput(reader)
      case "ToolCalls":
        return this.readToolCalls(reader)
      case "Notify":
        return this.readNotify(reader)
      case "YieldRequested":
        reader.rest(nothing)
        return { _tag: "YieldRequested" }
      case "Frontier":
        return this.readFrontier(reader)
      case "Finished":
        return this.readFinished(reader)
      default:
        return breach("its event is of no known kind")
    }
  }

  private checkOrder(tag: string): void {
    switch (this.state) {
      case "new":
        if (tag !== "Started" && tag !== "Finished") {
          breach("a cell did something before it started")
        }
        return
      case "running":
        if (tag === "Started") {
          breach("a cell started twice")
        }
        return
      case "paused":
        if (tag !== "Finished") {
          breach("a cell went on without being told to")
        }
        return
      case "over":
        breach("a cell did something after its end")
    }
  }

  private readOutput(reader: EventReader): Event<"Output"> {
    const { items } = reader.rest({ items: (reader) => reader.array(readItem, maxItems) })
    return items === undefined || items.length === 0 ? breach("an output has no items") : { _tag: "Output", items }
  }

  private readNotify(reader: EventReader): Event<"Notify"> {
    const { text } = reader.rest({ text: string })
    return text === undefined || text === "" ? breach("a notification has no text") : { _tag: "Notify", text }
  }

  // ---------------------------------------------------------------------------
  // Tool calls
  // ---------------------------------------------------------------------------

  private readToolCalls(reader: EventReader): Event<"ToolCalls"> {
    const { calls } = reader.rest({ calls: (reader) => reader.array(this.readCall) })
    return calls === undefined || calls.length === 0
      ? breach("an event of tool calls has none")
      : { _tag: "ToolCalls", calls }
  }

  private readonly readCall = (reader: EventReader): ToolCall => {
    const { id, input, line, tool } = reader.object(callFields)
    if (id !== `tool-${this.lastCall + 1}`) {
      return breach("a tool call is not numbered as the next one")
    }
    if (tool === undefined || tool >= this.program.tools.length) {
      return breach("a tool call names no tool of its cell")
    }
    if (line !== undefined && this.program.locatesCalls !== true) {
      return breach("a tool call says where it is from, and was not asked")
    }
    this.admit(id, input ?? nothingPending)
    return {
      id: id as ToolCallId,
      tool,
      ...(input === undefined ? {} : { input: input.json }),
      ...(line === undefined ? {} : { line })
    }
  }

  private admit(id: string, { bytes, weight }: Pending): void {
    const { maxPendingInputBytes, maxPendingToolCalls } = this.program
    this.lastCall++
    if (this.pending.size >= maxPendingToolCalls) {
      breach(`more than ${maxPendingToolCalls} tool calls of a cell wait for an answer`)
    }
    if (this.pendingBytes > 0 && this.pendingBytes + bytes > maxPendingInputBytes) {
      // The helpers refuse such a call, but what they count need not be bytes.
      throw new Excess(`the tool calls that wait for an answer carry more than ${maxPendingInputBytes} bytes`)
    }
    if (this.pendingWeight + weight > JsonText.maxWeight(maxPendingInputBytes)) {
      throw new Excess("the tool calls that wait for an answer carry too many values")
    }
    this.pending.set(id, { bytes, weight })
    this.pendingBytes += bytes
    this.pendingWeight += weight
  }

  private readFrontier(reader: EventReader): Event<"Frontier"> {
    const { due, pendingToolCalls, timers } = reader.rest({
      pendingToolCalls: this.readPending,
      timers: natural,
      due: natural
    })
    if (pendingToolCalls === undefined || timers === undefined) {
      return breach("a frontier does not say what its cell waits for")
    }
    if ((due !== undefined) !== (this.program.deterministic !== undefined && timers > 0)) {
      return breach(
        "a frontier does not say when its cell's next timer is due, or says so of a clock that is not its own"
      )
    }
    if (this.program.pausable) {
      this.state = "paused"
      this.repeat()
    }
    return due === undefined
      ? { _tag: "Frontier", pendingToolCalls, timers }
      : { _tag: "Frontier", pendingToolCalls, timers, due }
  }

  /** Every call without an answer, in the order of the calls, and those whose answer may not have arrived there yet. */
  private readonly readPending = (reader: EventReader): ReadonlyArray<ToolCallId> => {
    let room = this.program.pausable ? this.pending.size + this.answersUnderWay : 0
    let last = 0
    let unanswered = 0
    const ids = reader.array((reader) => {
      const id = reader.word()
      const number = Number(idPattern.exec(id)?.[1] ?? 0)
      if (number <= last || number > this.lastCall || room === 0) {
        breach("a frontier names a tool call that does not wait for an answer")
      }
      room--
      last = number
      unanswered += this.pending.has(id) ? 1 : 0
      return id as ToolCallId
    })
    return unanswered < this.pending.size
      ? breach("a frontier leaves out a tool call that waits for an answer")
      : ids
  }

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  private readFinished(reader: EventReader): Event<"Finished"> {
    const hasStarted = this.state !== "new"
    this.state = "over"
    const { error, stored } = reader.rest({ stored: readStored, error: readError })
    if (stored === undefined) {
      return breach("the end of a cell does not say what it stored")
    }
    if (!hasStarted && error === undefined) {
      return breach("a cell ended well that did not start")
    }
    return error === undefined ? { _tag: "Finished", stored } : { _tag: "Finished", stored, error }
  }
}
