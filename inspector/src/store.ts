/** What the page knows. Messages change it, and whoever shows it hears that it has changed. */
import type {
  CallRow,
  CellView,
  FocusView,
  ItemView,
  LoadView,
  LogView,
  Message,
  ProcessView,
  QuestionView,
  SessionView
} from "../../src/inspector/PageMessage.ts"

export type Connection = "connecting" | "open" | "lost" | "refused"

/** What is chosen to be shown. */
export type Selection =
  | { readonly kind: "cell"; readonly key: number }
  | { readonly kind: "session"; readonly key: number }
  | { readonly kind: "none" }

/** The one cell that everything is known of. */
export interface Focus {
  readonly cell: number
  source: ReadonlyArray<string>
  language: "javascript" | "typescript"
  sites: Readonly<Record<string, ReadonlyArray<number>>>
  tools: ReadonlyArray<string>
  /** In the order in which the calls were made. */
  calls: Array<CallRow>
  places: Map<number, number>
  omittedCalls: number
  items: Array<{ readonly number: number; readonly item: ItemView }>
  missedItems: number
  nextItem: number
  version: number
}

const maxItems = 5000
const maxLogs = 2000

const newFocus = (cell: number): Focus => ({
  cell,
  source: [],
  language: "javascript",
  sites: {},
  tools: [],
  calls: [],
  places: new Map(),
  omittedCalls: 0,
  items: [],
  missedItems: 0,
  nextItem: 0,
  version: 0
})

export class Store {
  connection: Connection = "connecting"
  viewer: string | undefined
  process: ProcessView | undefined
  load: LoadView | undefined
  readonly sessions = new Map<number, SessionView>()
  readonly cells = new Map<number, CellView>()
  questions: ReadonlyArray<QuestionView> = []
  logs: Array<LogView> = []
  missedLogs = 0
  focus: Focus | undefined
  selection: Selection = { kind: "none" }
  /** Until something is chosen, the page shows the newest cell. */
  follows = true
  /** How far the clock of the process is ahead of ours. */
  clockOffset = 0
  private nextLog = 0
  private readonly listeners = new Set<() => void>()
  private scheduled = false

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Tells once for all changes before the next frame; a page that is not seen has no frames. */
  changed(): void {
    if (!this.scheduled) {
      this.scheduled = true
      const tell = () => {
        if (this.scheduled) {
          this.scheduled = false
          this.listeners.forEach((listener) => listener())
        }
      }
      requestAnimationFrame(tell)
      setTimeout(tell, 100)
    }
  }

  now(): number {
    return Date.now() + this.clockOffset
  }

  select(selection: Selection, follows = false): void {
    this.selection = selection
    this.follows = follows
    this.changed()
  }

  /** Takes a message. Gives whether another cell is to be asked for. */
  receive(message: Message): void {
    this.clockOffset = message.now - Date.now()
    if (message.reset !== undefined) {
      const { process, viewer } = message.reset
      const isOther = this.process !== undefined &&
        (this.process.pid !== process.pid || this.process.startedAt !== process.startedAt)
      this.viewer = viewer
      this.process = process
      this.sessions.clear()
      this.cells.clear()
      this.logs = []
      this.nextLog = 0
      this.missedLogs = 0
      this.focus = undefined
      if (isOther) {
        this.selection = { kind: "none" }
        this.follows = true
      }
    }
    this.load = message.load ?? this.load
    message.sessions?.forEach((session) => this.sessions.set(session.key, session))
    message.cells?.forEach((cell) => this.cells.set(cell.key, cell))
    message.gone?.forEach((key) => {
      this.sessions.delete(key)
      this.cells.delete(key)
    })
    this.questions = message.questions ?? this.questions
    if (message.logs !== undefined) {
      const { from, list } = message.logs
      this.missedLogs += from - this.nextLog
      this.nextLog = from + list.length
      this.logs = [...this.logs, ...list].slice(-maxLogs)
    }
    if (message.focus !== undefined) {
      this.receiveFocus(message.focus)
    }
    if (this.follows) {
      const newest = Array.from(this.cells.keys()).at(-1)
      if (newest !== undefined) {
        this.selection = { kind: "cell", key: newest }
      }
    }
    this.changed()
  }

  private receiveFocus(message: FocusView): void {
    if (message.reset === true) {
      this.focus = newFocus(message.cell)
    }
    const focus = this.focus
    if (focus === undefined || focus.cell !== message.cell) {
      return
    }
    focus.version++
    focus.source = message.source?.split("\n") ?? focus.source
    focus.language = message.language ?? focus.language
    focus.sites = message.sites ?? focus.sites
    focus.tools = message.tools ?? focus.tools
    focus.omittedCalls = message.omittedCalls ?? focus.omittedCalls
    message.calls?.forEach((row) => {
      const place = focus.places.get(row[0])
      if (place === undefined) {
        focus.places.set(row[0], focus.calls.length)
        focus.calls.push(row)
      } else {
        focus.calls[place] = row
      }
    })
    if (message.items !== undefined) {
      const { from, list } = message.items
      focus.missedItems += Math.max(0, from - focus.nextItem)
      list.forEach((item, index) => focus.items.push({ number: from + index, item }))
      focus.nextItem = from + list.length
      if (focus.items.length > maxItems) {
        const excess = focus.items.length - maxItems
        focus.items = focus.items.slice(excess)
        focus.missedItems += excess
      }
    }
  }
}

export const store = new Store()
