/**
 * One session as its client over gRPC sees it: executions and waits by the ids that the client gave them.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { Remembered } from "../../data/Remembered.ts"
import type { Isolate } from "../../Isolate.ts"
import { Limits, ToolError, type ToolKind } from "../../Protocol.ts"
import type { Call, Source } from "../../wire/grpc/Calls.ts"
import type * as Protobuf from "../../wire/grpc/Protobuf.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"
import type { SharedByClients } from "../../wire/Serving.ts"
import * as Session from "../Session.ts"
import { Feed } from "./Feed.ts"
import { Observation } from "./Observation.ts"
import * as Refusal from "./Refusal.ts"
import { type Event, ToolCalls } from "./ToolCalls.ts"

const maxRemembered = 4096
const maxFilters = 64

const ofName = ({ name, namespace }: Service.ToolName): Status | undefined =>
  Refusal.ofId("tool name", name) ?? (namespace === undefined ? undefined : Refusal.ofId("tool namespace", namespace))

const ofSchema = (what: string, json: Uint8Array | undefined): Status | undefined => {
  const parsed = json === undefined ? undefined : Refusal.parseJson(what, json)
  return parsed !== undefined && Result.isFailure(parsed) ? parsed.failure : undefined
}

const kindOf = ({ kind }: Service.ToolDefinition): ToolKind | undefined => {
  const name = Service.ToolKind[kind]
  return name === "unspecified" ? undefined : name
}

const ofTool = (tool: Service.ToolDefinition): Status | undefined =>
  Refusal.ofId("tool definition name", tool.name)
    ?? (tool.tool_name === undefined
      ? Refusal.invalid("tool definition is missing its tool name")
      : ofName(tool.tool_name))
    ?? (kindOf(tool) === undefined ? Refusal.invalid("tool definition has an invalid kind") : undefined)
    ?? ofSchema("tool input schema", tool.input_schema_json)
    ?? ofSchema("tool output schema", tool.output_schema_json)

/** The first problem of one of them. */
const first = <A>(values: ReadonlyArray<A>, problem: (value: A) => Status | undefined): Status | undefined => {
  for (const value of values) {
    const found = problem(value)
    if (found !== undefined) {
      return found
    }
  }
  return undefined
}

/** A tool in which nothing is wrong. */
const toTool = (tool: Service.ToolDefinition) => ({
  name: tool.name,
  toolName: { name: tool.tool_name!.name, namespace: tool.tool_name!.namespace ?? null },
  description: tool.description,
  kind: kindOf(tool)!
})

/** Requests of one kind, by the ids that their client gave them. It may be early with what it says of one. */
class Observations {
  private readonly what: string
  private readonly running = new Map<string, Observation>()
  private readonly ended = new Remembered<string>(maxRemembered)
  private readonly yields = new Remembered<string>(maxRemembered)
  private readonly cancels = new Remembered<string>(maxRemembered)

  constructor(what: string) {
    this.what = what
  }

  begin(id: string, make: (yieldRequested: boolean) => Observation): Effect.Effect<Observation, Status> {
    if (this.running.has(id) || this.ended.has(id)) {
      return Effect.fail(status("ALREADY_EXISTS", `code-mode ${this.what} ID \`${id}\` was reused`))
    }
    const observation = make(this.yields.has(id))
    this.running.set(id, observation)
    if (this.cancels.has(id)) {
      observation.cancel()
    }
    return Effect.succeed(observation)
  }

  end(id: string): void {
    this.running.delete(id)
    this.yields.delete(id)
    this.ended.set(id, true)
  }

  cancel(id: string): void {
    this.running.get(id)?.cancel()
    if (!this.running.has(id) && !this.ended.has(id)) {
      this.cancels.set(id, true)
    }
  }

  cancelAll(): void {
    this.running.forEach((observation) => observation.cancel())
  }

  requestYield(id: string): Effect.Effect<void> {
    const observation = this.running.get(id)
    if (observation === undefined && !this.ended.has(id)) {
      this.yields.set(id, true)
    }
    return observation?.requestYield ?? Effect.void
  }
}

export class HostedSession {
  readonly id: string
  private readonly clock: Clock.Clock
  private readonly session: Session.Session
  private readonly events: Feed<Event>
  private readonly calls: ToolCalls
  private readonly executions = new Observations("execution")
  private readonly waits = new Observations("wait")
  private readonly openExecutions = new Set<Feed<Protobuf.Input<Service.ExecuteEvent>>>()
  private isClosed = false

