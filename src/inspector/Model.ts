/**
 * What an inspector knows: the sessions and cells that are there, the last ones that were, and what is kept of each.
 *
 * **Details**
 *
 * It is changed synchronously by those who look at sessions, and read by viewers. A change marks for each viewer what has
 * become different, and a viewer takes the state of what is marked when it has room for it. So a slow one has marks that
 * wait and no messages, and hears of the last state of each thing.
 *
 * @internal
 */
import type { CallEvent, CellError, CellId, CellKind, CellRequest, Notification, OutputItem } from "../Protocol.ts"
import type * as CellRef from "../session/CellRef.ts"
import type * as Onlooker from "../session/Onlooker.ts"
import * as Cut from "../text/Cut.ts"
import * as Identifier from "../text/Identifier.ts"
import * as Visible from "../text/Visible.ts"
import * as CallSites from "./CallSites.ts"
import * as Kept from "./Kept.ts"
import type * as PageMessage from "./PageMessage.ts"

// =============================================================================
// Bounds
// =============================================================================

/** Characters that are kept of all sources, outputs and values together. */
const maxKept = 64 * 1024 * 1024
/** Of them, those of one value, of a text that was put out, and of an image or audio. */
const maxValue = 64 * 1024
const maxText = 256 * 1024
const maxMedia = 8 * 1024 * 1024
/** Ended sessions, ended cells, calls and items of a cell, and lines of the log that are kept. */
const maxEndedSessions = 64
const maxEndedCells = 512
const maxCalls = 20_000
const maxItems = 5000
/** Calls and items of all cells together. */
const maxRecords = 250_000
const maxLogs = 2000
const maxLogLine = 4000
const maxTitle = 120

// =============================================================================
// Records
// =============================================================================

export class Call {
  readonly number: number
  readonly tool: number
  state: PageMessage.CallState = "Running"
  startedAt: number
  endedAt: number | undefined
  queued = 0
  waited = 0
  /** The line that made it; 0 where that is not known. */
  line = 0
  input: Kept.Text | undefined
  result: Kept.Text | undefined
  error: Kept.Text | undefined

  constructor(number: number, tool: number, startedAt: number) {
    this.number = number
    this.tool = tool
    this.startedAt = startedAt
  }
}

interface Item {
  readonly kind: PageMessage.ItemView["kind"]
  readonly at: number
  readonly text: Kept.Text
}

export class Cell {
  readonly key: number
  readonly session: Session
  readonly ref: CellRef.Cell | CellRef.PausableCell
  readonly kind: CellKind
  readonly callId: string
  readonly language: "javascript" | "typescript"
  readonly source: Kept.Text
  readonly title: string
  readonly startedAt: number
  status: PageMessage.CellView["status"] = "Running"
  busy = false
  degraded = false
  settledAt: number | undefined
  /** Why it has failed. */
  error: CellError | undefined
  isSilent = false
  readonly tools: Array<string> = []
  readonly calls = new Map<number, Call>()
  omittedCalls = 0
  made = 0
  running = 0
  failed = 0
  waiting = 0
  items: Array<Item> = []
  firstItem = 0
  private readonly toolIndex = new Map<string, number>()
  private foundSites: Readonly<Record<string, ReadonlyArray<number>>> | undefined

  constructor(
    session: Session,
    key: number,
    ref: CellRef.Cell | CellRef.PausableCell,
    kind: CellKind,
    request: CellRequest,
    source: Kept.Text,
    startedAt: number
  ) {
    this.session = session
    this.key = key
    this.ref = ref
    this.kind = kind
    this.callId = request.callId
    this.language = request.language ?? "javascript"
    this.source = source
    this.title = titleOf(request.source)
    this.startedAt = startedAt
  }

  toolOf(name: string): number {
    const known = this.toolIndex.get(name)
    if (known !== undefined) {
      return known
    }
    const index = this.tools.push(Visible.line(Cut.within(Identifier.fromName(name), maxTitle))) - 1
    this.toolIndex.set(name, index)
    return index
  }

  /** Where it calls which tool. It is read once it is asked for. */
  sites(): Readonly<Record<string, ReadonlyArray<number>>> {
    return this.foundSites ??= CallSites.find(this.source.value ?? "")
  }
}

