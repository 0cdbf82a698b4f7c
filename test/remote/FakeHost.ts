/** A host that a test plays, request by request. */
import * as Delegate from "effect-code-mode/Delegate"
import { Limits } from "effect-code-mode/Protocol"
import * as HostConnection from "effect-code-mode/remote/HostConnection"
import * as Link from "effect-code-mode/remote/Link"
import * as RemoteSession from "effect-code-mode/remote/RemoteSession"
import * as Rpcs from "effect-code-mode/remote/Rpcs"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Stream from "effect/Stream"
import * as Wire from "./Wire.ts"

type Tag = RpcGroup.Rpcs<typeof Rpcs.SessionRpcs>["_tag"]
type Handlers = RpcGroup.HandlersFrom<RpcGroup.Rpcs<typeof Rpcs.SessionRpcs>>

export interface Asked {
  readonly tag: Tag
  readonly payload: { readonly session: number; readonly ticket?: number; readonly heard?: boolean }
}

/** A host whose answers are `handlers`. Sessions are opened, and nothing else is answered, unless it says otherwise. */
export const make = Effect.fnUntraced(function*(handlers?: Partial<Handlers>) {
  const wire = yield* Wire.make
  const asked = yield* Queue.unbounded<Asked>()
  const link = yield* Link.make(wire.host, {
    peer: "client",
    maxFrameBytes: 2 ** 26,
    tooLong: (text) => ({ _tag: "Refused", text }),
    hearsReadersOnly: false,
    gone: Effect.never,
    whyEnded: Effect.void,
    onEnd: () => {}
  })
  const answers: Partial<Record<Tag, unknown>> = {
    Open: () => Stream.concat(Stream.succeed({ _tag: "Opened", limits: Limits.make({}) } as const), Stream.never),
    Output: () => Stream.never,
    ...handlers
  }
  const tags = Array.from(Rpcs.SessionRpcs.requests.keys()) as ReadonlyArray<Tag>
  const heard = Object.fromEntries(tags.map((tag) => [
    tag,
    (payload: Asked["payload"]) => {
      Queue.offerUnsafe(asked, { tag, payload })
      return (answers[tag] as ((payload: unknown) => unknown) | undefined)?.(payload) ?? Effect.never
    }
  ])) as unknown as Handlers
  yield* RpcServer.make(Rpcs.SessionRpcs, { disableTracing: true, disableFatalDefects: true }).pipe(
    Effect.provide(Rpcs.SessionRpcs.toLayer(heard)),
    Effect.provideService(Rpcs.InSession, (request) => request),
    Effect.provideService(RpcServer.Protocol, link.server),
    Effect.forkScoped
  )
  const client = yield* Link.makeClient(link, Rpcs.DelegateRpcs)
  return {
    ...wire,
    client,
    /** The client's next request, which is to be of this kind. */
    next: (tag: Tag) =>
      Effect.map(Queue.take(asked), (request) => {
        if (request.tag !== tag) {
          throw new Error(`asked for ${request.tag}, and not ${tag}`)
        }
        return request.payload
      })
  }
})

export type FakeHost = Effect.Success<ReturnType<typeof make>>

/** A session at hosts that are played: the next one is started when the one before is lost. */
export const open = Effect.fnUntraced(function*(
  hosts: ReadonlyArray<Wire.Wire>,
  options?: {
    readonly delegate?: Delegate.Delegate["Service"] | undefined
    readonly limits?: Limits | undefined
  }
) {
  const remaining = [...hosts]
  const connections = yield* HostConnection.makeConnections(Effect.sync(() => remaining.shift()!.way), undefined)
  const session = yield* RemoteSession.make(connections, { limits: options?.limits }).pipe(
    options?.delegate === undefined
      ? Effect.provide(Delegate.layerNoop)
      : Effect.provideService(Delegate.Delegate, options.delegate)
  )
  // A host that is played answers no shutdown, so it is not waited for.
  yield* Effect.addFinalizer(() => Effect.forEach(hosts, (host) => host.cut("the test is over"), { discard: true }))
  return session
})
