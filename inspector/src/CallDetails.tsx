/** One call: what it was given, and what it gave. */
import { useEffect, useState } from "preact/hooks"
import type { CallValues, CellView, Kept } from "../../src/inspector/PageMessage.ts"
import { linesOf, stateOf } from "./Calls.tsx"
import { valuesOf } from "./connection.ts"
import * as format from "./format.ts"
import { Status } from "./Status.tsx"
import { type Focus, store } from "./store.ts"

const Value = (
  { isJson, kept, label }: { readonly label: string; readonly kept: Kept | undefined; readonly isJson: boolean }
) => (
  <section class="value">
    <h3>{label}</h3>
    {kept === undefined
      ? <p class="dim">none</p>
      : kept.text === null
      ? <p class="dim">not kept any more</p>
      : (
        <pre class="code" tabIndex={0} aria-label={label}>
          {isJson && kept.omitted === 0 ? format.pretty(kept.text) : format.seen(kept.text)}
          {kept.omitted > 0 && `\n… ${format.count(kept.omitted)} more characters`}
        </pre>
      )}
  </section>
)

export const CallDetails = (
  { call, cell, focus, onShowSource }: {
    readonly call: number | undefined
    readonly cell: CellView
    readonly focus: Focus
    readonly onShowSource: () => void
  }
) => {
  const row = call === undefined ? undefined : focus.calls[focus.places.get(call) ?? -1]
  const state = row === undefined ? undefined : stateOf(row)
  const [values, setValues] = useState<CallValues>()
  useEffect(() => {
    let isCurrent = true
    if (call !== undefined) {
      void valuesOf(cell.key, call).then((values) => isCurrent && setValues(values))
    }
    return () => {
      isCurrent = false
      setValues(undefined)
    }
  }, [cell.key, call, state])

  if (row === undefined || state === undefined) {
    return (
      <div class="empty">
        <p>No call chosen.</p>
        <p class="dim">Choose one to see what it was given, and what it gave.</p>
      </div>
    )
  }
  const [number, tool, , start, duration, queued, waited] = row
  const lines = linesOf(focus, row)
  return (
    <div class="details">
      <h2 class="mono">{focus.tools[tool]}</h2>
      <dl class="facts">
        <div>
          <dt>State</dt>
          <dd>
            <Status state={state} />
          </dd>
        </div>
        <div>
          <dt>Call</dt>
          <dd>{number}</dd>
        </div>
        <div>
          <dt>Line</dt>
          <dd>
            {lines.length === 0 ? "not known" : (
              <button class="link" onClick={onShowSource}>
                {lines.length === 1 ? lines[0] : `one of ${lines.slice(0, 6).join(", ")}`}
              </button>
            )}
          </dd>
        </div>
        <div>
          <dt>Began after</dt>
          <dd>{format.duration(Math.max(0, start))}</dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>
            {format.duration(duration < 0 ? Math.max(0, store.now() - cell.startedAt - start) : duration)}
            {duration < 0 && " so far"}
          </dd>
        </div>
        {queued > 0 && (
          <div>
            <dt>Waited for its turn</dt>
            <dd>{format.duration(queued)}</dd>
          </div>
        )}
        {waited > 0 && (
          <div>
            <dt>Waited for approval</dt>
            <dd>{format.duration(waited)}</dd>
          </div>
        )}
      </dl>
      <Value label="Argument" kept={values?.input} isJson />
      {values?.error === undefined
        ? duration >= 0 && <Value label="Result" kept={values?.result} isJson />
        : <Value label="Error" kept={values.error} isJson={false} />}
    </div>
  )
}