export class Session {
  readonly key: number
  readonly name: string
  readonly startedAt: number
  endedAt: number | undefined
  storedVersion = 0
  /** It is there, and can be asked. */
  live: { readonly runtime: Onlooker.Session; readonly processes: () => ReadonlyArray<number> } | undefined
  lanes: ReadonlyArray<PageMessage.LoadView> = []
  /** Of a session that is in a store and not here: what it has stored, as JSON. */
  kept: ReadonlyMap<string, string> | undefined
  /** Those of its cells that have not settled. */
  readonly cells = new Map<CellId, Cell>()

  constructor(key: number, name: string, startedAt: number) {
    this.key = key
    this.name = name
    this.startedAt = startedAt
  }
}

/** A line that says more than a brace or a comment does. */
const titleOf = (source: string): string => {
  const lines = source.slice(0, 4000).split("\n").map((line) => line.trim())
  const line = lines.find((line) => /[\p{L}\p{N}]/u.test(line) && !/^(?:\/\/|\/\*|\*|#!|import |"use )/.test(line)) ??
    lines.find((line) => line !== "") ?? "empty"
  return Visible.line(Cut.within(line, maxTitle))
}

const numberOf = (toolCallId: string): number => Number(/^tool-(\d{1,15})$/.exec(toolCallId)?.[1] ?? 0)

// =============================================================================
// The model
// =============================================================================

/** Hears what has changed. */
export interface Viewer {
  readonly onSession: (session: Session) => void
  readonly onCell: (cell: Cell) => void
  readonly onCall: (cell: Cell, call: Call) => void
  readonly onItem: (cell: Cell) => void
  readonly onGone: (gone: Session | Cell) => void
  readonly onQuestions: () => void
  readonly onLog: () => void
}

export class Model {
  readonly sessions = new Map<number, Session>()
  readonly cells = new Map<number, Cell>()
  readonly questions = new Map<number, PageMessage.QuestionView>()
  logs: Array<PageMessage.LogView> = []
  firstLog = 0
  readonly viewers = new Set<Viewer>()
  private readonly now: () => number
  private readonly room = new Kept.Room(maxKept)
  private endedSessions = 0
  private endedCells = 0
  private records = 0
  private lastKey = 0

  /** `now` gives milliseconds since 1970, and parts of them. */
  constructor(now: () => number) {
    this.now = now
  }

  private nextKey(): number {
    return ++this.lastKey
  }

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  sessionBegan(name: string): Session {
    const session = new Session(this.nextKey(), Visible.line(Cut.within(name, maxTitle)), this.now())
    this.sessions.set(session.key, session)
    this.tell((viewer) => viewer.onSession(session))
    return session
  }

  /** A session that a store keeps. Its cells do nothing here. */
  keptSessionBegan(name: string, createdAt: number): Session {
    const session = new Session(this.nextKey(), Visible.line(Cut.within(name, maxTitle)), createdAt)
    session.kept = new Map()
    this.sessions.set(session.key, session)
    this.tell((viewer) => viewer.onSession(session))
    return session
  }

  /** Forgets what a store keeps. */
  forgetKept(): void {
    for (const session of this.sessions.values()) {
      if (session.kept !== undefined) {
        this.forgetSession(session)
      }
    }
  }

  sessionChanged(session: Session): void {
    this.tell((viewer) => viewer.onSession(session))
  }

  /** Its cells have ended with it, unless they go on elsewhere. */
  sessionEnded(session: Session, goOn = false): void {
    session.endedAt = this.now()
    session.live = undefined
    session.lanes = []
    this.endedSessions++
    this.tell((viewer) => viewer.onSession(session))
    for (const cell of session.cells.values()) {
      if (goOn) {
        cell.status = "Sleeping"
        this.tell((viewer) => viewer.onCell(cell))
      } else {
        this.settled(cell, "Terminated")
      }
    }
    session.cells.clear()
    if (this.endedSessions > maxEndedSessions) {
      this.forgetSession(Array.from(this.sessions.values()).find(({ endedAt }) => endedAt !== undefined)!)
    }
  }

  private forgetSession(session: Session): void {
    this.sessions.delete(session.key)
    this.endedSessions -= session.endedAt === undefined ? 0 : 1
    this.tell((viewer) => viewer.onGone(session))
    for (const cell of this.cells.values()) {
      if (cell.session === session) {
        this.forgetCell(cell)
      }
    }
  }

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  cellBegan(session: Session, ref: Cell["ref"], kind: CellKind, request: CellRequest): Cell {
    const cell = this.addCell(session, ref, kind, request, this.now())
    session.cells.set(ref.id, cell)
    return cell
  }

  /** A cell that a store keeps. It sleeps, unless it is settled next. */
  keptCellBegan(session: Session, ref: Cell["ref"], kind: CellKind, request: CellRequest, at: number): Cell {
    const cell = this.addCell(session, ref, kind, request, at)
    cell.status = "Sleeping"
    return cell
  }

  private addCell(session: Session, ref: Cell["ref"], kind: CellKind, request: CellRequest, at: number): Cell {
    const source = this.room.keep(request.source, request.source.length)
    const cell = new Cell(session, this.nextKey(), ref, kind, request, source, at)
    this.cells.set(cell.key, cell)
    this.tell((viewer) => viewer.onCell(cell))
    return cell
  }

  /** How a live cell stands. */
  cellStands(cell: Cell, status: "Running" | "Paused" | "Stalled" | "Terminating", busy: boolean, degraded: boolean) {
    if (cell.status !== status || cell.busy !== busy || cell.degraded !== degraded) {
      Object.assign(cell, { status, busy, degraded })
      this.tell((viewer) => viewer.onCell(cell))
    }
  }

  /** All that it had to say was put out. */
  silent(cell: Cell): void {
    cell.isSilent = true
    this.putError(cell)
  }

  failed(cell: Cell, error: CellError): void {
    cell.error = error
    this.putError(cell)
  }

  /** What ends a cell comes after everything else. */
  private putError(cell: Cell): void {
    if (cell.isSilent && cell.error !== undefined) {
      this.put(cell, "error", cell.error.text, maxText, cell.settledAt ?? this.now())
    }
  }

  settled(cell: Cell, outcome: "Completed" | "Failed" | "Terminated", at = this.now()): void {
    if (cell.settledAt !== undefined) {
      return
    }
    cell.settledAt = at
    cell.status = outcome
    cell.busy = false
    cell.session.cells.delete(cell.ref.id)
    if (outcome !== "Terminated") {
      cell.session.storedVersion++
      this.tell((viewer) => viewer.onSession(cell.session))
    }
    this.tell((viewer) => viewer.onCell(cell))
    this.endedCells++
    if (this.endedCells > maxEndedCells) {
      this.forgetCell(Array.from(this.cells.values()).find(({ settledAt }) => settledAt !== undefined)!)
    }
  }

  private forgetCell(cell: Cell): void {
    if (this.cells.delete(cell.key)) {
      this.endedCells -= cell.settledAt === undefined ? 0 : 1
      this.records -= cell.calls.size + cell.items.length
      this.tell((viewer) => viewer.onGone(cell))
    }
  }

  /** Cells that have ended make room for what comes, the oldest first, and then the cell itself. */
  private recorded(cell: Cell): void {
    this.records++
    while (this.records > maxRecords) {
      const ended = Array.from(this.cells.values()).find((each) => each.settledAt !== undefined && each !== cell)
      if (ended !== undefined) {
        this.forgetCell(ended)
      } else if (cell.calls.size > cell.items.length) {
        this.dropCall(cell)
      } else {
        this.dropItems(cell, 1)
      }
    }
  }

  private dropCall(cell: Cell): void {
    const [oldest] = cell.calls.keys()
    cell.calls.delete(oldest!)
    cell.omittedCalls++
    this.records--
  }

  private dropItems(cell: Cell, count: number): void {
    cell.items = cell.items.slice(count)
    cell.firstItem += count
    this.records -= count
  }

  // ---------------------------------------------------------------------------
  // Output
  // ---------------------------------------------------------------------------

  output(cell: Cell, item: OutputItem, at = this.now()): void {
    switch (item.type) {
      case "input_text":
        return this.put(cell, "text", item.text, maxText, at)
      case "input_image":
        return this.put(cell, "image", item.image_url, maxMedia, at)
      case "input_audio":
        return this.put(cell, "audio", item.audio_url, maxMedia, at)
    }
  }

  notified(session: Session, { cellId, text }: Notification): void {
    const cell = session.cells.get(cellId)
    if (cell !== undefined) {
      this.notifiedOf(cell, text)
    }
  }

  notifiedOf(cell: Cell, text: string, at = this.now()): void {
    this.put(cell, "notification", text, maxText, at)
  }

  private put(cell: Cell, kind: Item["kind"], text: string, length: number, at: number): void {
    // Half of an image is none.
    const isWhole = kind === "image" || kind === "audio"
    cell.items.push({
      kind,
      at,
      text: isWhole && text.length > length ? { value: "", omitted: text.length } : this.room.keep(text, length)
    })
    this.recorded(cell)
    if (cell.items.length > maxItems) {
      this.dropItems(cell, Math.floor(maxItems / 10))
    }
    this.tell((viewer) => viewer.onItem(cell))
  }

  // ---------------------------------------------------------------------------
  // Calls
  // ---------------------------------------------------------------------------

  /** The call of a cell, which may be the first that is heard of it. */
  callOf(cell: Cell, toolCallId: string, tool: string): Call {
    const number = numberOf(toolCallId)
    const known = cell.calls.get(number)
    if (known !== undefined) {
      return known
    }
    const call = new Call(number, cell.toolOf(tool), this.now())
    cell.calls.set(number, call)
    cell.made++
    cell.running++
    this.recorded(cell)
    if (cell.calls.size > maxCalls) {
      this.dropCall(cell)
    }
    this.callChanged(cell, call)
    return call
  }

  happened(cell: Cell, event: CallEvent): void {
    const call = this.callOf(cell, event.toolCallId, event.tool)
    if (call.endedAt !== undefined) {
      return
    }
    switch (event._tag) {
      case "CallStarted": {
        call.startedAt = event.atMillis
        call.queued = event.queuedMillis
        break
      }
      case "CallWaits": {
        cell.waiting++
        call.state = "AwaitingApproval"
        break
      }
      case "CallGoesOn": {
        cell.waiting--
        call.state = "Running"
        break
      }
      case "CallEnded": {
        cell.waiting -= call.state === "AwaitingApproval" ? 1 : 0
        cell.running--
        cell.failed += event.outcome === "Failed" ? 1 : 0
        call.state = event.outcome
        call.queued = event.queuedMillis
        call.waited = event.approvalMillis
        call.endedAt = event.atMillis
        if (event.outcome === "NotStarted") {
          call.startedAt = Math.min(call.startedAt, event.atMillis)
        }
        break
      }
    }
    this.callChanged(cell, call)
  }

  /** How a call has ended whose end was not heard. */
  callEnded(cell: Cell, call: Call, state: PageMessage.CallState, at: number): void {
    if (call.endedAt === undefined) {
      cell.waiting -= call.state === "AwaitingApproval" ? 1 : 0
      cell.running--
      cell.failed += state === "Failed" ? 1 : 0
      call.state = state
      call.endedAt = at
      this.callChanged(cell, call)
    }
  }

  /** The calls of a cell end with it, if they have had no answer. */
  callsEnded(cell: Cell, at = this.now()): void {
    for (const call of cell.calls.values()) {
      this.callEnded(cell, call, "Interrupted", at)
    }
  }

  /** What the call of a cell has as its argument, as JSON text, or as its result or error. */
  valued(call: Call, what: "input" | "result" | "error", text: string): void {
    call[what] = this.room.keep(text, maxValue)
  }

  private callChanged(cell: Cell, call: Call): void {
    this.tell((viewer) => viewer.onCall(cell, call))
  }

  // ---------------------------------------------------------------------------
  // Questions, and the log
  // ---------------------------------------------------------------------------

  asked(question: Omit<PageMessage.QuestionView, "key" | "askedAt">): number {
    const key = this.nextKey()
    this.questions.set(key, { ...question, key, askedAt: this.now() })
    this.tell((viewer) => viewer.onQuestions())
    return key
  }

  answered(key: number): void {
    if (this.questions.delete(key)) {
      this.tell((viewer) => viewer.onQuestions())
    }
  }

  logged(log: PageMessage.LogView): void {
    this.logs.push({ ...log, text: Visible.lines(Cut.within(log.text, maxLogLine)) })
    if (this.logs.length > maxLogs) {
      const excess = Math.floor(maxLogs / 10)
      this.logs = this.logs.slice(excess)
      this.firstLog += excess
    }
    this.tell((viewer) => viewer.onLog())
  }

  private tell(say: (viewer: Viewer) => void): void {
    for (const viewer of this.viewers) {
      say(viewer)
    }
  }
}
