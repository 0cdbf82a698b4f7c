/**
 * Plays a lane: it does what the source of the cell says, and nothing else. `Script.ts` says what that can be. It is a
 * program, and a plain one, so that a hundred of them start within seconds; its argument is what it does before any cell
 * is started. Who requires it plays a lane at a socket.
 */
"use strict"
const { Socket } = require("node:net")

const start = 3
const headerLength = 9

const header = (kind, cell, length) => {
  const bytes = Buffer.alloc(headerLength)
  bytes.writeUInt32LE(length)
  bytes.writeUInt32LE(cell, 4)
  bytes[8] = kind
  return bytes
}

const playAt = (socket, opening) => {
  const heard = new Map()
  let waiter = () => {}

  const hear = (kind, times) =>
    new Promise((resolve) => {
      waiter = () => (heard.get(kind) ?? 0) >= times && resolve()
      waiter()
    })

  const write = (bytes) => new Promise((resolve) => socket.write(bytes, resolve))

  const play = async (script, own) => {
    for (const step of script) {
      const cell = step.cell === "own" ? own : step.cell
      if ("payload" in step) {
        const payload = Buffer.from(step.payload)
        const frame = Buffer.concat([header(step.kind, cell, payload.length), payload])
        for (let left = step.times ?? 1; left > 0; left--) {
          await write(frame)
        }
      } else if ("length" in step) {
        await write(header(step.kind, cell, step.length))
      } else if ("bytes" in step) {
        await write(Buffer.from(step.bytes, "hex"))
      } else if ("awaits" in step) {
        await hear(step.awaits, step.times)
      } else if ("stderr" in step) {
        process.stderr.write("x".repeat(step.stderr))
      } else {
        process.exit(0)
      }
    }
  }

  let bytes = Buffer.alloc(0)
  socket.on("data", (piece) => {
    bytes = Buffer.concat([bytes, piece])
    while (bytes.length >= headerLength && bytes.length >= headerLength + bytes.readUInt32LE()) {
      const end = headerLength + bytes.readUInt32LE()
      const kind = bytes[8]
      heard.set(kind, (heard.get(kind) ?? 0) + 1)
      waiter()
      if (kind === start) {
        play(JSON.parse(JSON.parse(bytes.toString("utf8", headerLength, end)).source), bytes.readUInt32LE(4))
      }
      bytes = bytes.subarray(end)
    }
  })
  play(opening, 1)
}

module.exports = { playAt }

if (require.main === module) {
  const socket = new Socket({ fd: 3 })
  socket.on("close", () => process.exit()).on("error", () => process.exit())
  playAt(socket, JSON.parse(process.argv[2]))
}
