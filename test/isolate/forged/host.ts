/**
 * A host with a small heap, one session on a real lane, and every other session's lane forged. It plays all cases, and then
 * chance, and says in lines of JSON what came of it: `ForgedLane.test.ts` starts it.
 */
import * as Delegate from "effect-code-mode/Delegate"
import * as LaneChild from "effect-code-mode/isolate/LaneChild"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { createRequire } from "node:module"
import type { Duplex } from "node:stream"
import { fileURLToPath } from "node:url"
import { type Case, cases } from "./cases.ts"
import * as Chance from "./Chance.ts"
import * as MemoryLane from "./MemoryLane.ts"
import { limits, run, surroundings } from "./Play.ts"
import { event, ready, type Script } from "./Script.ts"

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const program = fileURLToPath(new URL("lane.cjs", import.meta.url))

const { playAt } = createRequire(import.meta.url)(program) as {
  readonly playAt: (socket: Duplex, opening: Script) => void
}

/** What is longer comes through a pipe in pieces, or fills it. */
const muchText = 4096

/** Whether it matters that the lane is a process: it ends by itself, or says much. Others are played here, for less. */
const needsProcess = ({ opening = [], script }: Case) =>
  [...opening, ...script].some((step) =>
    "exit" in step || "stderr" in step || ("times" in step && "payload" in step) ||
    JSON.stringify(step).length > muchText
  )

const launchHere = (opening: Script): LaneChild.LaneChild => {
  const { child, socket } = MemoryLane.make()
  playAt(socket.on("error", () => {}), opening)
  return child
}

const slots = 4
/** Behind every so many cases there is another cell of the session. */
const nextAfter = 10

const behaved: Script = [event({ _tag: "Started" }), event({ _tag: "Finished", stored: [] })]

const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) {
      yield* Effect.sleep(2)
    }
  }).pipe(Effect.timeoutOption("10 seconds"))

/** Plays the cases that are left, one after the other. */
const slot = (left: Array<Case>) => {
  let lines: Array<string> = []
  let opening: Script = [ready]
  let isProcess = true

  const play = Effect.fnUntraced(function*(case_: Case) {
    const before = ticks
    lines = []
    opening = case_.opening ?? [ready]
    isProcess = needsProcess(case_)
    const session = yield* Runtime.make({ limits })
    const outcome = yield* run(session, JSON.stringify(case_.script), case_.pausable)
    if (case_.logs !== "nothing") {
      yield* until(() => lines.length > 0)
    }
    opening = [ready]
    const next = left.length % nextAfter === 0 ? yield* run(session, JSON.stringify(behaved)) : undefined
    // The other session has gone on meanwhile, or does now.
    yield* until(() => ticks > before)
    say({ name: case_.name, outcome, next, lines, goesOn: ticks > before })
  }, Effect.scoped)

  const all = Effect.gen(function*() {
    for (let case_ = left.shift(); case_ !== undefined; case_ = left.shift()) {
      yield* play(case_)
    }
  })

  return all.pipe(Effect.provide(surroundings({
    launch: (confinement) =>
      isProcess
        ? LaneChild.start({ args: [program, JSON.stringify(opening)], files: [program] }, confinement)
        : launchHere(opening),
    notify: () => Effect.never,
    onLine: (line) => void lines.push(line)
  })))
}

/** Another session, on a lane of the real kind: it goes from one tool call to the next. */
const bystander = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const { initial } = yield* session.execute({
    callId: "bystander",
    source: "while (await tools.tick()); text('still here')"
  })
  return yield* initial
})

let isOver = false
let ticks = 0

const clock = Delegate.layer({
  tools: [Delegate.definition("tick", { description: "", inputSchema: {} })],
  invokeTool: () => Effect.sync(() => ticks++).pipe(Effect.andThen(Effect.sleep(5)), Effect.map(() => !isOver))
})

await Effect.gen(function*() {
  const other = yield* Effect.forkChild(
    bystander.pipe(Effect.provide(Runtime.layer().pipe(Layer.provide([clock, V8.layer({ warmLanes: 0 })]))))
  )
  yield* until(() => ticks > 0)
  const left = [...cases]
  yield* Effect.replicateEffect(Effect.suspend(() => slot(left)), slots, { concurrency: "unbounded", discard: true })
  const ticksInCases = ticks
  const chance = yield* Chance.play
  isOver = true
  say({ bystander: yield* Fiber.join(other), ticksInChance: ticks - ticksInCases, ...chance })
}).pipe(Effect.runPromise)
