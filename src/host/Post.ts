/**
 * The way of messages to a client.
 *
 * @internal
 */
import * as Frame from "../wire/Frame.ts"
import * as Message from "../wire/Message.ts"
import type { Letter, Outgoing } from "../wire/Outgoing.ts"

/** Posts a message, unless it does not fit into a frame. */
export type Post = (message: Message.HostMessage) => Letter | Frame.FrameError

export const make = (outgoing: Outgoing, maxFrameBytes: number): Post => (message) => {
  const frame = Frame.encode(Message.encode(message), maxFrameBytes)
  return frame instanceof Frame.FrameError ? frame : outgoing.post(frame)
}
