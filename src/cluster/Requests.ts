/**
 * What a session of a cluster is asked, as an entity: its name is the entity's id.
 *
 * **Details**
 *
 * What changes a session is a message that is kept until it was answered: a host that is gone does not lose it, and the
 * next one carries it out again. So that nothing is done twice, each carries a `key`, and the session's journal knows it.
 * The key is that of the attempt, not the one of the request's caller: an answer is kept with the message, and a request that
 * has failed for want of room may succeed the next time.
 *
 * What only looks at a session is not kept. It is asked again when its host is gone.
 *
 * @internal
 */
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.ts"
import * as Replies from "../session/Replies.ts"

const inCell = { cellId: Protocol.CellId }
const keyed = { key: Schema.String }
const primaryKey = ({ key }: { readonly key: string }) => key

/** Kept. A caller that goes away takes nothing back. */
class Kept extends RpcGroup.make(
  Rpc.make("Create", {
    payload: { ...keyed, kind: Protocol.CellKind, request: Protocol.CellRequest },
    primaryKey,
    ...Replies.create
  }),
  /** The event of a key, or the first one of a cell that was made under a key. */
  Rpc.make("Observe", {
    payload: {
      ...keyed,
      ...inCell,
      yieldAfter: Schema.Duration,
      of: Schema.Union([
        Schema.Struct({ idempotencyKey: Schema.String }),
        Schema.Struct({ request: Protocol.CellRequest })
      ])
    },
    primaryKey,
    ...Replies.observe
  }),
  Rpc.make("AwaitFrontier", {
    payload: { ...keyed, ...inCell },
    primaryKey,
    ...Replies.awaitFrontier
  }),
  Rpc.make("Terminate", {
    payload: { ...keyed, ...inCell },
    primaryKey,
    ...Replies.terminate
  }),
  Rpc.make("Resume", {
    payload: { ...keyed, ...inCell, generation: Protocol.Generation },
    primaryKey,
    ...Replies.resume
  }),
  Rpc.make("Shutdown", { payload: keyed, primaryKey })
).annotateRpcs(ClusterSchema.Persisted, true).annotateRpcs(ClusterSchema.Uninterruptible, "client") {}

/** What a reader of events first hears, and again after the session has moved: its live cells. */
export const LiveCells = Schema.TaggedStruct("LiveCells", {
  cells: Schema.Array(Schema.Struct({ ...inCell, isSettled: Schema.Boolean }))
})

/** What a reader of output first hears, and again after the session has moved: what follows may have been said before. */
export const Begins = Schema.TaggedStruct("Begins", {})

/** Not kept. It ends with its caller, and is asked again. */
class Asked extends RpcGroup.make(
  /** An observation that ends with its caller. The same key gives the same event again. */
  Rpc.make("ObserveAttached", {
    payload: { ...keyed, ...inCell, yieldAfter: Schema.Duration },
    ...Replies.observe
  }),
  Rpc.make("Describe", {
    success: Schema.Struct({
      limits: Protocol.Limits,
      tools: Schema.Array(Protocol.ToolDefinition),
      instructions: Schema.Array(Schema.Tuple([Schema.String, Schema.String]))
    })
  }),
  Rpc.make("YieldNow", { payload: inCell, error: Protocol.MissingCell }),
  Rpc.make("Find", {
    payload: { ...inCell, kind: Protocol.CellKind },
    ...Replies.find
  }),
  Rpc.make("Cells", Replies.cells),
  Rpc.make("AwaitSettled", { payload: inCell, success: Protocol.Settled, error: Protocol.MissingCell }),
  Rpc.make("Ledger", { payload: inCell, success: Protocol.Ledger, error: Protocol.MissingCell }),
  Rpc.make("StoredValues", { success: Schema.Record(Schema.String, Schema.Json) }),
  Rpc.make("Events", {
    payload: { calls: Schema.Boolean },
    success: Schema.Union([LiveCells, Protocol.ActivityEvent]),
    error: Protocol.Lagged,
    stream: true
  }),
  Rpc.make("Output", {
    payload: inCell,
    success: Schema.Union([Begins, Protocol.OutputItem]),
    error: Schema.Union([Protocol.MissingCell, Protocol.Lagged]),
    stream: true
  })
) {}

/** The number is that of these messages: hosts of another one have other entities. */
export const Session = Entity.fromRpcGroup(
  "code-mode-session-1",
  // A host that ends does not wait for observers, which wait for cells.
  Kept.merge(Asked).annotateRpcs(ClusterSchema.InterruptOnTermination, true)
)

/** The longest name that the database has room for. */
export const maxNameLength = 255
