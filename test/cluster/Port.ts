/** A port of this machine that nothing listens at. */
import * as Effect from "effect/Effect"
import { createServer } from "node:net"

export const free = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})