  constructor(
    id: string,
    clock: Clock.Clock,
    session: Session.Session,
    events: Feed<Event>,
    calls: ToolCalls
  ) {
    this.id = id
    this.clock = clock
    this.session = session
    this.events = events
    this.calls = calls
  }

  /** What happens in the session, from its opening to its end. */
  get told(): Source<Event> {
    return this.events
  }

  /** Ends what is under way, without an outcome, and the session. Waits until all of its cells are closed. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.isClosed) {
      this.isClosed = true
      this.openExecutions.forEach((execution) => execution.end())
      this.waits.cancelAll()
      this.calls.end()
      this.events.end()
    }
    return this.session.shutdown
  })

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  readonly execute = Effect.fnUntraced(function*(this: HostedSession, request: Service.ExecuteRequest) {
    const { execution_id: id } = request
    yield* Refusal.unlessFine(
      Refusal.ofId("execution ID", id)
        ?? Refusal.ofId("tool call ID", request.tool_call_id)
        ?? first(request.enabled_tools, ofTool)
    )
    const events = new Feed<Protobuf.Input<Service.ExecuteEvent>>()
    const observation = yield* this.executions.begin(id, (yieldRequested) =>
      new Observation(this.clock, {
        yieldRequested,
        onStart: (cellId) => {
          this.calls.started(cellId, id)
          events.offer({ started: { execution_id: id, cell_id: cellId } })
        },
        onTold: (outcome) => {
          events.offer({ outcome })
          events.end()
        }
      }))
    this.openExecutions.add(events)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        this.openExecutions.delete(events)
        return this.abandon(observation)
      })
    )
    // It goes on when its client is gone, until its cell is: that would have no owner.
    const fiber = yield* Effect.forkDetach(
      this.session.execute(observation, {
        cell: { callId: request.tool_call_id, source: request.source, tools: request.enabled_tools.map(toTool) },
        yieldMillis: request.yield_time_ms,
        budget: request.max_output_tokens
      }).pipe(Effect.catch((error) => Effect.sync(() => events.fail(Refusal.toStatus(error))))),
      { startImmediately: true }
    )
    fiber.addObserver(() => {
      this.executions.end(id)
      events.end()
    })
    return events
  })

  /** Ends the cell of an execution whose client has not stayed to hear its outcome. */
  private abandon(observation: Observation): Effect.Effect<void> {
    if (observation.outcome !== undefined || this.isClosed) {
      return Effect.void
    }
    observation.takeBack()
    return observation.cellId === undefined
      ? Effect.void
      : Effect.asVoid(Effect.forkDetach(
        this.session.terminate(new Observation(this.clock), { cellId: observation.cellId }),
        { startImmediately: true }
      ))
  }

  readonly wait = Effect.fnUntraced(function*(this: HostedSession, request: Service.WaitRequest, call: Call) {
    const { cell_id: cellId, wait_id: id } = request
    yield* Refusal.unlessFine(Refusal.ofId("cell ID", cellId) ?? Refusal.ofId("wait ID", id))
    const observation = yield* this.waits.begin(
      id,
      (yieldRequested) => new Observation(this.clock, { yieldRequested })
    )
    yield* this.session.wait(observation, {
      cellId,
      yieldMillis: request.yield_time_ms,
      budget: request.max_output_tokens
    }).pipe(
      Effect.mapError(Refusal.toStatus),
      (waiting) => Effect.raceFirst(observation.cancelled, waiting),
      Effect.ensuring(Effect.sync(() => this.waits.end(id)))
    )
    if (observation.outcome?.state === "Completed") {
      call.addHeader("codex-code-mode-result-buffered-for-ns", String(observation.outcome.bufferedNanos))
    }
    return answer(observation)
  })

  cancelWait({ wait_id: id }: Service.CancelWaitRequest): Effect.Effect<void, Status> {
    return Effect.map(Refusal.unlessFine(Refusal.ofId("wait ID", id)), () => this.waits.cancel(id))
  }

  yieldObservation({ execution_id, wait_id }: Service.YieldObservationRequest): Effect.Effect<void, Status> {
    const [what, id, observations] = execution_id === undefined
      ? ["wait ID", wait_id, this.waits] as const
      : ["execution ID", execution_id, this.executions] as const
    return id === undefined
      ? Effect.fail(Refusal.invalid("missing code-mode observation ID"))
      : Effect.andThen(Refusal.unlessFine(Refusal.ofId(what, id)), observations.requestYield(id))
  }

