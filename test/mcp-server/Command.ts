/** The command that serves over HTTP. */
import * as Effect from "effect/Effect"

export { startCommand } from "../cli/Process.ts"

/** Where a process says that it is. */
export const listening = (running: { readonly child: { readonly stderr: NodeJS.ReadableStream } }) =>
  Effect.promise(() =>
    new Promise<URL>((resolve) => {
      running.child.stderr.on("data", (text) => {
        const found = /listening at (\S+)/.exec(String(text))
        if (found !== null) resolve(new URL(found[1]!))
      })
    })
  )
