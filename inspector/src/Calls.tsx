/** The calls of a cell, one below the other along its time. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { callStates } from "../../src/inspector/PageMessage.ts"
import type { CallRow, CellView } from "../../src/inspector/PageMessage.ts"
import { isLive } from "./cells.ts"
import * as format from "./format.ts"
import { useFollow, useSize, useTicks } from "./hooks.ts"
import { tone, word } from "./Status.tsx"
import { type Focus, store } from "./store.ts"

const rowHeight = 26
const spare = 8

export type Filter = "all" | "running" | "failed"

export const stateOf = (row: CallRow) => callStates[row[2]]!

/** The line a call came from, or those from which its tool is called where that is not known. */
export const linesOf = (focus: Focus, row: CallRow): ReadonlyArray<number> => {
  const [, tool, , , , , , line] = row
  return line > 0 ? [line] : focus.sites[focus.tools[tool] ?? ""] ?? []
}

const lineText = (lines: ReadonlyArray<number>): string =>
  lines.length === 0 ? "" : lines.length === 1 ? `:${lines[0]}` : `:${lines[0]}…`

const fits = (row: CallRow, filter: Filter): boolean => {
  const state = stateOf(row)
  return filter === "all" ||
    (filter === "failed" ? state === "Failed" || state === "Interrupted" || state === "NotStarted" : row[4] < 0)
}

/** A part of a cell's time. */
interface Part {
  readonly from: number
  readonly to: number
}

/** Times that are round, about so many of them. */
const ticks = ({ from, to }: Part): ReadonlyArray<number> => {
  const span = to - from
  const rough = span / 4
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 0.001)))
  const unit = [1, 2, 5, 10].map((factor) => factor * power).find((unit) => unit >= rough)!
  const first = Math.floor(from / unit) * unit
  const all = Array.from({ length: Math.ceil(span / unit) + 1 }, (_, index) => first + index * unit)
  // Of one at the end there would be half.
  return all.filter((time) => time > from && time < from + span * 0.86)
}

/** When the last call that has ended did so: all that is known of the time of a cell that sleeps. */
const lastEnd = ({ calls }: Focus): number =>
  calls.reduce((last, [, , , start, duration]) => Math.max(last, start + Math.max(0, duration)), 0)

