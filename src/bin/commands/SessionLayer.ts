/**
 * The session that a command runs its cells in.
 *
 * @internal
 */
import type * as Command from "effect/cli/Command"
import * as Layer from "effect/Layer"
import * as Runtime from "../../Runtime.ts"
import * as V8 from "../../V8.ts"
import * as Media from "../report/Media.ts"
import * as Approvals from "./Approvals.ts"
import * as Checking from "./Checking.ts"
import * as SessionFile from "./SessionFile.ts"
import * as ToolCallLog from "./ToolCallLog.ts"
import * as ToolFlags from "./ToolFlags.ts"

/** What may be said of the session, and of what its cells put out. */
export const flags = {
  ...ToolFlags.flags,
  saveMedia: Media.flag,
  session: SessionFile.flag,
  check: Checking.flag
}

export type Flags = Command.Command.Config.Infer<typeof flags>

/** The delegate that has the tools that the flags ask for. */
const delegate = (flags: ToolFlags.Flags) => ToolCallLog.layer(Approvals.layer(flags.approve, ToolFlags.layer(flags)))

// There is one session, and no other will need a lane.
const engine = V8.layer({ warmLanes: 0 })

/** A session with the tools that the flags ask for, and the delegate that it has them from. */
export const layer = (flags: ToolFlags.Flags, storedValues: SessionFile.StoredValues) =>
  Runtime.layer({ storedValues, unreadOutput: "wait" }).pipe(Layer.provideMerge(delegate(flags)), Layer.provide(engine))

/** The same, of a session that a store has. */
export const layerDurable = (flags: ToolFlags.Flags, session: string) =>
  Runtime.layerDurable({ session, unreadOutput: "wait" }).pipe(
    Layer.provideMerge(delegate(flags)),
    Layer.provide(engine)
  )
