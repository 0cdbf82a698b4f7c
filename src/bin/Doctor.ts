/**
 * `effect-code-mode doctor`: what is in force here, and what to do where something is missing.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { createRequire } from "node:module"
import * as Delegate from "../Delegate.ts"
import * as Memory from "../internal/Memory.ts"
import * as Package from "../internal/Package.ts"
import * as Confinement from "../isolate/Confinement.ts"
import * as LaneChild from "../isolate/LaneChild.ts"
import * as V8 from "../isolate/V8.ts"
import { Limits } from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Render from "./Render.ts"

/** A finding. Where there is something to do, it is not all well. */
interface Finding {
  readonly what: string
  readonly text: string
  readonly todo?: string | undefined
  /** Whether nothing works as long as it is not done. */
  readonly fatal?: boolean | undefined
}

const bytes = (size: number) => `${Math.round(size / 2 ** 20).toLocaleString("en")} MiB`

// =============================================================================
// Findings
// =============================================================================

const node = (): Finding => ({
  what: "node",
  text: `${process.version} at ${process.execPath}`,
  ...(Number.parseInt(process.versions.node, 10) < 26
    ? { todo: "works; Node 26 survives some cells that run out of memory, where this one loses their session" }
    : {})
})

const isolatedVm: { readonly version: string } = createRequire(import.meta.url)("isolated-vm/package.json")

const runCell = (source: string, language: "javascript" | "typescript") =>
  Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const { initial } = yield* session.execute({ toolCallId: "doctor", source, language })
    const event = yield* initial
    const [item] = event.items
    if (item?.type !== "input_text" || item.text !== "42") {
      return yield* Effect.fail({
        message: event._tag === "Completed" && event.error !== undefined ? event.error.text : "a cell gave no answer"
      })
    }
  })

const timedCell = Effect.timed(runCell("text(6 * 7)", "javascript"))

const engine = Effect.all([timedCell, timedCell]).pipe(
  Effect.match({
    onSuccess: ([[first], [next]]): Finding => ({
      what: "engine",
      text: `V8 ${process.versions.v8}, isolated-vm ${isolatedVm.version}; the first cell took ${
        Render.duration(Duration.toMillis(first))
      }, the next ${Render.duration(Duration.toMillis(next))}`
    }),
    onFailure: ({ message }): Finding => ({
      what: "engine",
      text: message.replaceAll("\n", " "),
      todo: "npm rebuild isolated-vm, with this node; it needs a binary for this platform, or a compiler",
      fatal: true
    })
  })
)

const typescript = runCell("const answer: number = 42; text(answer)", "typescript").pipe(
  Effect.match({
    onSuccess: (): Finding => ({ what: "typescript", text: "types are taken out in a thread of their own" }),
    onFailure: ({ message }): Finding => ({
      what: "typescript",
      text: message.replaceAll("\n", " "),
      todo: "write cells in JavaScript"
    })
  })
)

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
  text: "a process of its own, without environment, under Node's permission model",
  todo: "nothing; whether the system protects it further shows only on Linux"
}]
const laneFindings = ({ command, environment, groups, outOfMemoryScore, status }: Lane): ReadonlyArray<Finding> => {
  const has = (isSo: boolean, text: string) => isSo ? [text] : []
  const { isKilledWithHost } = Confinement.make(LaneChild.findProgram(V8.resolve({})).files, undefined)
  const user = field(status, "Uid")
  const isGrouped = groups.includes("/effect-code-mode-")
  return [
    {
      what: "lane",
      text: [
        "a process of its own",
        ...has(environment === "", "no environment"),
        ...has(command.split("\0").includes("--permission"), "Node's permission model"),
        ...has(field(status, "NoNewPrivs") === "1", "no new privileges"),
        ...has(field(status, "Seccomp") === "2", "a system call filter"),
        ...has(isKilledWithHost, "killed when its host ends"),
        ...has(Number(outOfMemoryScore) > 0, "first to go when the machine's memory runs out")
      ].join(", "),
      ...(isKilledWithHost ? {} : {
        todo: process.getuid?.() === 0
          ? "install this package where other users can read it: its folder, and the node that runs it"
          : "install util-linux, for setpriv"
      })
    },
    {
      what: "user",
      text: user === String(process.getuid?.()) ? `${user}, as its host` : `${user}, a user of its own`,
      ...(user === "0" ? { todo: "run as an ordinary user: an escape from V8 would be root" } : {})
    },
    {
      what: "lanes",
      text: `${maxLanes} with a session of their own; ${bytes(maxMemoryBytes)} together with their host, ${
        isGrouped ? "kept by a cgroup" : "counted four times a second"
      }`,
      ...(isGrouped
        ? {}
        : { todo: "works; run as root or in a cgroup that is yours for a bound that the kernel keeps" })
    }
  ]
}

const lane = lanes.pipe(
  Effect.map(([lane]): ReadonlyArray<Finding> =>
    lane === undefined
      ? [{ what: "lane", text: "no lane process was found", todo: "nothing; this system does not show its processes" }]
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
    text: `${bytes(maxHeapSizeBytes)} of V8 heap a cell; there are ${bytes(Memory.available())}`,
    ...(Memory.available() < 4 * maxHeapSizeBytes ? { todo: "run few cells at a time" } : {})
  },
  {
    what: "cells",
    text: `${maxLiveCells.toLocaleString("en")} at a time, each with ${bytes(maxSourceBytes)} of source`
  },
  { what: "tool calls", text: `${maxToolCallsInFlight.toLocaleString("en")} at a time, more of them wait` },
  { what: "output", text: `${bytes(maxUndeliveredOutputBytes)} that nobody has read` },
  { what: "stored", text: `${bytes(maxStoredBytes)} a session` },
  {
    what: "patience",
    text: `${Duration.format(cancellationGrace)} for what is cancelled, ${
      Duration.format(notificationDelivery)
    } for a notification; a cell may run for ever`
  }
]

// =============================================================================
// The command
// =============================================================================

const render = ({ fatal = false, text, todo, what }: Finding) =>
  `${fatal ? "✗" : todo === undefined ? "✓" : "!"} ${what.padEnd(11)} ${text}${
    todo === undefined ? "" : ` → ${todo}`
  }\n`

const examine = Effect.gen(function*() {
  // In this order: the engine starts the lane that is looked at.
  const found = [yield* engine, ...(yield* lane), yield* typescript]
  return [node(), ...found, ...limits(Limits.make({}))]
}).pipe(
  Effect.provide(Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer()]))),
  Effect.catchTag("IsolateFailure", Failure.toStart)
)

export const command = Command.make(
  "doctor",
  {},
  Effect.fnUntraced(function*() {
    yield* Output.print(`effect-code-mode ${Package.version}\n`)
    const findings = yield* examine
    yield* Output.print(findings.map(render).join(""))
    if (findings.some(({ fatal }) => fatal === true)) {
      return yield* Failure.toCell({ message: "effect-code-mode cannot run cells here" })
    }
  })
).pipe(Command.withDescription("See what is in force here, and what to do where something is missing"))
