/**
 * `effect-code-mode doctor`: what works on this machine, and what to do where something is missing.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { createRequire } from "node:module"
import * as Delegate from "../../Delegate.ts"
import * as Confinement from "../../isolate/Confinement.ts"
import * as LaneChild from "../../isolate/LaneChild.ts"
import { Limits } from "../../Protocol.ts"
import * as Runtime from "../../Runtime.ts"
import * as Memory from "../../system/Memory.ts"
import * as Package from "../../system/Package.ts"
import * as Platform from "../../system/Platform.ts"
import * as V8 from "../../V8.ts"
import * as Render from "../report/Render.ts"
import { empty, foreign, join, padEnd, type Printable, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"

/** A finding. Where there is something to do, it is not all well. */
interface Finding {
  readonly what: "system" | "node" | "engine" | "lane" | "user" | "lanes" | "typescript" | "checks" | Limit
  readonly text: Printable
  readonly todo?: Printable | undefined
  /** Whether nothing works as long as it is not done. */
  readonly fatal?: boolean | undefined
}

type Limit = "memory" | "cells" | "tool calls" | "output" | "stored" | "patience"

const bytes = (size: number) => text`${Render.count(Math.round(size / 2 ** 20))} MiB`

// =============================================================================
// Findings
// =============================================================================

const node = (): Finding => ({
  what: "node",
  text: text`${foreign("version of node", process.version, "word")} at ${
    foreign("path of node", process.execPath, "word")
  }`,
  todo: Number.parseInt(process.versions.node, 10) < 26
    ? text`works; Node 26 survives some cells that run out of memory, where this one loses their session`
    : undefined
})

const lacks: Readonly<Record<Platform.Lack, readonly [text: Printable, todo: Printable]>> = {
  confinement: [
    text`lanes have the rights of their host's user, behind Node's permission model`,
    text`run cells of strangers in a container or a virtual machine of Linux`
  ],
  memory: [
    text`what lanes hold outside of V8's heaps is not known, and has no bound together with their host`,
    text`run few cells at a time`
  ],
  descendants: [
    text`what an ended server has started, in a group of its own, goes on; a frozen lane outlives its host`,
    text`end it by hand, should that be`
  ],
  sockets: [
    text`a host cannot listen at a file that its owner alone may open`,
    text`use standard input and output, or a port of this machine`
  ],
  scripts: [
    text`a server whose command is a script, such as npx, is not found`,
    text`make its command cmd, with /c npx in front of its arguments`
  ]
}

/** The system, and what it does not give. */
const system = ({ lacks: lacking, name }: Platform.Platform): ReadonlyArray<Finding> => [
  { what: "system", text: text`${name}` },
  ...lacking.map((lack): Finding => ({ what: "system", text: lacks[lack][0], todo: lacks[lack][1] }))
]

const isolatedVm: { readonly version: string } = createRequire(import.meta.url)("isolated-vm/package.json")

const runCell = (source: string, language: "javascript" | "typescript") =>
  Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const { initial } = yield* session.execute({ callId: "doctor", source, language })
    const event = yield* initial
    const [item] = event.items
    if (item?.type !== "input_text" || item.text !== "42") {
      return yield* Effect.fail({
        message: event._tag === "Completed" && event.error !== undefined ? event.error.text : "a cell gave no answer"
      })
    }
  })

type Timed = readonly [Duration.Duration, unknown]

/** What a trial says, or why it fails and what is to be done then. */
const tried = <R>(
  what: Finding["what"],
  trial: Effect.Effect<Printable, { readonly message: string }, R>,
  otherwise: Pick<Finding, "todo" | "fatal">
) =>
  Effect.match(trial, {
    onSuccess: (text): Finding => ({ what, text }),
    onFailure: ({ message }): Finding => ({
      what,
      text: foreign("what does not work", message.replaceAll("\n", " "), "quote"),
      ...otherwise
    })
  })

