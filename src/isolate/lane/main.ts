/**
 * A lane: the process that holds the isolates of one session. Its own thread is a bridge and never waits for a cell.
 *
 * Arguments: the path of isolated-vm's addon and the number of isolates to hold ready.
 *
 * @since 0.1.0
 */
import { Socket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { Kind, makeReader, makeWriter, type ProgramFrame } from "../Frames.ts"
import { makeCell } from "./Cell.ts"
import { type IsolatedVM, makePool, makePrepare } from "./Warm.ts"

const [, , addonPath, warmIsolates] = process.argv as [string, string, string, string]

const blockedAt = 1024 * 1024
const wedgedAfterMillis = 2_000
const retiredForMillis = 5_000

// Isolates that are torn down at an orderly exit can crash it.
const die = () => process.kill(process.pid, "SIGKILL")

// Without the first, a loop that fills arrays cannot be stopped by anything but the end of the process.
setFlagsFromString("--no-turboshaft-loop-unrolling")
if (!("sumPrecise" in Math) && Number.parseInt(process.versions.v8) >= 14) {
  setFlagsFromString("--js-sum-precise")
}

const addon: { exports: { ivm?: IsolatedVM } } = { exports: {} }
process.dlopen(addon, addonPath)

const socket = new Socket({ fd: 3 })
const send = makeWriter(socket)
const cells = new Map<number, ReturnType<typeof makeCell>>()
let retired = false

const isBlocked = () => socket.writableLength > blockedAt
const drained = () => isBlocked() ? new Promise<void>((resolve) => socket.once("drain", resolve)) : Promise.resolve()

// A cell's thread does not end: a builtin that cannot be interrupted, or an isolate that broke. The process has to.
const retire = () => {
  if (!retired) {
    retired = true
    send(0, Kind.Retired)
    setTimeout(die, retiredForMillis)
    dieWhenEmpty()
  }
}

const dieWhenEmpty = () => {
  if (retired && cells.size === 0) {
    // Once what was said has gone out.
    setImmediate(() => socket.write("", die))
  }
}

const pool = makePool(makePrepare(addon.exports.ivm!, retire), Number(warmIsolates))

const start = (id: number, program: ProgramFrame) => {
  const cell = makeCell(
    {
      send: (kind, payload) => send(id, kind, payload),
      isBlocked,
      drained,
      onEnd: (left) => {
        cells.delete(id)
        dieWhenEmpty()
        const wedged = setTimeout(retire, wedgedAfterMillis)
        left.finally(() => clearTimeout(wedged))
      }
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
      return cells.get(id)?.resume()
    case Kind.Stop:
      return cells.get(id)?.stop()
  }
})

socket.on("data", (bytes: Buffer) => read(bytes) || die())
socket.on("close", die)
socket.on("error", die)
send(0, Kind.Ready)
