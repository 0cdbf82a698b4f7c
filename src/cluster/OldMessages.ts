/**
 * Removes messages that were answered long ago: the database would keep them for ever.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as MachineId from "effect/cluster/MachineId"
import * as Singleton from "effect/cluster/Singleton"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

/** What is removed at a time, so that no one waits for it. */
const atOnce = 1000

/** Removes what was answered and is older than `age`. */
export const sweep = Effect.fnUntraced(function*(age: Duration.Duration) {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const now = yield* Clock.currentTimeMillis
  // Numbers of messages begin with their time.
  const before = Snowflake.make({
    machineId: MachineId.make(0),
    sequence: 0,
    timestamp: Math.floor(now - Duration.toMillis(age))
  })
  const some = sql.unsafe<{ readonly count: number }>(
    `WITH old AS (
      SELECT id FROM cluster_messages WHERE processed AND id < $1::int8 LIMIT ${atOnce}
    ), replies AS (
      DELETE FROM cluster_replies WHERE request_id IN (SELECT id FROM old)
    ), messages AS (
      DELETE FROM cluster_messages WHERE id IN (SELECT id FROM old) RETURNING id
    )
    SELECT count(*)::int4 AS count FROM messages`,
    [before]
  )
  yield* Effect.repeat(some, { while: ([row]) => (row?.count ?? 0) >= atOnce })
})

/** One host does it for all. */
export const layer = (age: Duration.Input) =>
  Singleton.make(
    "code-mode-retention",
    sweep(Duration.fromInputUnsafe(age)).pipe(
      Effect.catchCause((cause) => Effect.logWarning("Old messages of the cluster cannot be removed", cause)),
      Effect.repeat(Schedule.spaced("10 minutes"))
    )
  )