/** How long something took at first, and then. */
const times = ([[first], [next]]: readonly [Timed, Timed]) =>
  text`${Render.duration(Duration.toMillis(first))}, the next ${Render.duration(Duration.toMillis(next))}`

const timedCell = Effect.timed(runCell("text(6 * 7)", "javascript"))

const engine = tried(
  "engine",
  Effect.map(
    Effect.all([timedCell, timedCell]),
    (timed) =>
      text`V8 ${foreign("version of V8", process.versions.v8, "word")}, isolated-vm ${
        foreign("version of isolated-vm", isolatedVm.version, "word")
      }; the first cell took ${times(timed)}`
  ),
  {
    todo: text`npm rebuild isolated-vm, with this node; it needs a binary for this platform, or a compiler`,
    fatal: true
  }
)

const typescript = tried(
  "typescript",
  Effect.as(
    runCell("const answer: number = 42; text(answer)", "typescript"),
    text`types are taken out in a thread of their own`
  ),
  { todo: text`write cells in JavaScript` }
)

/** Whether the compiler is there, and finds a mistake. Only checks need it. */
const compiler = Effect.gen(function*() {
  const Check = yield* Effect.promise(() => import("../../Check.ts"))
  const { check } = yield* Check.make()
  const timed = Effect.timed(check({ source: "text(tolls)", tools: [], level: "names" }))
  const both = yield* Effect.all([timed, timed])
  if (both[0][1].length !== 1) {
    return yield* Effect.fail({ message: "the compiler of typescript finds no mistake where there is one" })
  }
  return text`the compiler of typescript; the first check took ${times(both)}`
})

const checks = tried("checks", Effect.scoped(compiler), { todo: text`nothing, unless you want --check` })

// =============================================================================
// Lanes
// =============================================================================

interface Lane {
  readonly command: string
  readonly environment: string
  readonly status: string
  readonly outOfMemoryScore: string
  readonly groups: string
}

/** The lanes among our children, as far as the system tells. */
const lanes = Effect.gen(function*() {
  if (!Platform.here.hasProc) {
    return yield* Effect.fail("this system does not tell")
  }
  const fs = yield* FileSystem.FileSystem
  const read = (pid: string, file: string) => fs.readFileString(`/proc/${pid}/${file}`)
  const children = (yield* read("self", `task/${process.pid}/children`)).split(" ").filter((pid) => pid !== "")
  const found = yield* Effect.forEach(children, (pid) =>
    Effect.all({
      command: read(pid, "cmdline"),
      environment: read(pid, "environ"),
      status: read(pid, "status"),
      outOfMemoryScore: read(pid, "oom_score_adj"),
      groups: read(pid, "cgroup")
    }))
  return found.filter(({ command }) => command.includes("/lane/main."))
})

const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1]

const { maxLanes, maxMemoryBytes } = V8.resolve({})

const unknown: ReadonlyArray<Finding> = [{
  what: "lane",
  text: text`a process of its own, without environment, under Node's permission model`
}]
const laneFindings = ({ command, environment, groups, outOfMemoryScore, status }: Lane): ReadonlyArray<Finding> => {
  const has = (isSo: boolean, what: Printable) => isSo ? [what] : []
  const { isKilledWithHost } = Confinement.make(
    Confinement.findSetpriv(LaneChild.findProgram(V8.resolve({})).files),
    undefined
  )
  const uid = field(status, "Uid")
  const user = foreign("user of a lane", uid ?? "unknown", "word")
  const isGrouped = groups.includes("/effect-code-mode-")
  return [
    {
      what: "lane",
      text: join([
        text`a process of its own`,
        ...has(environment === "", text`no environment`),
        ...has(command.split("\0").includes("--permission"), text`Node's permission model`),
        ...has(field(status, "NoNewPrivs") === "1", text`no new privileges`),
        ...has(field(status, "Seccomp") === "2", text`a system call filter`),
        ...has(isKilledWithHost, text`killed when its host ends`),
        ...has(Number(outOfMemoryScore) > 0, text`first to go when the machine's memory runs out`)
      ], text`, `),
      todo: isKilledWithHost
        ? undefined
        : Platform.isRoot()
        ? text`install this package where other users can read it: its folder, and the node that runs it`
        : text`install util-linux, for setpriv`
    },
    {
      what: "user",
      text: uid === Platform.user() ? text`${user}, as its host` : text`${user}, a user of its own`,
      todo: uid === "0" ? text`run as an ordinary user: an escape from V8 would be root` : undefined
    },
    {
      what: "lanes",
      text: text`${maxLanes} with a session of their own; ${bytes(maxMemoryBytes)} together with their host, ${
        isGrouped ? "kept by a cgroup" : "counted four times a second"
      }`,
      todo: isGrouped
        ? undefined
        : text`works; run as root or in a cgroup that is yours for a bound that the kernel keeps`
    }
  ]
}

