/**
 * What a client and this host agree on before anything else.
 *
 * @internal
 */
import type { ClientMessage, HostMessage, RejectionReason } from "./Message.ts"

const version = 1

/** What a client can have on top of version 1, in the order in which it is granted. */
const capabilities = [
  "bounded-output-v1",
  "delegate-capacity-4096",
  "session-cell-execution-resource-limits",
  "yield-observation"
] as const

const reject = (reason: RejectionReason) => ({ type: "connection/rejected", reason }) as const

/** The answer to a client's first message. */
export const greet = (
  message: ClientMessage
): HostMessage & { readonly type: `connection/${string}` } => {
  if (message.type !== "connection/hello") {
    return reject({ type: "invalidHello", message: "first message must be connection/hello" })
  }
  if (!message.supportedVersions.includes(version)) {
    return reject({ type: "noCompatibleVersion", supportedVersions: [version] })
  }
  const offered: ReadonlyArray<string> = capabilities
  const missing = message.requiredCapabilities.find((capability) => !offered.includes(capability))
  if (missing !== undefined) {
    return reject({ type: "missingRequiredCapability", capability: missing })
  }
  const wanted = new Set([...message.requiredCapabilities, ...message.optionalCapabilities])
  return {
    type: "connection/ready",
    selectedVersion: version,
    capabilities: offered.filter((capability) => wanted.has(capability))
  }
}
