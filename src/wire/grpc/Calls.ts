/**
 * Calls over HTTP/2, as gRPC has them: a request is one message, an answer one message or a stream of them.
 *
 * **Details**
 *
 * A call is a fiber, unless its work is done at once, and the reset of its stream is the fiber's interruption. What fails
 * before the first message is told in headers alone, and in trailers afterwards. A source gives only as fast as its reader
 * reads.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import type { Duplex } from "node:stream"
import * as Scopeless from "../../data/Scopeless.ts"
import * as Trace from "../../telemetry/Trace.ts"
import * as Protobuf from "./Protobuf.ts"
import { headerLength, RequestReader, Unfinished } from "./RequestReader.ts"
import * as Status from "./Status.ts"

// =============================================================================
// Methods
// =============================================================================

/** What a method knows of the call that it answers. */
export interface Call {
  /** Waits until the client has read enough of what it was told before. */
  readonly room: Effect.Effect<void>
  /** Tells the client that the call goes on. The first message does so, too. */
  readonly begin: Effect.Effect<void>
  /** Goes out with the beginning. */
  readonly addHeader: (name: string, value: string) => void
  /** Sends a message. Where there is no room for another one, it gives what waits for that. */
  readonly tell: (frame: Buffer) => Effect.Effect<void, Status.Status> | undefined
  /** Ends with a message, once the client is told something else, or in a moment. */
  readonly endInCompany: (frame: Buffer) => void
  /** From here on its messages are no answers, of which so many may be unread: each waits until the one before was read. */
  readonly becomeFeed: () => void
}

/** A method, by what it does with the bytes of a message. The call ends as it does, or is ended by it where it gives nothing. */
export type Method<R> = (request: Buffer, call: Call) => Effect.Effect<void, Status.Status, R> | undefined

/** What is told one after another. */
export interface Source<out A> {
  /** Hands on until the end, and waits for what it is given before it hands on more. */
  readonly giveTo: (
    take: (value: A) => Effect.Effect<void, Status.Status> | undefined
  ) => Effect.Effect<void, Status.Status>
}

const encode = <A>(type: Protobuf.Message<A>, value: Protobuf.Input<A>): Buffer => {
  const frame = Protobuf.encode(type, value, headerLength)
  frame.writeUInt32BE(frame.length - headerLength, 1)
  return frame
}

const decoded = <A, R>(
  request: Protobuf.Message<A>,
  run: (request: A, call: Call) => Effect.Effect<void, Status.Status, R> | undefined
): Method<R> =>
(bytes, call) => {
  const value = Protobuf.decode(request, bytes)
  return Result.isSuccess(value)
    ? run(value.success, call)
    : Effect.fail(Status.status("INTERNAL", value.failure))
}

/** A method with one answer. */
export const unary = <A, B, R>(
  request: Protobuf.Message<A>,
  response: Protobuf.Message<B>,
  run: (request: A, call: Call) => Effect.Effect<Protobuf.Input<B>, Status.Status, R>
): Method<R> =>
  decoded(
    request,
    (value, call) =>
      Effect.flatMap(
        Effect.suspend(() => run(value, call)),
        (result) => call.tell(encode(response, result)) ?? Effect.void
      )
  )

/**
 * A method that does its work at once, and whose answer says nothing that is waited for: it leaves together with what the
 * client is told next. `run` gives what is wrong, if something is.
 */
export const acknowledged = <A>(
  request: Protobuf.Message<A>,
  response: Protobuf.Message<Record<never, never>>,
  run: (request: A) => Status.Status | undefined
): Method<never> => {
  const frame = encode(response, {})
  return decoded(request, (value, call) => {
    const problem = run(value)
    if (problem !== undefined) {
      return Effect.fail(problem)
    }
    call.endInCompany(frame)
    return undefined
  })
}

/** A method with several answers. What it acquires is released once they are sent. */
export const streaming = <A, B, R>(
  request: Protobuf.Message<A>,
  response: Protobuf.Message<B>,
  run: (
    request: A,
    call: Call
  ) => Effect.Effect<Source<Protobuf.Input<B>>, Status.Status, R | Scope.Scope>
): Method<Exclude<R, Scope.Scope>> =>
  decoded(request, (value, call) =>
    Effect.scoped(Effect.flatMap(
      Effect.suspend(() => run(value, call)),
      (source) => source.giveTo((value) => call.tell(encode(response, value)))
    )))

/** A method that tells things as they happen. */
export const feed: typeof streaming = (request, response, run) => {
  const method = streaming(request, response, run)
  return (bytes, call) => {
    call.becomeFeed()
    return method(bytes, call)
  }
}

/** By their paths. */
export type Methods<R> = ReadonlyMap<string, Method<R>>

// =============================================================================
// Calls
// =============================================================================

const unitMillis: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** A header that cannot be read is none. */
const timeoutOf = (header: string | undefined): Duration.Duration | undefined => {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(header ?? "") ?? []
  return digits === undefined ? undefined : Duration.millis(Number(digits) * unitMillis[unit!]!)
}

