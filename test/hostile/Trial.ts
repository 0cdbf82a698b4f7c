/** One hostile script as a cell of a session, beside a canary in that session, and what is wrong with how it went. */
import * as Protocol from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Lanes from "./Lanes.ts"
import * as Playground from "./Playground.ts"
import type { Script } from "./Script.ts"
import { Surroundings } from "./Surroundings.ts"

const heapMebibytes = 64
const residentMebibytes = 400
/** A quarter of a second is what the watchdog is given; a busy machine may take that again for every look at it. */
const residentMillis = 1_000
const defaultSeconds = 0.5
/** How long a lane may go on computing after its cell has ended; where it cannot be stopped, until it is killed. */
const restSeconds = 4
const killSeconds = 9
const keptText = 4_096

export interface Report {
  readonly ended: Script["expectation"]["ends"][number]
  /** The last output, and the text of an error. */
  readonly text: string
  readonly millis: number
  /** Whether the canary in the same session lived to the end, and whether it lived on after the cell. */
  readonly neighbour: boolean
  readonly bystander: boolean
  readonly residence: Lanes.Residence
  /** What is not as it must be. */
  readonly complaints: ReadonlyArray<string>
}

const textOf = (item: Protocol.OutputItem) =>
  item.type === "input_text" ? item.text : item.type === "input_image" ? item.image_url : item.audio_url

export const run = Effect.fnUntraced(function*(script: Script, isDurable = false) {
  const { bystander, bystanderLanes, engine, secrets } = yield* Surroundings
  const { expectation } = script
  const complaints: Array<string> = []
  const complain = (what: string) => {
    if (complaints.length < 10) {
      complaints.push(what)
    }
  }
  const onSaid = (text: string) => {
    if (text.startsWith("ESCAPED")) {
      complain(`it said: ${text.slice(0, keptText)}`)
    }
    for (const secret of secrets) {
      if (text.includes(secret)) {
        complain(`it knows a secret: ${secret}`)
      }
    }
  }

  const { ask, session } = yield* Playground.open(engine, {
    onSaid,
    isDurable,
    limits: Protocol.Limits.make({ maxHeapSizeBytes: heapMebibytes * 1024 * 1024 })
  })
  yield* ask
  const lanes = () => Lanes.lanesOf(process.pid).filter((pid) => !bystanderLanes.includes(pid))
  const residence = yield* Lanes.watch(lanes, residentMebibytes)

  let last = ""
  const hear = (items: ReadonlyArray<Protocol.OutputItem>) => {
    items.forEach((item) => onSaid(textOf(item)))
    const item = items.at(-1)
    last = item === undefined ? last : textOf(item).slice(0, keptText)
  }

  const start = performance.now()
  const seconds = expectation.seconds ?? defaultSeconds
  const left = () => Math.max(0, start + seconds * 1000 - performance.now())

  const cell = yield* session.create({ callId: "hostile", source: script.source })
  // Both are asked all the time, so that a cell which stops either of them for good is found.
  const neighbourhood = yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.all([ask, bystander.ask]), Effect.sleep(200)))
  )
  if (expectation.deafSeconds !== undefined) {
    yield* session.observe(cell, { yieldAfter: 100 })
    const until = performance.now() + expectation.deafSeconds * 1000
    while (performance.now() < until);
  }
  let event: Protocol.CellEvent = yield* session.observe(cell, { yieldAfter: left() })
  hear(event.items)
  while (event._tag === "Yielded" && left() > 0) {
    event = yield* session.observe(cell, { yieldAfter: left() })
    hear(event.items)
  }
  if (event._tag === "Yielded") {
    const before = performance.now()
    event = yield* session.terminate(cell).pipe(Effect.timeout(Playground.wedged))
    hear(event.items)
    const took = performance.now() - before
    if (took > 5_000) {
      complain(`to terminate it took ${took} ms`)
    }
  }
  const millis = performance.now() - start
  yield* Fiber.interrupt(neighbourhood)

  const error = event._tag === "Completed" ? event.error : undefined
  const ended = event._tag === "Completed" ? error?._tag ?? "ok" : "Terminated"
  const text = error?.text ?? last
  onSaid(text)
  if (!expectation.ends.includes(ended)) {
    complain(`it ended as ${ended}: ${text}`)
  }
  if (expectation.text !== undefined && ended !== "Terminated" && !new RegExp(expectation.text).test(text)) {
    complain(`its text was: ${text}`)
  }

  const next = yield* session.execute({ callId: "next", source: "text(await tools.echo(\"next\"))" }).pipe(
    Effect.flatMap(({ initial }) => initial),
    Effect.timeout(Playground.wedged)
  )
  if (next._tag !== "Completed" || next.error !== undefined || next.items.map(textOf).join() !== "next") {
    complain(`the session's next cell: ${JSON.stringify(next)}`)
  }
  // A lane that cannot stop a cell takes its time to end.
  const rest = expectation.neighbour === undefined ? restSeconds : killSeconds
  if (!(yield* Lanes.rest(lanes).pipe(Effect.timeoutOption(rest * 1000), Effect.map(Option.isSome)))) {
    complain(`its lane was still busy ${rest} seconds after its end`)
  }
  const neighbourLives = yield* ask
  if (!neighbourLives && expectation.neighbour === undefined) {
    complain("its neighbour was lost")
  }
  const bystanderLives = yield* bystander.ask
  if (!bystanderLives || !bystanderLanes.every(Lanes.isAlive)) {
    complain("another session's cell was lost")
  }
  if (residence.above > residentMillis) {
    complain(`its lane held more than ${residentMebibytes} MiB for ${residence.above.toFixed()} ms`)
  }
  if (residence.peak > (expectation.residentMebibytes ?? Infinity)) {
    complain(`its lane held ${residence.peak.toFixed()} MiB`)
  }
  Object.values(yield* session.storedValues).forEach((value) => onSaid(JSON.stringify(value)))

  const report: Report = {
    ended,
    text,
    millis,
    neighbour: neighbourLives,
    bystander: bystanderLives,
    residence,
    complaints
  }
  return report
}, Effect.scoped)
