/**
 * What the types of capabilities forbid. Nothing here runs; the type checker holds it.
 */
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"

export const wrongCalls = (
  session: Runtime.SessionRuntime["Service"],
  cell: Runtime.Cell,
  pausable: Runtime.PausableCell
) => [
  session.observe(cell),
  session.terminate(cell),
  session.terminate(pausable),
  session.awaitFrontier(pausable),
  session.resume(pausable, Protocol.Generation.make(1)),
  // @ts-expect-error a cell that pauses is not observed
  session.observe(pausable),
  // @ts-expect-error a cell that goes on by itself has no frontier
  session.awaitFrontier(cell),
  // @ts-expect-error nor is it resumed
  session.resume(cell, Protocol.Generation.make(1)),
  // @ts-expect-error a generation comes from a frontier
  session.resume(pausable, 1),
  // @ts-expect-error an id is not a capability
  session.observe(cell.id),
  // @ts-expect-error nor is something that looks like one
  session.observe({ id: cell.id })
]
