/** A page without a browser: what it would be told, and what it would ask for. */
import { Effect, Stream } from "effect"
import type { Answer, Message, Request } from "../../src/inspector/PageMessage.ts"

/** What is told at an address, from now on. */
export const messages = (address: string, query = ""): Stream.Stream<Message> =>
  Stream.fromReadableStream({
    evaluate: () =>
      new ReadableStream<Uint8Array>({
        async start(controller) {
          const { body } = await fetch(`${address}events${query}`)
          for await (const chunk of body!) {
            controller.enqueue(chunk)
          }
          controller.close()
        }
      }),
    onError: (error) => error
  }).pipe(
    Stream.orDie,
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data: ")),
    Stream.map((line) => JSON.parse(line.slice("data: ".length)) as Message)
  )

/** The first thing of a sort that is told. */
export const first = <A>(
  address: string,
  find: (message: Message) => A | undefined,
  query?: string
): Effect.Effect<A> =>
  messages(address, query).pipe(
    Stream.map(find),
    Stream.filter((found) => found !== undefined),
    Stream.runHead,
    Effect.map((found) => found._tag === "Some" ? found.value : assertNever())
  )

const assertNever = (): never => {
  throw new Error("it was not told")
}

export const ask = (address: string, request: Request): Effect.Effect<Answer> =>
  Effect.promise(() =>
    fetch(`${address}act`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: new URL(address).origin },
      body: JSON.stringify(request)
    }).then((answer) => answer.json() as Promise<Answer>)
  )
