/** The page as a whole: what can be chosen, what is shown of it, and the keys. */
import { useEffect, useRef, useState } from "preact/hooks"
import { CellPane, type Tab, tabs, terminate, yieldNow } from "./CellPane.tsx"
import { isLive } from "./cells.ts"
import { ask } from "./connection.ts"
import * as format from "./format.ts"
import { useMedia, useStore } from "./hooks.ts"
import { Log } from "./Log.tsx"
import { decide, isSettled, Questions } from "./Questions.tsx"
import { SessionPane } from "./SessionPane.tsx"
import { Sidebar, step } from "./Sidebar.tsx"
import { store } from "./store.ts"
import { say, Toast } from "./Toast.tsx"

const themes = ["auto", "light", "dark"] as const
type Theme = typeof themes[number]

const storedTheme = (): Theme => {
  try {
    return themes.find((theme) => theme === localStorage.getItem("theme")) ?? "auto"
  } catch {
    return "auto"
  }
}

const useTheme = () => {
  const [theme, setTheme] = useState(storedTheme)
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme
    try {
      localStorage.setItem("theme", theme)
    } catch {
      // It is kept as long as the page is open.
    }
  }, [theme])
  return [theme, () => setTheme(themes[(themes.indexOf(theme) + 1) % themes.length]!)] as const
}

const keys: ReadonlyArray<readonly [string, string]> = [
  ["J  K", "next and previous cell"],
  ["1 … 5", "calls, output, source, call, log"],
  ["/", "filter the calls"],
  ["↑ ↓", "in a list: one after the other"],
  ["Enter", "open what is chosen"],
  ["Z  Esc", "in the calls: look closely at the chosen one, and at all of the time"],
  ["⇧A  ⇧D", "approve or deny the first call that waits"],
  ["⇧Y", "have the cell yield"],
  ["⇧T", "terminate the cell, pressed twice"],
  ["?", "show this"]
]

const Help = ({ onClose }: { readonly onClose: () => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog
      ref={dialog}
      aria-label="Keys"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <h2>Keys</h2>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>{key.split("  ").map((each) => <kbd key={each}>{each}</kbd>)}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  )
}

const connections = {
  connecting: "connecting",
  open: "live",
  lost: "not connected",
  refused: "not connected"
} as const

const isTyping = ({ target }: KeyboardEvent) =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]")

/** So soon a key is pressed again by one who means it. */
const twiceWithin = 2000

