/** The source of a cell, with the lines that call tools. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { CellView } from "../../src/inspector/PageMessage.ts"
import { linesOf } from "./Calls.tsx"
import * as format from "./format.ts"
import { useSize } from "./hooks.ts"
import { type Focus, store } from "./store.ts"

const lineHeight = 20
const spare = 20
/** A longer source, or line, is shown in one colour. */
const maxColoured = 200_000
const maxLine = 2000

interface Piece {
  readonly kind: "" | "comment" | "string" | "number" | "word" | "tool"
  readonly text: string
}

const token =
  /(?<comment>\/\/[^\n]*|\/\*[^]*?(?:\*\/|$))|(?<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\[^])*`?)|(?<number>\b\d[\w.]*)|(?<word>\b(?:async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|false|finally|for|function|if|import|in|instanceof|let|new|null|of|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|with|yield)\b)|(?<tool>\btools\.[\p{ID_Continue}$]+)/gu

/** Colours that help to read, by rules that know a little of the language. */
const colour = (lines: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<Piece>> => {
  const source = lines.join("\n")
  if (source.length > maxColoured) {
    return lines.map((text) => [{ kind: "", text }])
  }
  const result: Array<Array<Piece>> = [[]]
  const put = (kind: Piece["kind"], text: string) =>
    text.split("\n").forEach((part, index) => {
      if (index > 0) {
        result.push([])
      }
      if (part !== "") {
        result.at(-1)!.push({ kind, text: part })
      }
    })
  let at = 0
  for (const match of source.matchAll(token)) {
    put("", source.slice(at, match.index))
    const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!
    put(kind as Piece["kind"], match[0])
    at = match.index + match[0].length
  }
  put("", source.slice(at))
  return result
}

/** The place in the source that an error names. */
const errorLine = (focus: Focus): number | undefined => {
  const error = focus.items.findLast(({ item }) => item.kind === "error")?.item.text
  const line = Number(/exec_main\.mjs:(\d+)/.exec(error ?? "")?.[1])
  return Number.isNaN(line) ? undefined : line
}

export const Source = (
  { cell, chosen, focus, onChoose }: {
    readonly cell: CellView
    readonly focus: Focus
    readonly chosen: number | undefined
    readonly onChoose: (call: number) => void
  }
) => {
  const [box, { height }] = useSize<HTMLDivElement>()
  const [scroll, setScroll] = useState(0)
  const pieces = useMemo(() => colour(focus.source), [focus.source])
  const wasAt = useRef<number | undefined>(undefined)

  const { callsOf, runningOf } = useMemo(() => {
    const callsOf = new Map<number, Array<number>>()
    const runningOf = new Map<number, number>()
    for (const row of focus.calls) {
      const lines = linesOf(focus, row)
      // One that could be from several lines is at none.
      if (lines.length === 1) {
        const [line] = lines
        const calls = callsOf.get(line!)
        if (calls === undefined) {
          callsOf.set(line!, [row[0]])
        } else {
          calls.push(row[0])
        }
        if (row[4] < 0) {
          runningOf.set(line!, (runningOf.get(line!) ?? 0) + 1)
        }
      }
    }
    return { callsOf, runningOf }
  }, [focus, focus.version])

  const chosenRow = chosen === undefined ? undefined : focus.calls[focus.places.get(chosen) ?? -1]
  const marked = chosenRow === undefined ? [] : linesOf(focus, chosenRow)
  const wrong = errorLine(focus)
  const target = marked[0] ?? wrong

  useEffect(() => {
    const element = box.current
    if (element !== null && target !== undefined && wasAt.current !== target) {
      const top = (target - 1) * lineHeight
      if (top < element.scrollTop || top > element.scrollTop + element.clientHeight - lineHeight) {
        element.scrollTop = top - element.clientHeight / 2
      }
    }
    wasAt.current = target
  }, [target, height])

  const first = Math.max(0, Math.floor(scroll / lineHeight) - spare)
  const last = Math.min(pieces.length, Math.ceil((scroll + height) / lineHeight) + spare)
  return (
    <div
      ref={box}
      class="source mono"
      tabIndex={0}
      role="region"
      aria-label={`Source in ${
        cell.key === store.focus?.cell && focus.language === "typescript" ? "TypeScript" : "JavaScript"
      }`}
      onScroll={({ currentTarget }) => setScroll(currentTarget.scrollTop)}
    >
      <div class="source-all" style={{ height: `${pieces.length * lineHeight}px` }}>
        {pieces.slice(first, last).map((line, index) => {
          const number = first + index + 1
          const calls = callsOf.get(number)
          const running = runningOf.get(number) ?? 0
          return (
            <div
              key={number}
              class={`line ${marked.includes(number) ? "marked" : ""} ${wrong === number ? "wrong" : ""}`}
              style={{ transform: `translateY(${(number - 1) * lineHeight}px)` }}
            >
              <span class="line-number">{number}</span>
              {calls === undefined
                ? <span class="line-calls" />
                : (
                  <button
                    class={`line-calls ${running > 0 ? "run" : ""}`}
                    tabIndex={-1}
                    title={`${format.plural(calls.length, "call")} from this line`}
                    onClick={() => onChoose(calls[0]!)}
                  >
                    {format.count(calls.length)}
                  </button>
                )}
              <code>
                {line.map(({ kind, text }, place) => (
                  <span key={place} class={kind === "" ? undefined : `tok-${kind}`}>
                    {format.seen(text.slice(0, maxLine))}
                    {text.length > maxLine && ` … ${format.count(text.length - maxLine)} more characters`}
                  </span>
                ))}
              </code>
            </div>
          )
        })}
      </div>
    </div>
  )
}
