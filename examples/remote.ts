import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Delegate from "effect-code-mode/Delegate"
import * as Remote from "effect-code-mode/Remote"
import * as Layer from "effect/Layer"

// A host of its own, which is started with the first session and ended with the layer.
const ownHost = Remote.layerProcess().pipe(Layer.provide(NodeServices.layer))

// A host that listens already.
export const sharedHost = Remote.layerUnix("/run/sessions.sock")

export const layer = Remote.layer().pipe(Layer.provide([Delegate.layerNoop, ownHost]))
