/**
 * A page in the browser that shows the sessions of this process as they go on: their cells, calls, output and values.
 *
 * **Details**
 *
 * The layer looks at every session that is made with it, and serves the page at a port of this machine. Whoever has the
 * address can read everything that cells do, stop them, and decide on their calls. So it has a secret in it, and only
 * processes of this machine reach it unless you say otherwise.
 *
 * Calls that need an approval are asked about at the page as well as by the `Approver` that is there, if there is one: the
 * first answer counts.
 *
 * **Example** (A session that can be looked at)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Inspector from "effect-code-mode/Inspector"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Console from "effect/Console"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const inspector = Inspector.layer({
 *   port: 7600,
 *   onListening: (address) => Console.error(`inspector: ${Redacted.value(address)}`)
 * })
 *
 * const layer = Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer(), inspector]))
 * ```
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import { Approver } from "./Approver.ts"
import { AlsoAsked } from "./delegate/Approval.ts"
import * as LogLines from "./inspector/LogLines.ts"
import * as LookingOn from "./inspector/LookingOn.ts"
import { Model } from "./inspector/Model.ts"
import * as PageApprovals from "./inspector/PageApprovals.ts"
import * as PageFiles from "./inspector/PageFiles.ts"
import { PageView } from "./inspector/PageView.ts"
import * as Polling from "./inspector/Polling.ts"
import * as WebService from "./inspector/WebService.ts"
import { Onlooker } from "./session/Onlooker.ts"
import { Store } from "./Store.ts"
import * as Package from "./system/Package.ts"
import { ListenError, urlOf } from "./wire/Listening.ts"
import * as WebGate from "./wire/WebGate.ts"

export {
  /**
   * The port is not to be had.
   *
   * @category errors
   * @since 0.1.0
   */
  ListenError
} from "./wire/Listening.ts"

export {
  /**
   * The package is not complete: the page that it is to have cannot be read.
   *
   * @category errors
   * @since 0.1.0
   */
  PageMissing
} from "./inspector/PageFiles.ts"

/**
 * Where the page is, and who may open it.
 *
 * **Details**
 *
 * - `port`: 0 is any that is free.
 * - `host`: the address to listen at. 127.0.0.1, unless given: who can reach another one, and knows the secret, can do
 *   all that you can.
 * - `token`: the secret. Without it there is a new one each time. With it, a page goes on when the process is started again.
 * - `allowedHosts`: the names under which it may be asked, without ports. On the loopback, those of the loopback.
 * - `title`: what the page calls this process.
 * - `onListening`: runs once the page is there, with its whole address.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly port: number
  readonly host?: string | undefined
  readonly token?: Redacted.Redacted<string> | undefined
  readonly allowedHosts?: ReadonlyArray<string> | "any" | undefined
  readonly title?: string | undefined
  readonly onListening?: ((address: Redacted.Redacted<string>) => Effect.Effect<void>) | undefined
}

/**
 * An inspector that is there. `address` is that of its page, with the secret. `ask` has the person at the page decide on a
 * call, however long that takes.
 *
 * @category services
 * @since 0.1.0
 */
export class Inspector extends Context.Service<Inspector, {
  readonly address: Redacted.Redacted<string>
  readonly ask: Approver["Service"]["ask"]
}>()("effect-code-mode/Inspector") {}

const loopback = "127.0.0.1"
const tokenBytes = 18

const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Context.Context<Inspector>, ListenError | PageFiles.PageMissing, Scope.Scope> {
  const clock = yield* Clock.Clock
  const files = yield* PageFiles.read
  const host = options.host ?? loopback
  // Nothing is no secret.
  const token = options.token !== undefined && Redacted.value(options.token) !== ""
    ? options.token
    : Redacted.make(randomBytes(tokenBytes).toString("base64url"))
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  // Between two readings of the clock of the day, time goes on by the other one: calls take parts of a millisecond.
  const offset = clock.currentTimeMillisUnsafe() - Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const model = new Model(() => offset + Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
  const approvals = PageApprovals.make(model)
  const isWatched = Latch.makeUnsafe()
  const store = Option.getOrUndefined(yield* Effect.serviceOption(Store))

  const serve = WebService.make({
    model,
    approvals,
    store,
    files,
    token,
    process: {
      title: options.title ?? "a program",
      version: Package.version,
      pid: process.pid,
      startedAt: performance.timeOrigin,
      hasStore: store !== undefined
    },
    allowedHosts: options.allowedHosts ?? (WebGate.isLoopback(host) ? WebGate.loopbackNames : "any"),
    onPages: (pages) => pages === 0 ? isWatched.closeUnsafe() : isWatched.openUnsafe()
  })

  const server = createServer()
  const listening = yield* NodeHttpServer.make(() => server, {
    host,
    port: options.port,
    gracefulShutdownTimeout: "100 millis"
  }).pipe(
    Effect.catchTag(
      "ServeError",
      ({ cause }) =>
        Effect.fail(
          new ListenError({
            path: `${host}:${options.port}`,
            text: cause instanceof Error ? cause.message : String(cause)
          })
        )
    )
  )
  yield* listening.serve(Effect.flatMap(HttpServerRequest, serve))
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  yield* Effect.forkScoped(Polling.run(model, isWatched, (load) => {
    for (const viewer of model.viewers) {
      if (viewer instanceof PageView) {
        viewer.onLoad(load)
      }
    }
  }))

  const url = Redacted.make(`${urlOf(server)}/${encodeURIComponent(Redacted.value(token))}/`)
  yield* options.onListening?.(url) ?? Effect.void

  return Context.make(Inspector, Inspector.of({ address: url, ask: approvals.ask })).pipe(
    Context.add(Onlooker, LookingOn.make(model, runFork)),
    Context.add(AlsoAsked, approvals.ask),
    Context.add(Logger.CurrentLoggers, new Set([...(yield* Logger.CurrentLoggers), LogLines.make(model)]))
  )
})

/**
 * An inspector of the sessions that are made with it, those of hosts and of MCP servers included. Its end ends no session.
 *
 * If it is given a `Store`, its page can show the sessions that are kept there, too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Inspector, ListenError | PageFiles.PageMissing> =>
  Layer.effectContext(make(options))

/**
 * The person at the page alone decides on calls that need an approval.
 *
 * **Example** (Tools that ask at the page)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Inspector from "effect-code-mode/Inspector"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 *
 * const remove = Delegate.tool({
 *   description: "Removes a file",
 *   parameters: Schema.Struct({ path: Schema.String }),
 *   annotations: { destructive: true, needsApproval: true },
 *   handler: ({ path }) => Effect.succeed(`${path} is gone`)
 * })
 *
 * const layer = Delegate.layerTools({ remove }).pipe(
 *   Delegate.mapLayer((delegate) => Delegate.withApproval(delegate)),
 *   Layer.provide(Inspector.layerApprover),
 *   Layer.provideMerge(Inspector.layer({ port: 0 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerApprover: Layer.Layer<Approver, never, Inspector> = Layer.effect(
  Approver,
  Inspector.useSync(({ ask }) =>
    Approver.of({
      // A call of a session that is looked at is asked about anyway.
      ask: (request) => Effect.flatMap(AlsoAsked, (other) => other === undefined ? ask(request) : Effect.never)
    })
  )
)
