/**
 * A lane: the process that holds the isolates of one session. Its own thread is a bridge and never waits for a cell.
 *
 * Arguments: the path of isolated-vm's addon, the number of isolates to hold ready, and whether cells have `eval`.
 *
 * @since 0.1.0
 */
import { Socket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { Kind, makeReader, makeWriter, type ProgramFrame } from "../Frames.ts"
import { makeCell } from "./Cell.ts"
import { makeCompactor } from "./Compactor.ts"
import { type IsolatedVM, makePool, makePrepare } from "./Warm.ts"
import { makeWatchdog } from "./Watchdog.ts"

const [, , addonPath, warmIsolates, codeGeneration] = process.argv as [string, string, string, string, string]

const blockedAt = 1024 * 1024
const readBytes = 64 * 1024
const firstUser = 0x7000_0000
const nobody = 65_534

// Isolates that are torn down at an orderly exit can crash it.
const die = () => process.kill(process.pid, "SIGKILL")

// Without the first, a loop that fills arrays cannot be stopped by anything but the end of the process.
setFlagsFromString("--no-turboshaft-loop-unrolling")
if (!("sumPrecise" in Math) && Number.parseInt(process.versions.v8) >= 14) {
  setFlagsFromString("--js-sum-precise")
}

const addon: { exports: { ivm?: IsolatedVM } } = { exports: {} }
process.dlopen(addon, addonPath)

/** Becomes a user that owns nothing and that no other lane is, where it still is root. */
const dropPrivileges = (): string => {
  for (const user of [firstUser + process.pid, nobody]) {
    try {
      process.setgroups!([])
      process.setgid!(user)
      process.setuid!(user)
      return String(user)
    } catch {
      // Not root, or users like this one do not exist here.
    }
  }
  return String(process.getuid?.() ?? "")
}

// What is read is read into one buffer: each piece of a new one has to be mapped first.
const socket = new Socket({
  fd: 3,
  onread: {
    buffer: Buffer.allocUnsafeSlow(readBytes),
    callback: (length, buffer) => {
      if (!read(buffer.subarray(0, length) as Buffer)) {
        die()
      }
      return true
    }
  }
})
const send = makeWriter(socket)
const cells = new Map<number, ReturnType<typeof makeCell>>()
let retired = false
let leaving = 0

const isBlocked = () => socket.writableLength > blockedAt
const drained = () => isBlocked() ? new Promise<void>((resolve) => socket.once("drain", resolve)) : Promise.resolve()

// An isolate broke, or took memory that does not come back. The host ends the process when its cells are done.
const retire = () => {
  if (!retired) {
    retired = true
    send(0, Kind.Retired)
  }
}

const watchdog = makeWatchdog({
  cells: () => cells.values(),
  leaving: () => leaving,
  onStained: retire,
  onOverrun: (text) => {
    retire()
    Array.from(cells.values()).forEach((cell) => cell.endAtLimit(text))
    // Once that has gone out.
    setImmediate(() => socket.write("", die))
  }
})

const compactor = makeCompactor(() => cells.values())

const onTurn = () => {
  watchdog.wake()
  compactor.wake()
}

const prepare = makePrepare(addon.exports.ivm!, { codeGeneration: codeGeneration === "true", onCatastrophe: retire })
const pool = makePool(prepare, Number(warmIsolates))

const start = (id: number, program: ProgramFrame) => {
  const cell = makeCell(
    {
      send: (kind, payload) => send(id, kind, payload),
      isBlocked,
      drained,
      onEnd: (left) => {
        cells.delete(id)
        watchdog.onEnd(cell)
        leaving++
        left.finally(() => {
          leaving--
          send(id, Kind.Left)
        })
      },
      onTurn
    },
    pool.take(program.heapMebibytes),
    program
  )
  cells.set(id, cell)
  cell.start()
}

const read = makeReader((id, kind, payload) => {
  pool.touch()
  switch (kind) {
    case Kind.Start:
      return start(id, JSON.parse(payload))
    case Kind.Resolve:
    case Kind.Reject: {
      const space = payload.indexOf(" ")
      const cell = cells.get(id)
      const answer = kind === Kind.Resolve ? cell?.resolve : cell?.reject
      return answer?.(payload.slice(0, space), payload.slice(space + 1))
    }
    case Kind.Resume:
      return cells.get(id)?.resume(payload)
    case Kind.Stop:
      return cells.get(id)?.stop()
    case Kind.Hold:
      return cells.get(id)?.hold()
    case Kind.LetGo:
      return cells.get(id)?.letGo()
  }
})

socket.on("close", die)
socket.on("error", die)
send(0, Kind.Ready, dropPrivileges())
