/**
 * The command `code-mode-host`.
 *
 * @internal
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Host from "../Host.ts"
import type { Isolate } from "../Isolate.ts"
import * as V8 from "../isolate/V8.ts"
import * as HostOptions from "./HostOptions.ts"

const serve = (
  { engine, host, logLevel, path }: HostOptions.Serve
): Effect.Effect<void, Host.ConnectionError | Host.ListenError> => {
  const serving: Effect.Effect<void, Host.ConnectionError | Host.ListenError, Isolate> = path === undefined
    ? Host.serveStdio(host)
    : Host.serveUnix(path, { ...host, onListening: Console.log(`unix://${path}`) })
  return serving.pipe(
    Effect.provide(V8.layer(engine)),
    Effect.provideService(References.MinimumLogLevel, logLevel)
  )
}

/** Gives the status of the process. */
const program = HostOptions.parse(process.argv.slice(2)).pipe(
  Effect.flatMap((command) => command._tag === "Help" ? Console.log(HostOptions.help) : serve(command)),
  Effect.as(0),
  Effect.catch((error) =>
    Effect.as(Console.error(`code-mode-host: ${error.message}`), error._tag === "UsageError" ? error.status : 1)
  ),
  Effect.tapDefect((defect) => Effect.logError("This is a bug", defect)),
  // Standard output is the protocol's.
  Effect.provideService(Logger.LogToStderr, true)
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
