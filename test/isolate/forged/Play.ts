/** Sessions whose lanes are forged, and what becomes of them. */
import * as Delegate from "effect-code-mode/Delegate"
import { Isolate } from "effect-code-mode/Isolate"
import * as LaneLease from "effect-code-mode/isolate/LaneLease"
import * as LanePool from "effect-code-mode/isolate/LanePool"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { bounds, type Case, tools } from "./cases.ts"

/**
 * What sessions need whose lanes are started in some other way. `onLine` hears what is logged of lanes, and every error.
 */
export const surroundings = (options: {
  readonly launch: NonNullable<LanePool.Options["launch"]>
  readonly notify: () => Effect.Effect<void>
  readonly onLine: (line: string) => void
}) =>
  Layer.effect(
    Isolate,
    Effect.map(
      LanePool.make({ ...V8.resolve({ warmLanes: 0, maxLanes: 64 }), launch: options.launch }),
      (pool) => Isolate.of({ lease: LaneLease.make(pool, () => Effect.void) })
    )
  ).pipe(
    Layer.merge(delegate(options.notify)),
    Layer.provideMerge(Logger.layer([
      Logger.make(({ logLevel, message }) => {
        const line = `${logLevel} ${(Array.isArray(message) ? message : [message]).map(String).join(" ")}`
        if (/^(Error|Fatal)|^Warn.* lane /.test(line)) {
          options.onLine(line)
        }
      })
    ])),
    Layer.fresh
  )

export const limits = Protocol.Limits.make({
  notificationDelivery: Duration.seconds(1),
  maxSourceBytes: 64 * 2 ** 20,
  maxPendingCallbacks: bounds.pendingCalls,
  maxPendingInputBytes: bounds.bytes,
  maxUndeliveredOutputBytes: bounds.bytes,
  maxStoredBytes: bounds.bytes
})

const delegate = (notify: () => Effect.Effect<void>) =>
  Delegate.layer({
    tools: tools.map((name) => Delegate.definition(name, { description: "", inputSchema: {} })),
    invokeTool: ({ input, toolName }) => toolName.name === "echo" ? Effect.succeed(input ?? null) : Effect.never,
    notify
  })

/** How a cell ended, in words. */
export const describe = (event: Protocol.Outcome): string =>
  event._tag === "Terminated"
    ? "terminated"
    : event.error === undefined
    ? "well"
    : `${event.error._tag} ${event.error.text}`

/** Runs a cell to its end. */
export const run = (session: Runtime.SessionRuntime["Service"], source: string, pausable?: Case["pausable"]) =>
  Effect.gen(function*() {
    const request = { callId: "call", source }
    if (pausable === undefined) {
      const { cell, initial } = yield* session.execute(request)
      let event = yield* initial
      while (event._tag === "Yielded") {
        event = yield* session.observe(cell)
      }
      return describe(event)
    }
    const cell = yield* session.createPausable(request)
    while (true) {
      const event = yield* session.awaitFrontier(cell)
      if (event._tag !== "Frontier") {
        return describe(event)
      }
      if (pausable === "resumed") {
        yield* session.resume(cell, event.generation)
      } else {
        yield* session.awaitSettled(cell.id)
      }
    }
  }).pipe(
    Effect.timeout("50 seconds"),
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isSuccess(exit)) {
        return exit.value
      }
      const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly message: string }
      return `${error._tag} ${error.message}`
    })
  )
