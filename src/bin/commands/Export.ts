/**
 * What a command tells of itself to others: spans, metrics and logs to a collector, and metrics to those who ask. It is
 * loaded where it is asked for.
 *
 * @internal
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { createServer } from "node:http"
import * as Package from "../../system/Package.ts"
import * as Trace from "../../telemetry/Trace.ts"
import * as Listening from "../../wire/Listening.ts"

/** Where it is told. */
export interface Options {
  /** The address of a collector. */
  readonly otlp: string | undefined
  /** The port at which metrics are asked for. */
  readonly metrics: number | undefined
  /** Hears of the address of the metrics. */
  readonly onListening: (url: string) => Effect.Effect<void>
}

/** It cannot be told as it was asked for. */
export class ExportFailure extends Schema.TaggedError<ExportFailure>("effect-code-mode/bin/ExportFailure")(
  "ExportFailure",
  { message: Schema.String }
) {}

/** How long the last that is to be told may take. Then the command ends without. */
const farewell = "1 second"

// =============================================================================
// Spans without values
// =============================================================================

const toBare = (error: unknown): Trace.Bare =>
  error instanceof Trace.Bare ? error : new Trace.Bare(
    Predicate.hasProperty(error, "_tag") ? String(error._tag) : error instanceof Error ? error.name : "Error",
    "it failed"
  )

/** What failed, and nothing of what it said: that is for those who run the command. */
const bare = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> =>
  Exit.isSuccess(exit)
    ? Exit.void
    : Exit.failCause(Cause.fromReasons(exit.cause.reasons.map((reason) =>
      reason._tag === "Interrupt"
        ? reason
        : Cause.makeFailReason(toBare(reason._tag === "Fail" ? reason.error : reason.defect))
    )))

/** A context without a tracer of its own stays one. */
const withoutValues = (context: Context.Context<never>): Context.Context<never> => {
  const tracer = Context.get(context, Tracer.Tracer)
  return tracer === Tracer.nativeTracer ? context : Context.add(context, Tracer.Tracer, bareTracer(tracer))
}

const bareTracer = (tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const span = tracer.span(options)
      const end = span.end.bind(span)
      span.end = (at, exit) => end(at, bare(exit))
      return span
    },
    context: tracer.context
  })

// =============================================================================
// A collector
// =============================================================================

/** OpenTelemetry's own variables say the rest, such as headers. */
const settings = (url: string) =>
  ConfigProvider.fromEnv({
    env: {
      OTEL_SERVICE_NAME: Package.name,
      OTEL_SERVICE_VERSION: Package.version,
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_METRICS_EXPORTER: "otlp",
      OTEL_LOGS_EXPORTER: "otlp",
      ...process.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: url
    }
  })

const reasonOf = (defect: unknown) => Predicate.hasProperty(defect, "message") ? String(defect.message) : String(defect)

const toCollector = (url: string): Layer.Layer<never, ExportFailure> =>
  Layer.effectContext(Effect.gen(function*() {
    let isOver = false
    // While it lasts, what fails is tried again. At the end there is no time for that.
    const client = Layer.effect(
      HttpClient.HttpClient,
      Effect.map(HttpClient.HttpClient, (client) =>
        HttpClient.transformResponse(client, (response) =>
          Effect.catch(response, (error) =>
            isOver ? Effect.die(error) : Effect.fail(error))))
    ).pipe(Layer.provide(FetchHttpClient.layer))
    const scope = yield* Scope.make()
    const context = yield* Otlp.layerFromConfig().pipe(
      Layer.provide([OtlpSerialization.layerJson, client]),
      Layer.buildWithScope(scope),
      Effect.provideService(ConfigProvider.ConfigProvider, settings(url)),
      Effect.catchDefect((defect) =>
        new ExportFailure({ message: `--otlp: ${reasonOf(defect)}` })
      ),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isOver = true
        return Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
      }).pipe(
        Effect.flatMap((closing) => Effect.timeoutOption(Fiber.await(closing), farewell)),
        Effect.asVoid
      )
    )
    return withoutValues(context as Context.Context<never>)
  }))

// =============================================================================
// Metrics
// =============================================================================

/** Serves them on loopback alone. */
const atPort = (port: number, onListening: Options["onListening"]): Layer.Layer<never, ExportFailure> => {
  const server = createServer()
  const announced = Layer.effectDiscard(Effect.suspend(() => onListening(`${Listening.urlOf(server)}/metrics`)))
  return Layer.mergeAll(
    announced,
    HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true })
  ).pipe(
    Layer.provide(
      NodeHttpServer.layer(() => server, { host: "127.0.0.1", port, gracefulShutdownTimeout: "100 millis" })
    ),
    Layer.catchTag(
      "ServeError",
      ({ cause }) => Layer.effectDiscard(Effect.fail(new ExportFailure({ message: `--metrics: ${String(cause)}` })))
    )
  )
}

/** Requests over HTTP have no spans: there would be addresses and headers in them, which hold secrets. */
const quiet = Layer.mergeAll(
  Layer.succeed(HttpClient.TracerDisabledWhen, () => true),
  Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
)

export const layer = ({ metrics, onListening, otlp }: Options): Layer.Layer<never, ExportFailure> =>
  Layer.mergeAll(
    quiet,
    otlp === undefined ? Layer.empty : toCollector(otlp),
    metrics === undefined ? Layer.empty : atPort(metrics, onListening)
  )
