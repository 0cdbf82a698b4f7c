/**
 * One page that is open: what it does not know yet, and the next message to it.
 *
 * @internal
 */
import * as Kept from "./Kept.ts"
import type * as Model from "./Model.ts"
import * as PageMessage from "./PageMessage.ts"

/** Changed calls of the cell that a page shows, and things that have gone, past which it gets everything again. */
const maxMarked = 4096
/** Characters of output in one message; the rest is in the next one. */
const maxItemsSize = 1024 * 1024
const maxItems = 500

const round = (millis: number) => Math.round(millis * 100) / 100

const toSession = (session: Model.Session): PageMessage.SessionView => ({
  key: session.key,
  name: session.name,
  startedAt: session.startedAt,
  ...(session.endedAt === undefined ? {} : { endedAt: session.endedAt }),
  lanes: session.lanes,
  ...(session.kept === undefined ? {} : { kept: true }),
  storedVersion: session.storedVersion
})

const toCell = (cell: Model.Cell): PageMessage.CellView => ({
  key: cell.key,
  session: cell.session.key,
  id: cell.ref.id,
  callId: cell.callId,
  pausable: cell.kind === "pausable",
  title: cell.title,
  status: cell.status,
  busy: cell.busy,
  degraded: cell.degraded,
  startedAt: cell.startedAt,
  ...(cell.settledAt === undefined ? {} : { settledAt: cell.settledAt }),
  calls: cell.made,
  running: cell.running,
  failed: cell.failed,
  waiting: cell.waiting
})

const toRow = (cell: Model.Cell, call: Model.Call): PageMessage.CallRow => [
  call.number,
  call.tool,
  PageMessage.callStates.indexOf(call.state),
  round(call.startedAt - cell.startedAt),
  call.endedAt === undefined ? -1 : round(Math.max(0, call.endedAt - call.startedAt)),
  round(call.queued),
  round(call.waited),
  call.line
]

export class PageView implements Model.Viewer {
  readonly id: string
  private readonly model: Model.Model
  private readonly process: PageMessage.ProcessView
  private readonly wake: () => void
  private isNew = true
  private readonly sessions = new Set<Model.Session>()
  private readonly cells = new Set<Model.Cell>()
  private readonly gone = new Set<number>()
  private hasQuestions = true
  private nextLog = 0
  private load: PageMessage.LoadView | undefined

  private focus: Model.Cell | undefined
  private isFocusNew = false
  private readonly calls = new Set<Model.Call>()
  private knownTools = 0
  private nextItem = 0

  /** `wake` hears when there may be something to take. */
  constructor(model: Model.Model, id: string, process: PageMessage.ProcessView, wake: () => void) {
    this.model = model
    this.id = id
    this.process = process
    this.wake = wake
  }

  /** Shows another cell, or none. */
  show(cell: Model.Cell | undefined): void {
    this.focus = cell
    this.isFocusNew = cell !== undefined
    this.wake()
  }

  // ---------------------------------------------------------------------------
  // What has changed
  // ---------------------------------------------------------------------------

  onSession(session: Model.Session): void {
    this.sessions.add(session)
    this.wake()
  }

  onCell(cell: Model.Cell): void {
    this.cells.add(cell)
    this.wake()
  }

  onCall(cell: Model.Cell, call: Model.Call): void {
    this.cells.add(cell)
    if (cell === this.focus && !this.isFocusNew) {
      if (this.calls.size >= maxMarked) {
        this.isFocusNew = true
      } else {
        this.calls.add(call)
      }
    }
    this.wake()
  }

  onItem(cell: Model.Cell): void {
    if (cell === this.focus) {
      this.wake()
    }
  }

  onGone(gone: Model.Session | Model.Cell): void {
    this.sessions.delete(gone as Model.Session)
    this.cells.delete(gone as Model.Cell)
    if (this.gone.size >= maxMarked) {
      this.isNew = true
      this.gone.clear()
    } else if (!this.isNew) {
      this.gone.add(gone.key)
    }
    this.wake()
  }

  onQuestions(): void {
    this.hasQuestions = true
    this.wake()
  }

  onLog(): void {
    this.wake()
  }

  onLoad(load: PageMessage.LoadView): void {
    this.load = load
    this.wake()
  }

