/** What the process has logged. */
import { useRef } from "preact/hooks"
import type { LogView } from "../../src/inspector/PageMessage.ts"
import * as format from "./format.ts"
import { useFollow } from "./hooks.ts"
import { store } from "./store.ts"

const shown = 500

const tones: Readonly<Record<string, string>> = { Fatal: "bad", Error: "bad", Warn: "wait", Info: "run" }

export const Log = ({ isAbout }: { readonly isAbout?: (line: LogView) => boolean }) => {
  const lines = (isAbout === undefined ? store.logs : store.logs.filter(isAbout)).slice(-shown)
  const box = useRef<HTMLDivElement>(null)
  const onScroll = useFollow(box, lines.length)
  if (lines.length === 0) {
    return (
      <div class="empty">
        <p>Nothing was logged.</p>
        <p class="dim">Warnings and errors of sessions, tools and processes appear here.</p>
      </div>
    )
  }
  return (
    <div
      ref={box}
      class="log mono"
      tabIndex={0}
      role="log"
      aria-label="Log"
      onScroll={({ currentTarget }) => onScroll(currentTarget)}
    >
      {lines.map((line, index) => (
        <div key={index} class="log-line">
          <span class="log-at">{format.clock(line.at)}</span>
          <span class={`log-level ${tones[line.level] ?? ""}`}>{line.level.toUpperCase()}</span>
          <span class="log-text">{line.text}</span>
        </div>
      ))}
    </div>
  )
}
