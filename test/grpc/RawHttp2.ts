/** HTTP/2 frame by frame: no more of a client than it takes to ask for calls, and as fast as node can be one. */

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

export const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 }
export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 }

const headerLength = 9
const maxWindow = 2 ** 31 - 1
/** What the other side may send before it hears that there is room, on each stream and on all. */
const ownWindow = 2 ** 30
const frameBytes = 16_384

export const frame = (type: number, flag: number, stream: number, payload: Buffer): Buffer => {
  const all = Buffer.allocUnsafe(headerLength + payload.length)
  all.writeUIntBE(payload.length, 0, 3)
  all[3] = type
  all[4] = flag
  all.writeUInt32BE(stream, 5)
  payload.copy(all, headerLength)
  return all
}

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const text = (value: string) => {
  const bytes = Buffer.from(value)
  const length = bytes.length < 127 ? [bytes.length] : [127, ...varint(bytes.length - 127)]
  return Buffer.concat([Buffer.from(length), bytes])
}

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))]

/** Headers that leave no trace in the other side's table. */
export const headers = (entries: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(entries).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))

/** The first bytes of a client. */
export const hello = Buffer.concat([
  preface,
  frame(types.settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(ownWindow)])),
  frame(types.windowUpdate, 0, 0, uint32(ownWindow))
])

export const request = (path: string) =>
  headers({
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers"
  })

interface Listener {
  readonly onData: (bytes: Buffer) => void
  readonly onEnd: () => void
}

export class RawHttp2 {
  private readonly write: (bytes: Buffer) => void
  private readonly requests = new Map<string, Buffer>()
  private readonly streams = new Map<number, Listener>()
  private readonly waiting: Array<() => void> = []
  private rest: Buffer = Buffer.alloc(0)
  private lastStream = -1
  /** What may be sent on all streams, and on one that is new. */
  private window = 65_535
  private streamWindow = 65_535
  private readonly windows = new Map<number, number>()
  private unacknowledged = 0

  constructor(write: (bytes: Buffer) => void) {
    this.write = write
    write(hello)
  }

  /** Sends a request with a whole body, and gives its stream. */
  ask(path: string, body: Buffer, listener: Listener): number {
    const stream = this.lastStream += 2
    const head = this.requests.get(path) ?? request(path)
    this.requests.set(path, head)
    this.streams.set(stream, listener)
    const opening = frame(types.headers, flags.endHeaders, stream, head)
    if (body.length <= Math.min(frameBytes, this.window, this.streamWindow)) {
      this.window -= body.length
      this.write(Buffer.concat([opening, frame(types.data, flags.endStream, stream, body)]))
    } else {
      this.windows.set(stream, this.streamWindow)
      this.write(opening)
      this.send(stream, body, 0)
    }
    return stream
  }

  reset(stream: number): void {
    this.streams.delete(stream)
    this.write(frame(types.reset, 0, stream, uint32(8)))
  }

  read(bytes: Buffer): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    let at = 0
    while (this.rest.length - at >= headerLength) {
      const end = at + headerLength + this.rest.readUIntBE(at, 3)
      if (end > this.rest.length) {
        break
      }
      this.hear(
        this.rest[at + 3]!,
        this.rest[at + 4]!,
        this.rest.readUInt32BE(at + 5) % 2 ** 31,
        this.rest.subarray(at + headerLength, end)
      )
      at = end
    }
    this.rest = this.rest.subarray(at)
  }

  private send(stream: number, body: Buffer, from: number): void {
    let at = from
    while (at < body.length) {
      const room = Math.min(frameBytes, this.window, this.windows.get(stream)!)
      if (room <= 0) {
        this.waiting.push(() => this.send(stream, body, at))
        return
      }
      const part = body.subarray(at, at + room)
      at += part.length
      this.window -= part.length
      this.windows.set(stream, this.windows.get(stream)! - part.length)
      this.write(frame(types.data, at === body.length ? flags.endStream : 0, stream, part))
    }
    this.windows.delete(stream)
  }

  private hear(type: number, flag: number, stream: number, payload: Buffer): void {
    switch (type) {
      case types.settings: {
        if ((flag & flags.ack) === 0) {
          for (let at = 0; at < payload.length; at += 6) {
            if (payload.readUInt16BE(at) === 4) {
              this.streamWindow = payload.readUInt32BE(at + 2)
            }
          }
          this.write(frame(types.settings, flags.ack, 0, Buffer.alloc(0)))
        }
        return
      }
      case types.ping: {
        if ((flag & flags.ack) === 0) this.write(frame(types.ping, flags.ack, 0, payload))
        return
      }
      case types.windowUpdate: {
        const more = payload.readUInt32BE(0) % 2 ** 31
        if (stream === 0) {
          this.window = Math.min(maxWindow, this.window + more)
        } else if (this.windows.has(stream)) {
          this.windows.set(stream, this.windows.get(stream)! + more)
        }
        this.waiting.splice(0).forEach((go) => go())
        return
      }
      case types.data: {
        this.unacknowledged += payload.length
        if (this.unacknowledged > ownWindow / 2) {
          this.write(frame(types.windowUpdate, 0, 0, uint32(this.unacknowledged)))
          this.unacknowledged = 0
        }
        this.streams.get(stream)?.onData(payload)
        break
      }
      case types.reset:
        return this.end(stream)
    }
    if ((type === types.data || type === types.headers) && (flag & flags.endStream) !== 0) {
      this.end(stream)
    }
  }

  private end(stream: number): void {
    const listener = this.streams.get(stream)
    this.streams.delete(stream)
    this.windows.delete(stream)
    listener?.onEnd()
  }
}
