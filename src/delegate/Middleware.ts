/**
 * What may be put around the calls of a delegate.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import type * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { NestedToolCall, ToolAnnotations, ToolDefinition, ToolError } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import type * as Approval from "./Approval.ts"
import { change, isRepeatable, nameOf, refuse, type Shape, withInvoke } from "./Shape.ts"

export const filter = (self: Shape, keep: (tool: ToolDefinition) => boolean): Shape => {
  const narrowed = change(self, { tools: (tools) => tools.filter(keep) })
  return withInvoke(
    narrowed,
    (call, definition) => definition === undefined ? refuse(`there is no tool ${nameOf(call)}`) : self.invokeTool(call)
  )
}

export const annotate = (self: Shape, toAnnotations: (tool: ToolDefinition) => ToolAnnotations): Shape =>
  change(self, { tools: (tools) => tools.map((tool) => ({ ...tool, annotations: toAnnotations(tool) })) })

/** The names that more than one of the tools has in a cell. */
export const clashes = (tools: ReadonlyArray<ToolDefinition>): ReadonlyArray<string> => {
  const names = tools.map(({ name }) => Identifier.fromName(name))
  return Array.from(new Set(names.filter((name, index) => names.indexOf(name) !== index)))
}

/** Lists change: of two tools that come to have one name, the earlier delegate's is there. */
export const merge = (delegates: ReadonlyArray<Shape>): Shape => {
  let lists: ReadonlyArray<ReadonlyArray<ToolDefinition>> = []
  let tools: ReadonlyArray<ToolDefinition> = []
  let owners = new Map<string, Shape>()
  const refresh = () => {
    const now = delegates.map(({ tools }) => tools)
    if (now.length !== lists.length || now.some((list, index) => list !== lists[index])) {
      lists = now
      owners = new Map()
      const taken = new Set<string>()
      tools = delegates.flatMap((delegate) =>
        delegate.tools.filter(({ name }) => {
          const identifier = Identifier.fromName(name)
          const isFree = !taken.has(identifier)
          if (isFree) {
            taken.add(identifier)
            owners.set(name, delegate)
          }
          return isFree
        })
      )
    }
    return { tools, owners }
  }
  return {
    get tools() {
      return refresh().tools
    },
    get instructions() {
      return new Map(delegates.flatMap(({ instructions }) => Array.from(instructions ?? [])))
    },
    invokeTool: (call) =>
      Effect.suspend(() =>
        refresh().owners.get(call.tool)?.invokeTool(call) ?? refuse(`there is no tool ${nameOf(call)}`)
      ),
    // Each gets it, whatever becomes of it at another one.
    notify: (notification) =>
      Effect.forEach(delegates, (delegate) => Effect.exit(delegate.notify(notification)), { concurrency: "unbounded" })
        .pipe(Effect.flatMap((exits) => exits.find(Exit.isFailure) ?? Effect.void))
  }
}

export const rename = (self: Shape, toName: (tool: ToolDefinition) => string): Shape => {
  // Of two with one name, calls go to the first.
  const ownNames = memoize((tools: ReadonlyArray<ToolDefinition>) =>
    new Map(tools.map((tool) => [toName(tool), tool.name] as const).toReversed())
  )
  return change(self, {
    tools: (tools) => tools.map((tool) => ({ ...tool, name: toName(tool) })),
    invokeTool: (call) => self.invokeTool({ ...call, tool: ownNames(self.tools).get(call.tool) ?? call.tool })
  })
}

export const withConcurrency = (self: Shape, permits: number, of: "tool" | "all" = "all"): Shape => {
  // Those of calls that run or wait.
  const gates = new Map<string, { readonly semaphore: Semaphore.Semaphore; calls: number }>()
  return change(self, {
    invokeTool: (call) =>
      Effect.suspend(() => {
        const key = of === "all" ? "" : call.tool
        const gate = gates.get(key) ?? { semaphore: Semaphore.makeUnsafe(permits), calls: 0 }
        gates.set(key, gate)
        gate.calls++
        return Effect.ensuring(
          gate.semaphore.withPermit(self.invokeTool(call)),
          Effect.sync(() => --gate.calls === 0 && gates.delete(key))
        )
      })
  })
}

export const withRetry = <Out>(self: Shape, schedule: Schedule.Schedule<Out, ToolError>): Shape =>
  withInvoke(self, (call, definition) => {
    if (definition === undefined || !isRepeatable(definition)) {
      return self.invokeTool(call)
    }
    let attempt = call.attempt
    return Effect.retry(Effect.suspend(() => self.invokeTool({ ...call, attempt: attempt++ })), schedule)
  })

export type Verdict = "allow" | "ask" | { readonly deny: string }

export const withPolicy = (
  self: Shape,
  gate: Approval.Gate,
  decide: (call: NestedToolCall, tool: ToolDefinition | undefined) => Verdict
): Shape =>
  withInvoke(self, (call, definition) => {
    const verdict = decide(call, definition)
    return verdict === "allow"
      ? self.invokeTool(call)
      : verdict !== "ask"
      ? refuse(`${nameOf(call)} was not called: ${verdict.deny}`)
      : gate(call, definition, self.invokeTool)
  })