export const App = () => {
  useStore()
  const [theme, nextTheme] = useTheme()
  const [helps, setHelps] = useState(false)
  const [tab, setTab] = useState<Tab>("calls")
  const [listIsOpen, setListIsOpen] = useState(false)
  const isNarrow = useMedia("(max-width: 759px)")
  const terminatesAt = useRef(0)

  const { connection, load, process, selection } = store
  const cell = selection.kind === "cell" ? store.cells.get(selection.key) : undefined
  const session = selection.kind === "session" ? store.sessions.get(selection.key) : undefined

  useEffect(() => {
    document.title = process === undefined
      ? "Inspector"
      : `${store.questions.length > 0 ? `(${store.questions.length}) ` : ""}${process.title} · Inspector`
  }, [process, store.questions.length])

  useEffect(() => {
    if (process?.hasStore === true && store.sessions.size === 0) {
      void ask({ _tag: "LoadKept" })
    }
  }, [process])

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) {
        return
      }
      const { selection } = store
      const cell = selection.kind === "cell" ? store.cells.get(selection.key) : undefined
      const running = cell !== undefined && isLive(cell) ? cell : undefined
      const [question] = store.questions
      const act: Readonly<Record<string, () => void>> = {
        "?": () => setHelps(true),
        j: () => step(1, true),
        k: () => step(-1, true),
        "/": () => {
          setTab("calls")
          requestAnimationFrame(() => document.getElementById("search")?.focus())
        },
        A: () => question !== undefined && isSettled(question) && decide(question, true),
        D: () => question !== undefined && isSettled(question) && decide(question, false),
        Y: () => running !== undefined && !running.pausable && yieldNow(running),
        T: () => {
          if (running !== undefined && event.timeStamp - terminatesAt.current < twiceWithin) {
            terminate(running)
          }
          terminatesAt.current = event.timeStamp
        }
      }
      const place = Number(event.key) - 1
      const todo = tabs[place] !== undefined ? () => setTab(tabs[place]!) : act[event.key]
      if (todo !== undefined) {
        event.preventDefault()
        todo()
      }
    }
    addEventListener("keydown", onKeyDown)
    return () => removeEventListener("keydown", onKeyDown)
  }, [])

  const focus = cell !== undefined && store.focus?.cell === cell.key ? store.focus : undefined
  const showsList = !isNarrow || listIsOpen
  return (
    <div class="page">
      <header class="top">
        {isNarrow && (
          <button
            class="icon"
            aria-expanded={listIsOpen}
            aria-controls="sidebar"
            onClick={() => setListIsOpen(!listIsOpen)}
          >
            <span class="sr">Sessions and cells</span>
            <span aria-hidden="true">☰</span>
          </button>
        )}
        <div class="brand">
          <span class="logo" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span class="brand-name">Inspector</span>
        </div>
        {process !== undefined && (
          <span class="process">
            <span class="process-title">{process.title}</span>
            <span class="dim">pid {process.pid}</span>
          </span>
        )}
        <span class="grow" />
        {load !== undefined && (
          <span class="load dim" title="What the process itself takes">
            {format.bytes(load.memoryBytes)} · {format.cores(load.cores)}
          </span>
        )}
        <span class={`connection ${connection}`} role="status">
          <span class={`dot ${connection === "open" ? "good" : "bad"}`} aria-hidden="true" />
          {connections[connection]}
        </span>
        <button class="icon" onClick={nextTheme} title={`Theme: ${theme}`}>
          <span class="sr">Theme: {theme}</span>
          <span aria-hidden="true">{{ auto: "◐", light: "○", dark: "●" }[theme]}</span>
        </button>
        <button class="icon" onClick={() => setHelps(true)} title="Keys">
          <span class="sr">Keys</span>
          <span aria-hidden="true">?</span>
        </button>
      </header>
      {(connection === "lost" || connection === "refused") && (
        <p class="banner" role="alert">
          {connection === "lost"
            ? "The process does not answer. What is shown is what was last known; it goes on when the process does."
            : "The process was started again, with another address. Open the one that it has printed."}
        </p>
      )}
      <div class="body">
        <nav id="sidebar" class="sidebar" hidden={!showsList} aria-label="Sessions">
          <Sidebar onChoose={() => setListIsOpen(false)} />
          {process?.hasStore === true && (
            <button
              class="kept"
              onClick={() => void ask({ _tag: "LoadKept" }).then(({ text }) => say(text))}
            >
              Show what the store keeps
            </button>
          )}
        </nav>
        <main class="main" hidden={isNarrow && listIsOpen}>
          <Questions />
          {cell !== undefined
            ? <CellPane cell={cell} focus={focus} tab={tab} onTab={setTab} />
            : session !== undefined
            ? <SessionPane session={session} />
            : selection.kind === "none"
            ? (
              <div class="welcome">
                <h1>{store.sessions.size === 0 ? "Waiting for a session" : "Waiting for a cell"}</h1>
                <p class="dim">The first cell is shown as soon as it runs: its calls, its source and its output.</p>
                {store.logs.length > 0 && (
                  <section class="card log-card">
                    <h2>Log</h2>
                    <Log />
                  </section>
                )}
              </div>
            )
            : (
              <div class="welcome">
                <h1>Not kept any more</h1>
                <p class="dim">Only the last cells and sessions are kept. Choose another one.</p>
              </div>
            )}
        </main>
      </div>
      <Toast />
      {helps && <Help onClose={() => setHelps(false)} />}
    </div>
  )
}