/** Bytes that may wait for a reader before it is to be told no more. */
const roomBytes = 1024 * 1024

/** How long an acknowledgement waits for something that leaves with it, at the least. */
const moment = "1 millis"

/** What the calls of one client share. */
class Client {
  readonly maxMessageBytes: number
  readonly unfinished: Unfinished
  private readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private unread = 0
  private readonly waiting = new Set<() => void>()
  private alone: Array<() => void> = []
  private isTimed = false

  constructor(maxMessageBytes: number, runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.maxMessageBytes = maxMessageBytes
    this.unfinished = new Unfinished(maxMessageBytes)
    this.runFork = runFork
  }

  /** Runs once the client is told something, or in a moment or two. */
  inCompany(go: () => void): void {
    this.alone.push(go)
    if (!this.isTimed) {
      this.isTimed = true
      this.startTimer()
    }
  }

  /** One that runs is not stopped: to do so for each call takes longer. What came while it ran has another moment. */
  private startTimer(): void {
    const { alone } = this
    this.runFork(Effect.delay(
      Effect.sync(() => {
        if (this.alone === alone) {
          this.join()
        }
        this.isTimed = this.alone.length > 0
        if (this.isTimed) {
          this.startTimer()
        }
      }),
      moment
    ))
  }

  /** The client is told something. */
  join(): void {
    if (this.alone.length > 0) {
      const all = this.alone
      this.alone = []
      all.forEach((go) => go())
    }
  }

  readonly room: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.unread < roomBytes) {
      return resume(Effect.void)
    }
    const go = () => resume(Effect.void)
    this.waiting.add(go)
    return Effect.sync(() => this.waiting.delete(go))
  })

  add(bytes: number): void {
    this.unread += bytes
  }

  remove(bytes: number): void {
    this.unread -= bytes
    for (const go of this.waiting) {
      if (this.unread >= roomBytes) {
        break
      }
      this.waiting.delete(go)
      go()
    }
  }
}

/** What a call is told of how it ended. */
const statusOf = (cause: Cause.Cause<Status.Status>): Status.Status =>
  Option.getOrElse(
    Cause.findErrorOption(cause),
    () =>
      Cause.hasInterruptsOnly(cause)
        ? Status.status("CANCELLED", "code-mode call was cancelled")
        : Status.status("INTERNAL", "code-mode request task failed")
  )

class ServerCall implements Call {
  private readonly stream: Http2.ServerHttp2Stream
  private readonly client: Client
  private readonly headers: Http2.OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc" }
  private trailers: Http2.OutgoingHttpHeaders = Status.ok
  private begun = false
  private isFeed = false
  private isGathering = false

  constructor(stream: Http2.ServerHttp2Stream, client: Client) {
    this.stream = stream
    this.client = client
  }

  get room(): Effect.Effect<void> {
    return this.client.room
  }

  get begin(): Effect.Effect<void> {
    return Effect.sync(() => this.beginNow())
  }

  /** Fails after a time, unless the answer has begun: the rest has no bound. */
  expire(timeout: Duration.Duration): Effect.Effect<never, Status.Status> {
    return Effect.andThen(
      Effect.sleep(timeout),
      Effect.suspend(() => this.begun ? Effect.never : Effect.fail(Status.status("CANCELLED", "Timeout expired")))
    )
  }

  addHeader(name: string, value: string): void {
    this.headers[name] = value
  }

  private beginNow(): void {
    if (!this.begun && !this.stream.closed) {
      this.begun = true
      this.stream.on("wantTrailers", () => {
        // Both sides may have had enough meanwhile.
        if (!this.stream.closed) {
          this.stream.sendTrailers(this.trailers)
        }
      })
      this.stream.respond(this.headers, { waitForTrailers: true })
    }
  }

  becomeFeed(): void {
    this.isFeed = true
  }

  tell(frame: Buffer): Effect.Effect<void, Status.Status> | undefined {
    const { client, isFeed, stream } = this
    const length = frame.length - headerLength
    if (length > client.maxMessageBytes) {
      return Effect.fail(Status.status(
        "OUT_OF_RANGE",
        `Error, encoded message length too large: found ${length} bytes, the limit is: ${client.maxMessageBytes} bytes`
      ))
    }
    this.beginNow()
    if (stream.closed) {
      return undefined
    }
    client.join()
    if (isFeed) {
      this.gather()
      stream.write(frame)
    } else {
      client.add(frame.length)
      stream.write(frame, () => client.remove(frame.length))
    }
    return stream.writableNeedDrain ? this.drained : undefined
  }

  /** What a feed tells within one tick leaves in one write. */
  private gather(): void {
    if (!this.isGathering) {
      this.isGathering = true
      this.stream.cork()
      queueMicrotask(() => {
        this.isGathering = false
        this.stream.uncork()
      })
    }
  }

  endInCompany(frame: Buffer): void {
    this.client.inCompany(() => {
      if (!this.stream.closed) {
        this.beginNow()
        this.stream.end(frame)
      }
    })
  }