const lane = lanes.pipe(
  Effect.map(([lane]): ReadonlyArray<Finding> =>
    lane === undefined
      ? [{
        what: "lane",
        text: text`no lane process was found`,
        todo: text`nothing; this system does not show its processes`
      }]
      : laneFindings(lane)
  ),
  Effect.orElseSucceed(() => unknown)
)

// =============================================================================
// Limits
// =============================================================================

const limits = ({
  cancellationGrace,
  maxHeapSizeBytes,
  maxLiveCells,
  maxSourceBytes,
  maxStoredBytes,
  maxToolCallsInFlight,
  maxUndeliveredOutputBytes,
  notificationDelivery
}: Limits): ReadonlyArray<Finding> => [
  {
    what: "memory",
    text: text`${bytes(maxHeapSizeBytes)} of V8 heap a cell; there are ${bytes(Memory.available())}`,
    todo: Memory.available() < 4 * maxHeapSizeBytes ? text`run few cells at a time` : undefined
  },
  {
    what: "cells",
    text: text`${Render.count(maxLiveCells)} at a time, each with ${bytes(maxSourceBytes)} of source`
  },
  { what: "tool calls", text: text`${Render.count(maxToolCallsInFlight)} at a time, more of them wait` },
  { what: "output", text: text`${bytes(maxUndeliveredOutputBytes)} that was not read` },
  { what: "stored", text: text`${bytes(maxStoredBytes)} a session` },
  {
    what: "patience",
    text:
      text`${cancellationGrace} for what is cancelled, ${notificationDelivery} for a notification; a cell may run for ever`
  }
]

// =============================================================================
// The command
// =============================================================================

const render = ({ fatal = false, text: found, todo, what }: Finding) => {
  const mark = fatal ? "✗" : todo === undefined ? "✓" : "!"
  return text`${mark} ${padEnd(text`${what}`, 11)} ${found}${todo === undefined ? empty : text` → ${todo}`}\n`
}

const examine = Effect.gen(function*() {
  // In this order: the engine starts the lane that is looked at.
  const found = [yield* engine, ...(yield* lane), yield* typescript, yield* checks]
  return [...system(Platform.here), node(), ...found, ...limits(Limits.make({}))]
}).pipe(
  Effect.provide(Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer()]))),
  Effect.catchTag("IsolateFailure", Failure.ofStart)
)

export const command = Command.make(
  "doctor",
  {},
  Effect.fnUntraced(function*() {
    yield* Printer.print(text`effect-code-mode ${foreign("our version", Package.version, "word")}\n`)
    const findings = yield* examine
    yield* Printer.print(join(findings.map(render)))
    if (findings.some(({ fatal }) => fatal === true)) {
      return yield* Failure.toCell(text`effect-code-mode cannot run cells here`)
    }
  })
).pipe(Command.withDescription("See what works on this machine, and what to do where something is missing"))
