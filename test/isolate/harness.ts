import type { IsolateEvent, IsolateHandle, Lease, Program } from "effect-code-mode/Isolate"
import type { CellError, OutputItem, ToolDefinition } from "effect-code-mode/Protocol"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Lanes from "../hostile/Lanes.ts"

/** What a tool gives back: JSON text, an error, or nothing ever. */
export type Answer = { readonly json: string } | { readonly error: string } | "never"

export const tools: Readonly<Record<string, (input: string | undefined) => Answer>> = {
  echo: (input) => ({ json: input ?? "null" }),
  fail: () => ({ error: "boom" }),
  hold: () => "never"
}

export const definition = (name: string): ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description: `the tool ${name}`,
  kind: "function"
})

export const program = (source: string, options?: Partial<Program>): Program => ({
  source,
  tools: Object.keys(tools).map(definition),
  stored: new Map(),
  pausable: false,
  maxHeapSizeBytes: 0,
  maxCpuTime: Duration.infinity,
  maxPendingToolCalls: 65_536,
  maxPendingInputBytes: 64 * 2 ** 20,
  maxOutputBytes: 64 * 2 ** 20,
  maxStoredBytes: 64 * 2 ** 20,
  contentTakesResults: true,
  ...options
})

export interface Run {
  readonly items: ReadonlyArray<OutputItem>
  readonly texts: ReadonlyArray<string>
  readonly notifications: ReadonlyArray<string>
  readonly tags: ReadonlyArray<IsolateEvent["_tag"]>
  readonly error: CellError | undefined
  readonly stored: Readonly<Record<string, string>>
  /** Whether it ended by itself. */
  readonly finished: boolean
}

/** Hears a cell out, answering its tool calls. */
export const hear = Effect.fnUntraced(function*(
  handle: IsolateHandle,
  definitions: ReadonlyArray<ToolDefinition>,
  onEvent: (event: IsolateEvent) => void = () => {}
) {
  const events: Array<IsolateEvent> = []
  while (true) {
    const event = yield* Queue.take(handle.events).pipe(
      Effect.catchIf(Cause.isDone, () => Effect.succeed(undefined))
    )
    if (event === undefined) {
      break
    }
    events.push(event)
    onEvent(event)
    if (event._tag === "ToolCalls") {
      for (const call of event.calls) {
        const answer = tools[definitions[call.tool]!.toolName.name]!(call.input)
        if (answer === "never") {
          continue
        }
        if ("json" in answer) {
          handle.resolve(call.id, answer.json)
        } else {
          handle.reject(call.id, answer.error)
        }
      }
    }
  }
  const items = events.flatMap((event) => event._tag === "Output" ? event.items : [])
  const last = events.at(-1)
  const run: Run = {
    items,
    texts: items.map((item) => item.type === "input_text" ? item.text : JSON.stringify(item)),
    notifications: events.flatMap((event) => event._tag === "Notify" ? [event.text] : []),
    tags: events.map((event) => event._tag),
    error: last?._tag === "Finished" ? last.error : undefined,
    stored: last?._tag === "Finished" ? Object.fromEntries(last.stored) : {},
    finished: last?._tag === "Finished"
  }
  return run
})

/** Runs a cell to its end. */
export const run = Effect.fnUntraced(function*(lease: Lease, source: string, options?: Partial<Program>) {
  const all = program(source, options)
  return yield* hear(yield* lease.start(all), all.tools)
})

/** The events of a cell up to one that fits. */
export const hearUntil = Effect.fnUntraced(function*(
  handle: IsolateHandle,
  fits: (event: IsolateEvent) => boolean
) {
  const events: Array<IsolateEvent> = []
  while (true) {
    const event = yield* Queue.take(handle.events)
    events.push(event)
    if (fits(event)) {
      return events
    }
  }
})

/** Waits for something that no event tells of. */
export const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) {
      yield* Effect.sleep(10)
    }
  }).pipe(Effect.timeout("50 seconds"))

/** Starts a process with a busy cell; gives it and its lanes, one of them in use. */
export const startBusyHost = Effect.gen(function*() {
  const file = fileURLToPath(new URL("busyHost.ts", import.meta.url))
  const host = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] })
  yield* Effect.addFinalizer(() => Effect.sync(() => host.kill("SIGKILL")))
  yield* Effect.promise(() => once(host.stdout, "data"))
  yield* until(() => Lanes.lanesOf(host.pid!).length === 2)
  return { host, lanes: Lanes.lanesOf(host.pid!) }
})