  private get drained(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const go = () => resume(Effect.void)
      this.stream.once("drain", go)
      return Effect.sync(() => this.stream.off("drain", go))
    })
  }

  /** Nothing comes after it. */
  end(exit: Exit.Exit<void, Status.Status>): void {
    if (this.stream.closed) {
      return
    }
    if (Exit.isFailure(exit)) {
      this.trailers = Status.toTrailers(statusOf(exit.cause))
      if (!this.begun) {
        this.begun = true
        return this.stream.respond({ ...this.headers, ...this.trailers }, { endStream: true })
      }
    }
    this.beginNow()
    this.stream.end()
  }
}

// =============================================================================
// Clients
// =============================================================================

const serverOptions: Http2.ServerOptions = {
  settings: {
    initialWindowSize: 1024 * 1024,
    // A cell takes one of them, or two.
    maxConcurrentStreams: 8192,
    enablePush: false
  },
  // In MiB. What waits for a reader is bounded by `room`, of answers that each may be as long as a message.
  maxSessionMemory: 1024,
  // A client may take back what it asked as fast as it likes: a call that is reset is gone.
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000
}

const isRead = (method: string | undefined) => method === "GET" || method === "HEAD"

/** What a client may send before it hears that it was read, on all its streams together. */
const windowBytes = 16 * 1024 * 1024

/** Serves the client at the other end until it leaves. Then nothing of its calls is left. */
export const serve = Effect.fnUntraced(function*<R>(
  duplex: Duplex,
  { maxMessageBytes, methods, probe }: {
    readonly methods: Methods<R>
    readonly maxMessageBytes: number
    /** A path where a plain GET is answered with an empty page. */
    readonly probe?: string | undefined
  }
): Effect.fn.Return<void, never, R> {
  const context = yield* Scopeless.context<R>()
  const runFork = Effect.runForkWith(context as Context.Context<R>)
  const client = new Client(maxMessageBytes, runFork)
  const fibers = new Set<Fiber.Fiber<void, Status.Status>>()
  const left = Deferred.makeUnsafe<void>()
  const leave = () => Deferred.doneUnsafe(left, Effect.void)

  const answer = (stream: Http2.ServerHttp2Stream, headers: Http2.IncomingHttpHeaders) => {
    stream.on("error", () => {})
    if (headers[":path"] === probe && isRead(headers[":method"])) {
      stream.resume()
      return stream.respond({ ":status": 200 }, { endStream: true })
    }
    const call = new ServerCall(stream, client)
    const reader = new RequestReader(maxMessageBytes, client.unfinished)
    let fiber: Fiber.Fiber<void, Status.Status> | undefined
    let isOver = false
    const fail = (status: Status.Status) => {
      isOver = true
      reader.release()
      call.end(Exit.fail(status))
    }

    const run = (method: Method<R>, request: Buffer) => {
      const timeout = timeoutOf(headers["grpc-timeout"] as string | undefined)
      const effect = method(request, call)
      if (effect === undefined) {
        return
      }
      const answering = Trace.below(effect, headers.traceparent)
      const work = timeout === undefined ? answering : Effect.raceFirst(answering, call.expire(timeout))
      const running = fiber = runFork(work)
      fibers.add(running)
      running.addObserver((exit) => {
        fibers.delete(running)
        if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
          runFork(Effect.logError("This is a bug", exit.cause))
        }
        call.end(exit)
      })
    }

    stream.on("close", () => {
      reader.release()
      fiber?.interruptUnsafe()
    })
    stream.on("data", (piece: Buffer) => {
      const problem = isOver ? undefined : reader.push(piece)
      if (problem !== undefined) fail(problem)
    })
    const method = methods.get(headers[":path"] ?? "")
    if (method === undefined) {
      return fail(Status.status("UNIMPLEMENTED", ""))
    }
    const encoding = headers["grpc-encoding"] ?? "identity"
    if (encoding !== "identity") {
      return fail(
        Status.status("UNIMPLEMENTED", `Content is compressed with \`${String(encoding)}\` which isn't supported`)
      )
    }
    stream.on("end", () => {
      // The end of a stream that was reset is not the end of a request.
      if (isOver || stream.aborted || stream.closed) {
        return
      }
      const request = reader.end()
      reader.release()
      return Buffer.isBuffer(request) ? run(method, request) : fail(request)
    })
  }

  duplex.on("end", leave).on("close", leave).on("error", leave)
  const session = Http2.performServerHandshake(duplex, serverOptions)
  session.on("connect", () => session.setLocalWindowSize(windowBytes))
  session.on("error", leave).on("close", leave).on("stream", answer)

  yield* Deferred.await(left).pipe(
    Effect.ensuring(Effect.suspend(() => {
      // And never the session: node asserts that what it writes to can be written to.
      duplex.destroy()
      const running = Array.from(fibers)
      running.forEach((fiber) => fiber.interruptUnsafe())
      return Fiber.awaitAll(running)
    }))
  )
})
