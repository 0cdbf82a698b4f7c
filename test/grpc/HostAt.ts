/** Hosts over gRPC that are started for a test. */
import * as Effect from "effect/Effect"
import * as HostProcess from "../host/HostProcess.ts"
import { atPort, ofProcess } from "./Client.ts"

/** With its one client. */
export const stdio = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const host = yield* HostProcess.start("--listen", "grpc+stdio://", ...args)
  return { ...host, client: ofProcess(host.child) }
})

/** At a port that is free. */
export const tcp = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const host = yield* HostProcess.start("--listen", "grpc://127.0.0.1:0", ...args)
  const url = yield* Effect.callback<string>((resume) => {
    host.child.stdout.once("data", (text: Buffer) => resume(Effect.succeed(String(text).trim())))
  })
  const port = Number(new URL(url).port)
  return { ...host, url, port, connect: atPort(port) }
})