/** How many calls ran at a time, over the cell's time. */
const Overview = (
  { focus, now, onPart, part, span }: {
    readonly focus: Focus
    readonly span: number
    readonly now: number
    readonly part: Part | undefined
    readonly onPart: (part: Part | undefined) => void
  }
) => {
  const dragged = useRef<number | undefined>(undefined)
  const timeAt = ({ clientX, currentTarget }: { readonly clientX: number; readonly currentTarget: Element }) => {
    const { left, width } = currentTarget.getBoundingClientRect()
    return Math.max(0, Math.min(1, (clientX - left) / width)) * span
  }
  const canvas = useRef<HTMLCanvasElement>(null)
  const [box, { width }] = useSize<HTMLDivElement>()
  useLayoutEffect(() => {
    const element = canvas.current!
    const scale = devicePixelRatio
    const height = 36
    element.width = Math.max(1, width * scale)
    element.height = height * scale
    const context = element.getContext("2d")!
    context.scale(scale, scale)
    context.clearRect(0, 0, width, height)
    const bins = new Float64Array(Math.max(1, Math.floor(width / 3)))
    const failed = new Uint8Array(bins.length)
    const binOf = (time: number) => Math.max(0, Math.min(bins.length - 1, Math.floor(time / span * bins.length)))
    for (const row of focus.calls) {
      const [, , , start, duration] = row
      const to = binOf(duration < 0 ? now : start + duration)
      bins[binOf(start)]!++
      if (to + 1 < bins.length) {
        bins[to + 1]!--
      }
      if (stateOf(row) === "Failed") {
        failed[to] = 1
      }
    }
    for (let bin = 1; bin < bins.length; bin++) {
      bins[bin]! += bins[bin - 1]!
    }
    const most = Math.max(1, ...bins)
    const style = getComputedStyle(element)
    const spark = style.getPropertyValue("color")
    const bad = style.getPropertyValue("outline-color")
    const barWidth = width / bins.length
    for (let bin = 0; bin < bins.length; bin++) {
      if (bins[bin]! > 0) {
        const bar = Math.max(1.5, bins[bin]! / most * (height - 4))
        context.fillStyle = spark
        context.fillRect(bin * barWidth, height - bar, Math.max(1, barWidth - 0.75), bar)
        if (failed[bin] === 1) {
          context.fillStyle = bad
          context.fillRect(bin * barWidth, height - 3, Math.max(1, barWidth - 0.75), 3)
        }
      }
    }
  })
  return (
    <div
      ref={box}
      class="overview"
      title="Drag over a part of the time to look at it closely; click to see all of it"
      onPointerDown={(event) => {
        dragged.current = timeAt(event)
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerMove={(event) => {
        const from = dragged.current
        const to = timeAt(event)
        if (from !== undefined && Math.abs(to - from) > span / 200) {
          onPart({ from: Math.min(from, to), to: Math.max(from, to) })
        }
      }}
      onPointerUp={(event) => {
        if (dragged.current !== undefined && Math.abs(timeAt(event) - dragged.current) <= span / 200) {
          onPart(undefined)
        }
        dragged.current = undefined
      }}
    >
      <canvas ref={canvas} />
      {part !== undefined && (
        <span
          class="overview-part"
          style={{ left: percent(part.from / span), width: percent((part.to - part.from) / span) }}
        />
      )}
    </div>
  )
}

const percent = (part: number) => `${Math.max(0, Math.min(100, part * 100)).toFixed(3)}%`

/** Where a time is in a part, unless it is outside of it. */
const place = (part: Part, from: number, to: number) => {
  const span = part.to - part.from
  const left = Math.max(0, (from - part.from) / span)
  const right = Math.min(1, (to - part.from) / span)
  return right < 0 || left > 1 ? { display: "none" } : { left: percent(left), width: percent(right - left) }
}

interface RowProps {
  readonly focus: Focus
  readonly row: CallRow
  readonly top: number
  readonly position: number
  readonly part: Part
  readonly now: number
  readonly chosen: boolean
  readonly onChoose: (call: number) => void
}

const Row = ({ chosen, focus, now, onChoose, part, position, row, top }: RowProps) => {
  const [number, tool, , start, duration, queued, waited] = row
  const state = stateOf(row)
  const end = duration < 0 ? Math.max(now, start) : start + duration
  const name = focus.tools[tool] ?? "…"
  const lines = linesOf(focus, row)
  return (
    <div
      id={`call-${number}`}
      role="row"
      aria-rowindex={position + 1}
      aria-selected={chosen}
      class="call"
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onChoose(number)}
    >
      <div role="gridcell" class="call-name">
        <span class="call-number">{number}</span>
        <span class="call-tool mono">{name}</span>
        <span class="call-line mono">{lineText(lines)}</span>
        <span class="sr">{word(state)}</span>
      </div>
      <div role="gridcell" class="call-track" aria-hidden="true">
        {queued > 0.5 && <span class="bar queued" style={place(part, start - queued, start)} />}
        <span
          class={`bar ${tone(state)} ${duration < 0 ? "open" : ""}`}
          style={place(part, start, end)}
        />
        {waited > 0.5 && <span class="bar waited" style={place(part, start, start + waited)} />}
      </div>
      <div role="gridcell" class={`call-time ${tone(state)}`}>{format.duration(Math.max(0, end - start))}</div>
    </div>
  )
}

export const Calls = (
  { cell, chosen, focus, onChoose, onOpen }: {
    readonly cell: CellView
    readonly focus: Focus
    readonly chosen: number | undefined
    readonly onChoose: (call: number) => void
    readonly onOpen: () => void
  }
) => {
  const [box, { height }] = useSize<HTMLDivElement>()
  const [scroll, setScroll] = useState(0)
  const [filter, setFilter] = useState<Filter>("all")
  const [search, setSearch] = useState("")
  const [part, setPart] = useState<Part>()
  useEffect(() => setPart(undefined), [cell.key])
  const goesOn = isLive(cell)
  useTicks(goesOn, 100)

  const wanted = search.trim().toLowerCase()
  const rows = useMemo(
    () =>
      filter === "all" && wanted === ""
        ? focus.calls
        : focus.calls.filter((row) =>
          fits(row, filter) && (wanted === "" || (focus.tools[row[1]] ?? "").toLowerCase().includes(wanted))
        ),
    [focus, focus.version, filter, wanted]
  )
  const now = Math.max(
    1,
    goesOn ? store.now() - cell.startedAt : (cell.settledAt ?? 0) - cell.startedAt,
    lastEnd(focus)
  )
  const span = now * 1.02
  const shown = part ?? { from: 0, to: span }
  const first = Math.max(0, Math.floor(scroll / rowHeight) - spare)
  const last = Math.min(rows.length, Math.ceil((scroll + height) / rowHeight) + spare)

  // New calls are shown as they come, until one scrolls away from them.
  const onScroll = useFollow(box, rows.length, goesOn)

  const show = (position: number) => {
    const element = box.current!
    const top = position * rowHeight
    if (top < element.scrollTop) {
      element.scrollTop = top
    } else if (top + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + rowHeight - element.clientHeight
    }
  }

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1)
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, End: Infinity, Home: -Infinity }[event.key]
    if (event.key === "Enter" && chosen !== undefined) {
      event.preventDefault()
      onOpen()
    } else if (event.key === "z" || event.key === "Escape") {
      // Closer to the call that is chosen, and back.
      const row = focus.calls[focus.places.get(chosen ?? -1) ?? -1]
      if (event.key === "Escape" || row === undefined) {
        setPart(undefined)
      } else {
        const [, , , start, duration] = row
        const length = Math.max(0.1, duration < 0 ? now - start : duration)
        setPart({ from: Math.max(0, start - length / 2), to: start + length * 1.5 })
      }
    } else if (by !== undefined && rows.length > 0) {
      event.preventDefault()
      const at = rows.findIndex(([number]) => number === chosen)
      const next = Math.max(0, Math.min(rows.length - 1, at < 0 && Math.abs(by) === 1 ? 0 : at + by))
      onChoose(rows[next]![0])
      show(next)
    }
  }

  return (
    <section class="calls" aria-label="Calls">
      <div class="bar-row">
        <input
          id="search"
          type="search"
          placeholder="Filter by tool"
          aria-label="Filter calls by tool"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <div class="segments" role="group" aria-label="Which calls">
          {(["all", "running", "failed"] as const).map((each) => (
            <button
              key={each}
              aria-pressed={filter === each}
              onClick={() => setFilter(each)}
            >
              {each}
            </button>
          ))}
        </div>
        <span class="dim count">
          {rows.length === focus.calls.length
            ? format.plural(cell.calls, "call")
            : `${format.count(rows.length)} of ${format.count(cell.calls)}`}
          {focus.omittedCalls > 0 && `, ${format.count(focus.omittedCalls)} older ones left out`}
        </span>
      </div>
      {focus.calls.length === 0
        ? (
          <div class="empty">
            <p>{goesOn ? "No call yet." : "This cell has called no tool."}</p>
            <p class="dim">Calls appear here as they happen.</p>
          </div>
        )
        : (
          <>
            <div class="axis">
              <div class="axis-space">
                {part !== undefined && <button class="link" onClick={() => setPart(undefined)}>All of the time</button>}
              </div>
              <div class="axis-track">
                <Overview focus={focus} span={span} now={now} part={part} onPart={setPart} />
                {ticks(shown).map((time) => (
                  <span key={time} class="tick" style={place(shown, time, time)}>{format.duration(time)}</span>
                ))}
              </div>
              <div class="axis-end" />
            </div>
            <div
              ref={box}
              class="rows"
              role="grid"
              aria-label="Calls along time"
              aria-rowcount={rows.length}
              tabIndex={0}
              aria-activedescendant={chosen === undefined ? undefined : `call-${chosen}`}
              onKeyDown={onKeyDown}
              onScroll={({ currentTarget }) => {
                setScroll(currentTarget.scrollTop)
                onScroll(currentTarget)
              }}
            >
              <div class="rows-all" role="rowgroup" style={{ height: `${rows.length * rowHeight}px` }}>
                {rows.slice(first, last).map((row, index) => (
                  <Row
                    key={row[0]}
                    focus={focus}
                    row={row}
                    position={first + index}
                    top={(first + index) * rowHeight}
                    part={shown}
                    now={now}
                    chosen={row[0] === chosen}
                    onChoose={onChoose}
                  />
                ))}
              </div>
              {rows.length === 0 && <p class="empty small dim">No call fits.</p>}
            </div>
          </>
        )}
    </section>
  )
}
