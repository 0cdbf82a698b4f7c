/** Sessions and their cells, the newest first. */
import { useRef } from "preact/hooks"
import type { CellView, SessionView } from "../../src/inspector/PageMessage.ts"
import { isLive } from "./cells.ts"
import * as format from "./format.ts"
import { useTicks } from "./hooks.ts"
import { Dot, word } from "./Status.tsx"
import { type Selection, store } from "./store.ts"

const isSame = (a: Selection, kind: "cell" | "session", key: number) => a.kind === kind && a.key === key

const isHere = ({ endedAt, kept }: SessionView) => endedAt === undefined && kept !== true

const rank = (session: SessionView): number => isHere(session) ? 0 : session.kept === true ? 2 : 1

/** Ended sessions without cells say nothing. */
const groups = (): ReadonlyArray<{ readonly session: SessionView; readonly cells: ReadonlyArray<CellView> }> => {
  const bySession = new Map<number, Array<CellView>>()
  for (const cell of store.cells.values()) {
    const cells = bySession.get(cell.session)
    if (cells === undefined) {
      bySession.set(cell.session, [cell])
    } else {
      cells.push(cell)
    }
  }
  return Array.from(store.sessions.values())
    .filter(({ endedAt, key }) => endedAt === undefined || bySession.has(key))
    .map((session) => ({ session, cells: (bySession.get(session.key) ?? []).toReversed() }))
    .sort((a, b) =>
      rank(a.session) - rank(b.session) ||
      b.session.startedAt - a.session.startedAt
    )
}

/** Everything that can be chosen, in the order in which it is shown. */
export const order = (): ReadonlyArray<Exclude<Selection, { readonly kind: "none" }>> =>
  groups().flatMap(({ cells, session }) => [
    { kind: "session" as const, key: session.key },
    ...cells.map(({ key }) => ({ kind: "cell" as const, key }))
  ])

/** Chooses what is so many places further down. */
export const step = (by: number, onlyCells = false): void => {
  const all = order().filter(({ kind }) => !onlyCells || kind === "cell")
  const { selection } = store
  const at = all.findIndex(({ key, kind }) => isSame(selection, kind, key))
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]
  if (next !== undefined) {
    store.select(next)
  }
}

const summary = (cell: CellView): string =>
  [
    cell.status === "Sleeping"
      ? "sleeps"
      : format.duration(Math.max(0, (cell.settledAt ?? store.now()) - cell.startedAt)),
    cell.calls === 0 ? undefined : format.plural(cell.calls, "call"),
    cell.failed === 0 ? undefined : `${format.count(cell.failed)} failed`
  ].filter((part) => part !== undefined).join(" · ")

const CellRow = ({ cell, chosen }: { readonly cell: CellView; readonly chosen: boolean }) => (
  <div
    id={`cell-${cell.key}`}
    role="option"
    aria-selected={chosen}
    class="entry cell"
    onClick={() => store.select({ kind: "cell", key: cell.key })}
  >
    <Dot state={cell.status} />
    <div class="entry-main">
      <div class="entry-title mono">{cell.title}</div>
      <div class="entry-sub">
        <span class="sr">{word(cell.status)},</span>
        {summary(cell)}
        {cell.waiting > 0 && <span class="tag wait">{cell.waiting} to decide</span>}
        {cell.busy && <span class="tag run">busy</span>}
      </div>
    </div>
  </div>
)

export const Sidebar = ({ onChoose }: { readonly onChoose: () => void }) => {
  const list = useRef<HTMLDivElement>(null)
  const all = groups()
  const { selection } = store
  useTicks(Array.from(store.cells.values()).some(isLive), 500)
  const active = selection.kind === "none" ? undefined : `${selection.kind}-${selection.key}`

  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, End: Infinity, Home: -Infinity }[event.key]
    if (by !== undefined) {
      event.preventDefault()
      step(by)
      requestAnimationFrame(() =>
        list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
      )
    } else if (event.key === "Enter") {
      event.preventDefault()
      onChoose()
    }
  }

  if (all.length === 0) {
    return (
      <div class="empty small">
        <p>No session yet.</p>
        <p class="dim">It is shown here as soon as there is one.</p>
      </div>
    )
  }
  return (
    <div
      ref={list}
      class="list"
      role="listbox"
      aria-label="Sessions and cells"
      tabIndex={0}
      aria-activedescendant={active}
      onKeyDown={onKeyDown}
      onClick={({ target }) => (target as Element).closest("[role=option]") !== null && onChoose()}
    >
      {all.map(({ cells, session }) => (
        <div key={session.key} role="group" aria-labelledby={`name-${session.key}`} class="group">
          <div
            id={`session-${session.key}`}
            role="option"
            aria-selected={isSame(selection, "session", session.key)}
            class={`entry session ${isHere(session) ? "" : "ended"}`}
            onClick={() =>
              store.select({ kind: "session", key: session.key })}
          >
            <span id={`name-${session.key}`} class="entry-name">{session.name}</span>
            <span class="entry-sub">
              {isHere(session)
                ? session.lanes.length === 0
                  ? format.plural(cells.length, "cell")
                  : format.bytes(session.lanes.reduce((sum, { memoryBytes }) =>
                    sum + memoryBytes, 0))
                : session.kept === true
                ? "in the store"
                : "ended"}
            </span>
          </div>
          {cells.map((cell) => <CellRow key={cell.key} cell={cell} chosen={isSame(selection, "cell", cell.key)} />)}
          {cells.length === 0 && <div class="entry none dim">no cells yet</div>}
        </div>
      ))}
    </div>
  )
}
