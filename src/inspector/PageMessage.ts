/**
 * What the inspector's page is told, and what it asks for. The page is built apart and knows these types alone.
 *
 * **Details**
 *
 * Times are milliseconds since 1970, and parts of them. Keys are numbers that name one session or cell of this process:
 * names of sessions and cells may be given twice. The page gets messages one after the other, each with what has changed
 * since the one before.
 *
 * @internal
 */

export interface ProcessView {
  /** What runs, such as `effect-code-mode mcp`. */
  readonly title: string
  readonly version: string
  readonly pid: number
  readonly startedAt: number
  /** Whether there is a store, whose sessions can be shown. */
  readonly hasStore: boolean
}

/** What a process takes. `cores` is how many processors it keeps busy. */
export interface LoadView {
  readonly pid: number
  readonly memoryBytes: number
  readonly cores: number
}

export interface SessionView {
  readonly key: number
  readonly name: string
  readonly startedAt: number
  readonly endedAt?: number
  /** The processes that its cells run in. */
  readonly lanes: ReadonlyArray<LoadView>
  /** A store keeps it, and it is not here. */
  readonly kept?: true
  /** Goes up when its stored values may have changed. */
  readonly storedVersion: number
}

export interface CellView {
  readonly key: number
  readonly session: number
  readonly id: string
  readonly callId: string
  readonly pausable: boolean
  /** A line of its source that says something. */
  readonly title: string
  /** `Sleeping`: a store keeps it, and it goes on when its session is opened. */
  readonly status:
    | "Running"
    | "Paused"
    | "Stalled"
    | "Terminating"
    | "Sleeping"
    | "Completed"
    | "Failed"
    | "Terminated"
  readonly busy: boolean
  /** It shares its process with cells of other sessions. */
  readonly degraded: boolean
  readonly startedAt: number
  readonly settledAt?: number
  readonly calls: number
  readonly running: number
  readonly failed: number
  readonly waiting: number
}

export const callStates = [
  "Running",
  "AwaitingApproval",
  "Succeeded",
  "Failed",
  "Interrupted",
  "NotStarted"
] as const

export type CallState = typeof callStates[number]

/**
 * A call: its number in its cell, the place of its tool in `tools`, that of its state in `callStates`, when it started after
 * its cell did, how long it has taken (-1: it has not ended), how long it had waited for its turn before it started, how long
 * it has waited for approvals, and the line that made it (0: that is not known).
 */
export type CallRow = readonly [
  number: number,
  tool: number,
  state: number,
  start: number,
  duration: number,
  queued: number,
  waited: number,
  line: number
]

export interface ItemView {
  readonly kind: "text" | "image" | "audio" | "notification" | "error"
  readonly at: number
  /** Text, or the URL of an image or of audio; `null` where it is not kept any more. */
  readonly text: string | null
  /** How many characters were left out. */
  readonly omitted?: number
}

/** What is told of the one cell that the page shows. */
export interface FocusView {
  readonly cell: number
  /** Forget what was known of it: this is all there is. */
  readonly reset?: true
  readonly source?: string
  readonly language?: "javascript" | "typescript"
  /** Lines from which tools are called, by the tool's name. */
  readonly sites?: Readonly<Record<string, ReadonlyArray<number>>>
  readonly tools?: ReadonlyArray<string>
  readonly calls?: ReadonlyArray<CallRow>
  readonly omittedCalls?: number
  /** Items from the one with this number on. Between the last one that is known and this one, items were left out. */
  readonly items?: { readonly from: number; readonly list: ReadonlyArray<ItemView> }
}

/** A call that waits for a person. */
export interface QuestionView {
  readonly key: number
  readonly cell: number
  readonly call: number
  readonly tool: string
  readonly description: string
  readonly effects: "read-only" | "destructive" | "unknown"
  readonly askedAt: number
  /** The argument as JSON, shortened by `omitted` characters. */
  readonly input: string
  readonly omitted: number
}

export interface LogView {
  readonly at: number
  readonly level: string
  readonly text: string
  readonly session?: string
  readonly cell?: string
}

export interface Message {
  readonly now: number
  /** Forget what was known: this is all there is. `viewer` is what the page is known by from now on. */
  readonly reset?: {
    readonly viewer: string
    readonly process: ProcessView
  }
  readonly load?: LoadView
  readonly sessions?: ReadonlyArray<SessionView>
  readonly cells?: ReadonlyArray<CellView>
  /** Sessions and cells that are not kept any more. */
  readonly gone?: ReadonlyArray<number>
  readonly questions?: ReadonlyArray<QuestionView>
  readonly logs?: { readonly from: number; readonly list: ReadonlyArray<LogView> }
  readonly focus?: FocusView
}

// =============================================================================
// What it asks for
// =============================================================================

/** A text that is kept in part, or not any more. */
export interface Kept {
  readonly text: string | null
  readonly omitted: number
}

/** The values of a call. */
export interface CallValues {
  readonly input?: Kept
  readonly result?: Kept
  readonly error?: Kept
}

export interface StoredView {
  readonly values: ReadonlyArray<{ readonly name: string; readonly json: Kept }>
  readonly omitted: number
}

export type Request =
  | { readonly _tag: "LoadKept" }
  | { readonly _tag: "Focus"; readonly viewer: string; readonly cell: number | null }
  | { readonly _tag: "Terminate"; readonly cell: number }
  | { readonly _tag: "Yield"; readonly cell: number }
  | {
    readonly _tag: "Decide"
    readonly question: number
    readonly approve: boolean
    readonly remember: "once" | "cell" | "session"
    readonly reason?: string
    /** The argument, as JSON has it, that the tool gets in place of the script's. */
    readonly input?: unknown
  }

/** What became of a request. */
export interface Answer {
  readonly ok: boolean
  readonly text: string
}
