/** Calls that wait until a person decides. */
import { useEffect, useState } from "preact/hooks"
import type { QuestionView } from "../../src/inspector/PageMessage.ts"
import { ask } from "./connection.ts"
import * as format from "./format.ts"
import { store } from "./store.ts"
import { say } from "./Toast.tsx"

/** A question that appears under the hand of one who is about to press something is not meant. */
const settling = 500

const seenAt = new Map<number, number>()

/** Arguments that were changed here, as text. A key approves with them, too. */
const edits = new Map<number, string>()

const parse = (json: string): { readonly input: unknown } | undefined => {
  try {
    return { input: JSON.parse(json) }
  } catch {
    return undefined
  }
}

export const isSettled = ({ key }: QuestionView): boolean =>
  performance.now() - (seenAt.get(key) ?? Number.POSITIVE_INFINITY) >= settling

export const decide = (
  question: QuestionView,
  approve: boolean,
  remember: "once" | "cell" | "session" = "once",
  reason = ""
): void => {
  const edited = approve ? edits.get(question.key) : undefined
  const changed = edited === undefined ? {} : parse(edited)
  if (changed === undefined) {
    say(`${question.tool}: the argument is to be JSON`)
    return
  }
  void ask({
    _tag: "Decide",
    question: question.key,
    approve,
    remember,
    ...changed,
    ...(approve || reason === "" ? {} : { reason })
  }).then(({ ok, text }) => say(ok ? `${question.tool}: ${text}` : text))
}

const effects = {
  "read-only": "only reads",
  destructive: "may destroy",
  unknown: "may change something"
} as const

const Question = ({ question, position }: { readonly question: QuestionView; readonly position: number }) => {
  const [remember, setRemember] = useState<"once" | "cell" | "session">("once")
  const [reason, setReason] = useState("")
  const [edited, setEdited] = useState(edits.get(question.key))
  const edit = (json: string | undefined) => {
    setEdited(json)
    if (json === undefined) {
      edits.delete(question.key)
    } else {
      edits.set(question.key, json)
    }
  }
  const [settled, setSettled] = useState(isSettled(question))
  useEffect(() => {
    seenAt.set(question.key, seenAt.get(question.key) ?? performance.now())
    const timer = setTimeout(() => setSettled(true), settling)
    return () => {
      clearTimeout(timer)
      edits.delete(question.key)
    }
  }, [question.key])
  const { selection } = store
  return (
    <section class="question" aria-label={`Approval of ${question.tool}`}>
      <header>
        <span class="question-tool mono">{question.tool}</span>
        <span
          class={`tag ${
            question.effects === "read-only" ? "good" : question.effects === "destructive" ? "bad" : "wait"
          }`}
        >
          {effects[question.effects]}
        </span>
        {question.cell !== 0 && !(selection.kind === "cell" && selection.key === question.cell) && (
          <button
            class="link"
            onClick={() => store.select({ kind: "cell", key: question.cell })}
          >
            show its cell
          </button>
        )}
      </header>
      {question.description !== "" && <p class="question-text">{format.seen(question.description)}</p>}
      {edited === undefined
        ? (
          <pre class="code args" tabIndex={0} aria-label="Argument">
            {question.input === "" ? "no argument" : format.seen(question.input)}
            {question.omitted > 0 && `\n… ${format.count(question.omitted)} more characters`}
          </pre>
        )
        : (
          <textarea
            class="code args mono"
            aria-label="Argument, in JSON"
            aria-invalid={parse(edited) === undefined}
            rows={6}
            spellcheck={false}
            value={edited}
            onInput={(event) => edit(event.currentTarget.value)}
          />
        )}
      <div class="question-actions">
        <button class="primary" disabled={!settled} onClick={() => decide(question, true, remember)}>
          Approve {position === 0 && <kbd>⇧A</kbd>}
        </button>
        {question.omitted === 0 && (
          <button onClick={() => edit(edited === undefined ? format.seen(question.input) : undefined)}>
            {edited === undefined ? "Edit" : "Undo edit"}
          </button>
        )}
        <button disabled={!settled} onClick={() => decide(question, false, remember, reason)}>
          Deny {position === 0 && <kbd>⇧D</kbd>}
        </button>
        <label class="choice">
          <span class="sr">For how long the decision holds</span>
          <select
            value={remember}
            onChange={(event) => setRemember(event.currentTarget.value as "once" | "cell" | "session")}
          >
            <option value="once">this call</option>
            <option value="cell">this tool, in this cell</option>
            <option value="session">this tool, in this session</option>
          </select>
        </label>
        <input
          class="reason"
          type="text"
          aria-label="Reason for a denial, for the model"
          placeholder="reason, if denied"
          maxLength={500}
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </div>
    </section>
  )
}

const shown = 3

export const Questions = () => {
  const { questions } = store
  if (questions.length === 0) {
    return null
  }
  return (
    <div class="questions" role="region" aria-label="Calls that wait for you" aria-live="polite">
      {questions.slice(0, shown).map((question, position) => (
        <Question key={question.key} question={question} position={position} />
      ))}
      {questions.length > shown && (
        <p class="dim more">and {format.plural(questions.length - shown, "more call")} after these</p>
      )}
    </div>
  )
}
