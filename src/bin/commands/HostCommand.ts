/**
 * The command `code-mode-host`, which is `effect-code-mode host`, too.
 *
 * @internal
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Host from "../../Host.ts"
import * as V8 from "../../V8.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as HostOptions from "./HostOptions.ts"

/** Says where clients find the host. They need not listen. */
const say = (url: string) =>
  Effect.andThen(
    Printer.ignoreClosedStreams,
    Effect.ignore(Printer.print(text`${foreign("address of the host", url, "output")}\n`))
  )

const serveAt = Effect.fnUntraced(function*({ host, listen }: HostOptions.Serve) {
  // What is not Codex's first protocol is loaded when it is used: that one is to be there soon.
  if (listen.protocol === "grpc") {
    const { serveStdio, serveTcp } = yield* Effect.promise(() => import("../../Grpc.ts"))
    return yield* listen.address === undefined
      ? serveStdio(host)
      : serveTcp(listen.address, { ...host, onListening: say })
  }
  const isRemote = listen.protocol === "rpc"
  const { serveStdio, serveUnix } = isRemote ? yield* Effect.promise(() => import("../../Remote.ts")) : Host
  return yield* listen.address === undefined
    ? serveStdio(host)
    : serveUnix(listen.address, { ...host, onListening: say(`${isRemote ? "rpc+" : ""}unix://${listen.address}`) })
})

const inspector = ({ inspect }: HostOptions.Serve) =>
  inspect === undefined
    ? Layer.empty
    : Layer.unwrap(
      Effect.map(Effect.promise(() => import("./Inspecting.ts")), ({ layer }) => layer(inspect, "code-mode-host"))
    )

/** Nothing of it is loaded where it is not asked for. */
const exporting = ({ metrics, otlp }: HostOptions.Serve) =>
  metrics === undefined && otlp === undefined
    ? Layer.empty
    : Layer.unwrap(Effect.map(Effect.promise(() => import("./Export.ts")), ({ layer }) =>
      layer({
        metrics,
        otlp,
        onListening: (url) =>
          Printer.tell(text`code-mode-host: metrics at ${foreign("address of a host's metrics", url, "output")}`)
      })))

const serve = (options: HostOptions.Serve) =>
  serveAt(options).pipe(
    Effect.provide([V8.layer(options.engine), NodeStdio.layer, inspector(options)]),
    Effect.provide(exporting(options)),
    Effect.provideService(References.MinimumLogLevel, options.logLevel)
  )

const printHelp = Effect.ignore(Printer.print(text`${foreign("help of the host", HostOptions.help, "output")}\n`))

/** Gives the status of the process. */
const program = Printer.adoptProcess("code-mode-host").pipe(
  Effect.andThen(HostOptions.parse(process.argv.slice(2))),
  Effect.flatMap((command) => command._tag === "Help" ? printHelp : serve(command)),
  Effect.as(0),
  Effect.catch((error) =>
    Effect.as(
      Printer.tell(text`code-mode-host: ${foreign("error of the host", error.message, "quote")}`),
      error._tag === "UsageError" ? error.status : 1
    )
  ),
  Effect.tapDefect((defect) => Effect.logError("This is a bug", defect)),
  // Standard output is the protocol's.
  Effect.provide([Printer.layer, Layer.succeed(Logger.LogToStderr, true)])
)

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    // A host that was told to stop has done what it was told. Whatever is still pending, it is over.
    const status = Exit.isFailure(exit) ? Cause.hasInterruptsOnly(exit.cause) ? 0 : 1 : Number(exit.value)
    onExit(status)
    process.exit(status)
  }
})
