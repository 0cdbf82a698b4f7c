/**
 * How hosts share the sessions: measured on two busy cores, with hosts that were killed and frozen.
 *
 * @internal
 */
import type { ShardingConfig } from "effect/cluster/ShardingConfig"

/**
 * A host that says nothing for 10 s is gone. With less, a loaded machine loses its shards now and then. Mostly another host
 * has found out before, because a killed one refuses connections. Shards move one by one: with more of them, sessions are
 * spread more evenly, and take longer to move.
 */
export const defaults = {
  shardsPerGroup: 100,
  shardLockExpiration: "10 seconds",
  shardLockRefreshInterval: "3 seconds",
  refreshAssignmentsInterval: "1 second",
  runnerHealthCheckInterval: "2 seconds",
  entityMessagePollInterval: "2 seconds",
  entityReplyPollInterval: "200 millis",
  maxResidentEntities: "unbounded"
} as const satisfies Partial<ShardingConfig["Service"]>