  readonly terminate = Effect.fnUntraced(function*(this: HostedSession, request: Service.TerminateRequest) {
    const { cell_id: cellId, max_output_tokens: budget } = request
    yield* Refusal.unlessFine(Refusal.ofId("cell ID", cellId))
    const observation = new Observation(this.clock)
    yield* Effect.mapError(this.session.terminate(observation, { cellId, budget }), Refusal.toStatus)
    return answer(observation)
  })

  // ---------------------------------------------------------------------------
  // Tool calls
  // ---------------------------------------------------------------------------

  readonly subscribe = Effect.fnUntraced(
    function*(this: HostedSession, { tool_names }: Service.SubscribeToToolCallsRequest, call: Call) {
      yield* Refusal.unlessFine(
        tool_names.length > maxFilters
          ? Refusal.invalid(`code-mode tool subscription exceeds ${maxFilters} filters`)
          : first(tool_names, ofName)
      )
      const subscription = this.calls.subscribe(tool_names)
      if (subscription === undefined) {
        return yield* status("RESOURCE_EXHAUSTED", "code-mode session has too many tool subscriptions")
      }
      // Calls that no client will answer end the session: its client is not what it was.
      yield* Effect.addFinalizer(() =>
        this.calls.unsubscribe(subscription)
          ? Effect.asVoid(Effect.forkDetach(this.close, { startImmediately: true }))
          : Effect.void
      )
      yield* call.begin
      return subscription.calls
    }
  )

  /** Gives what is wrong, if something is. */
  complete({ failed, invocation_id: id, succeeded }: Service.CompleteToolCallRequest): Status | undefined {
    const problem = Refusal.ofUuid("tool invocation ID", id)
      ?? (failed ?? succeeded ? undefined : Refusal.invalid("tool completion is missing its outcome"))
    if (problem !== undefined) {
      return problem
    }
    const output = succeeded === undefined
      ? undefined
      : Refusal.parseJson("code-mode tool output JSON", succeeded.output_json)
    if (output !== undefined && Result.isFailure(output)) {
      return output.failure
    }
    const result = output === undefined
      ? Effect.fail(new ToolError({ text: failed!.message }))
      : Effect.succeed(output.success)
    return this.calls.complete(id.toLowerCase(), result)
      ? undefined
      : status("NOT_FOUND", `unknown code-mode tool invocation ${id}`)
  }
}

const answer = (observation: Observation): Protobuf.Input<Service.WaitResponse> =>
  observation.outcome!.state === "Missing"
    ? { missing_cell: observation.told() }
    : { live_cell: observation.told() }

/** Opens a session that ends with the scope, if it does not end before. */
export const open = Effect.fnUntraced(function*(
  host: SharedByClients,
  request: Service.OpenSessionRequest,
  call: Call
): Effect.fn.Return<HostedSession, Status, Isolate | Scope.Scope> {
  const mode = request.output_truncation
  if (mode < 0 || mode > Service.OutputTruncation.host) {
    return yield* Refusal.invalid("unknown code-mode output truncation mode")
  }
  const maxPending = request.max_pending_delegate_calls
  if (maxPending === 0) {
    return yield* Refusal.invalid("callback capacity must be positive")
  }
  const id = randomUUID()
  const events = new Feed<Event>()
  const calls = new ToolCalls({
    sessionId: id,
    events,
    maxMessageBytes: host.maxFrameBytes,
    maxPending: maxPending ?? Infinity
  })
  const truncates = mode === Service.OutputTruncation.host
  const session = yield* Session.make({
    delegate: (announced) => calls.delegate(announced),
    room: call.room,
    onClosed: (cellId) => calls.closed(cellId),
    liveCells: host.liveCells,
    limits: maxPending === undefined
      ? host.limits
      : Limits.make({ ...host.limits, maxToolCallsInFlight: Session.raisedToolCalls(host.limits) })
  }, {
    sessionId: id,
    maxYieldMillis: request.cell_execution_limits?.max_yield_time_ms,
    maxHeapSizeBytes: request.cell_execution_limits?.max_heap_size_bytes,
    truncates
  }).pipe(Effect.mapError(Refusal.toStatus))
  events.offer({ opened: { session_id: id, output_truncation: truncates ? mode : 0 } })
  return new HostedSession(id, yield* Clock.Clock, session, events, calls)
})
