/** A cell: what it is, what may be done to it, its calls, and what there is beside them. */
import { useEffect, useState } from "preact/hooks"
import type { CellView } from "../../src/inspector/PageMessage.ts"
import { CallDetails } from "./CallDetails.tsx"
import { Calls } from "./Calls.tsx"
import { isLive } from "./cells.ts"
import { ask } from "./connection.ts"
import * as format from "./format.ts"
import { useMedia, useTicks } from "./hooks.ts"
import { Log } from "./Log.tsx"
import { Output } from "./Output.tsx"
import { Source } from "./Source.tsx"
import { Status } from "./Status.tsx"
import { type Focus, store } from "./store.ts"
import { say } from "./Toast.tsx"

export const tabs = ["calls", "output", "source", "call", "log"] as const
export type Tab = typeof tabs[number]

const titles: Readonly<Record<Tab, string>> = {
  calls: "Calls",
  output: "Output",
  source: "Source",
  call: "Call",
  log: "Log"
}

export const terminate = (cell: CellView): void => {
  void ask({ _tag: "Terminate", cell: cell.key }).then(({ text }) => say(text))
}

export const yieldNow = (cell: CellView): void => {
  void ask({ _tag: "Yield", cell: cell.key }).then(({ text }) => say(text))
}

/** Ends what cannot be begun again, so it asks once more. */
const Terminate = ({ cell }: { readonly cell: CellView }) => {
  const [sure, setSure] = useState(false)
  useEffect(() => {
    const timer = sure ? setTimeout(() => setSure(false), 4000) : undefined
    return () => clearTimeout(timer)
  }, [sure])
  return (
    <button
      class={`danger ${sure ? "sure" : ""}`}
      onClick={() => {
        if (sure) {
          terminate(cell)
        }
        setSure(!sure)
      }}
    >
      {sure ? "Really terminate?" : "Terminate"}
    </button>
  )
}

const Facts = ({ cell }: { readonly cell: CellView }) => {
  const session = store.sessions.get(cell.session)
  useTicks(isLive(cell), 100)
  return (
    <p class="pane-facts">
      <Status state={cell.status} />
      {cell.status !== "Sleeping" &&
        <span>{format.duration(Math.max(0, (cell.settledAt ?? store.now()) - cell.startedAt))}</span>}
      <span>at {format.clock(cell.startedAt)}</span>
      <span class="mono">{cell.id}</span>
      {session !== undefined && (
        <button
          class="link"
          onClick={() => store.select({ kind: "session", key: session.key })}
        >
          {session.name}
        </button>
      )}
      {cell.pausable && <span class="tag">pausable</span>}
      {cell.busy && <span class="tag run">computes</span>}
      {cell.degraded && <span class="tag wait">shares its process</span>}
    </p>
  )
}

export const CellPane = (
  { cell, focus, onTab, tab }: {
    readonly cell: CellView
    readonly focus: Focus | undefined
    readonly tab: Tab
    readonly onTab: (tab: Tab) => void
  }
) => {
  const isWide = useMedia("(min-width: 1100px)")
  const [call, setCall] = useState<number>()
  useEffect(() => {
    setCall(undefined)
    if (tab === "call") {
      onTab("calls")
    }
  }, [cell.key])
  const beside = isWide && tab === "calls" ? "output" : tab
  const choose = (number: number) => {
    setCall(number)
    if (isWide && beside !== "source") {
      onTab("call")
    }
  }
  const shown: ReadonlyArray<Tab> = isWide ? tabs.filter((tab) => tab !== "calls") : tabs

  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (by !== undefined) {
      const next = shown[(shown.indexOf(beside) + by + shown.length) % shown.length]!
      onTab(next)
      requestAnimationFrame(() => document.getElementById(`tab-${next}`)?.focus())
    }
  }

  const calls = focus === undefined ?
    null :
    <Calls cell={cell} focus={focus} chosen={call} onChoose={choose} onOpen={() => onTab("call")} />
  const content = (tab: Tab, focus: Focus) => {
    switch (tab) {
      case "calls":
        return calls
      case "output":
        return <Output cell={cell} focus={focus} />
      case "source":
        return <Source cell={cell} focus={focus} chosen={call} onChoose={choose} />
      case "call":
        return <CallDetails cell={cell} focus={focus} call={call} onShowSource={() => onTab("source")} />
      case "log":
        return <Log isAbout={(line) => line.cell === cell.id} />
    }
  }

  return (
    <div class="pane cell-pane">
      <header class="pane-head">
        <div class="pane-title">
          <h1 class="mono">{cell.title}</h1>
          <Facts cell={cell} />
        </div>
        {isLive(cell) && (
          <div class="pane-actions">
            {!cell.pausable && (
              <button
                title="Gives what waits for the cell its output so far"
                onClick={() => yieldNow(cell)}
              >
                Yield
              </button>
            )}
            <Terminate cell={cell} />
          </div>
        )}
      </header>
      {focus === undefined
        ? <div class="empty dim" aria-busy="true">Loading…</div>
        : (
          <div class={`split ${isWide ? "wide" : ""}`}>
            {isWide && calls}
            <section class="beside">
              <div class="tabs" role="tablist" aria-label="About this cell" onKeyDown={onKeyDown}>
                {shown.map((each) => (
                  <button
                    key={each}
                    id={`tab-${each}`}
                    role="tab"
                    aria-selected={each === beside}
                    aria-controls="tab-panel"
                    tabIndex={each === beside ? 0 : -1}
                    onClick={() => onTab(each)}
                  >
                    {titles[each]}{" "}
                    {each === "output" && focus.nextItem > 0 && (
                      <span class="tab-count">{format.count(focus.nextItem)}</span>
                    )}
                    {each === "calls" && cell.calls > 0 && <span class="tab-count">{format.count(cell.calls)}</span>}
                  </button>
                ))}
              </div>
              <div id="tab-panel" class="tab-panel" role="tabpanel" aria-labelledby={`tab-${beside}`}>
                {content(beside, focus)}
              </div>
            </section>
          </div>
        )}
    </div>
  )
}
