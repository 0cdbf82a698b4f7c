/**
 * What the cells of a connection call: the delegate that all connections share, with what is known of this one.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Delegate } from "../Delegate.ts"
import * as Shape from "../delegate/Shape.ts"
import type { ToolDefinition } from "../Protocol.ts"
import type { Telling } from "./Telling.ts"

/** The delegate, whose calls are counted and whose notifications go to the client, too. */
export const make = (delegate: Delegate["Service"], telling: Telling) => {
  /** The namespaces of the calls that are under way. */
  const calling: Array<string> = []
  return {
    delegate: Shape.change(delegate, {
      invokeTool: (call) =>
        Effect.suspend(() => {
          const namespace = call.toolName.namespace ?? ""
          calling.push(namespace)
          return Effect.ensuring(
            delegate.invokeTool(call),
            Effect.sync(() => calling.splice(calling.indexOf(namespace), 1))
          )
        }),
      notify: (notification) => Effect.andThen(telling.notification(notification), delegate.notify(notification))
    }),
    /** Whether a call waits for an answer: of anyone, or of this server. */
    isCalling: (namespace?: string) => namespace === undefined ? calling.length > 0 : calling.includes(namespace)
  }
}

/** A delegate that is not there yet. */
export interface Ready {
  readonly wait: Effect.Effect<void>
  readonly delegate: () => Delegate["Service"] | undefined
}

/** What it is until then: one without tools, whose calls wait. */
export const late = (ready: Ready): Delegate["Service"] => {
  const none: ReadonlyArray<ToolDefinition> = []
  return Delegate.of({
    get tools() {
      return ready.delegate()?.tools ?? none
    },
    get instructions() {
      return ready.delegate()?.instructions ?? new Map()
    },
    invokeTool: (call) =>
      Effect.andThen(
        ready.wait,
        Effect.suspend(() =>
          ready.delegate()?.invokeTool(call) ??
            Shape.refuse(`there is no tool ${call.tool}`)
        )
      ),
    notify: (notification) => Effect.suspend(() => ready.delegate()?.notify(notification) ?? Effect.void)
  })
}