  // ---------------------------------------------------------------------------
  // The next message
  // ---------------------------------------------------------------------------

  /** What the page does not know yet. It counts as known from now on. `hasMore` says that another message is to follow. */
  take(now: number): { readonly message: PageMessage.Message; readonly hasMore: boolean } {
    const { model } = this
    this.isFocusNew ||= this.isNew && this.focus !== undefined
    const sessions = this.isNew ? model.sessions.values() : this.sessions
    const cells = this.isNew ? model.cells.values() : this.cells
    const { focus, hasMore } = this.takeFocus()
    const message: PageMessage.Message = {
      now,
      ...(this.isNew ? { reset: { viewer: this.id, process: this.process } } : {}),
      ...(this.load === undefined ? {} : { load: this.load }),
      ...list("sessions", Array.from(sessions, toSession)),
      ...list("cells", Array.from(cells, toCell)),
      ...list("gone", Array.from(this.gone)),
      ...(this.hasQuestions ? { questions: Array.from(model.questions.values()) } : {}),
      ...this.takeLogs(),
      ...(focus === undefined ? {} : { focus })
    }
    this.isNew = false
    this.load = undefined
    this.sessions.clear()
    this.cells.clear()
    this.gone.clear()
    this.hasQuestions = false
    return { message, hasMore }
  }

  private takeLogs(): Pick<PageMessage.Message, "logs"> {
    const { firstLog, logs } = this.model
    const from = Math.max(this.nextLog, firstLog)
    this.nextLog = firstLog + logs.length
    return from === this.nextLog ? {} : { logs: { from, list: logs.slice(from - firstLog) } }
  }

  private takeFocus(): { readonly focus: PageMessage.FocusView | undefined; readonly hasMore: boolean } {
    const cell = this.focus
    if (cell === undefined) {
      return { focus: undefined, hasMore: false }
    }
    const isNew = this.isFocusNew
    if (isNew) {
      this.isFocusNew = false
      this.nextItem = cell.firstItem
      this.knownTools = 0
    }
    const calls = Array.from(isNew ? cell.calls.values() : this.calls, (call) => toRow(cell, call))
    this.calls.clear()
    const items = this.takeItems(cell)
    const tools = cell.tools.length > this.knownTools ? { tools: cell.tools } : {}
    this.knownTools = cell.tools.length
    const hasMore = this.nextItem < cell.firstItem + cell.items.length
    if (!isNew && calls.length === 0 && items === undefined) {
      return { focus: undefined, hasMore }
    }
    const focus: PageMessage.FocusView = {
      cell: cell.key,
      ...(isNew
        ? {
          reset: true,
          language: cell.language,
          source: cell.source.value ?? "",
          sites: cell.sites()
        }
        : {}),
      ...tools,
      ...list("calls", calls),
      omittedCalls: cell.omittedCalls,
      ...(items === undefined ? {} : { items })
    }
    return { focus, hasMore }
  }

  private takeItems(cell: Model.Cell): PageMessage.FocusView["items"] {
    const from = Math.max(this.nextItem, cell.firstItem)
    const list: Array<PageMessage.ItemView> = []
    let size = 0
    for (let index = from - cell.firstItem; index < cell.items.length; index++) {
      const { at, kind, text } = cell.items[index]!
      list.push({ kind, at, text: text.value, ...(text.omitted === 0 ? {} : { omitted: text.omitted }) })
      size += text.value?.length ?? 0
      if (size > maxItemsSize || list.length >= maxItems) {
        break
      }
    }
    this.nextItem = from + list.length
    return list.length === 0 ? undefined : { from, list }
  }
}

const list = <Name extends string, A>(name: Name, all: ReadonlyArray<A>): { readonly [K in Name]?: ReadonlyArray<A> } =>
  (all.length === 0 ? {} : { [name]: all }) as { readonly [K in Name]?: ReadonlyArray<A> }

/** Used by the routes that give a call's values. */
export const toValues = ({ error, input, result }: Model.Call): PageMessage.CallValues => ({
  ...(input === undefined ? {} : { input: Kept.view(input) }),
  ...(result === undefined ? {} : { result: Kept.view(result) }),
  ...(error === undefined ? {} : { error: Kept.view(error) })
})
