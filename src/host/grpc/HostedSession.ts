/**
 * One session as its client over gRPC sees it: executions and waits by the ids that the client gave them.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { Remembered } from "../../data/Remembered.ts"
import type { Isolate } from "../../Isolate.ts"
import { Limits, ToolError } from "../../Protocol.ts"
import type { Call } from "../../wire/grpc/Calls.ts"
import type * as Protobuf from "../../wire/grpc/Protobuf.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"
import type { SharedByClients } from "../../wire/Serving.ts"
import * as Session from "../Session.ts"
import { Feed } from "./Feed.ts"
import { Observation } from "./Observation.ts"
import { checkId, checkUuid, invalid, parseJson, toStatus } from "./Refusal.ts"
import { type Event, ToolCalls } from "./ToolCalls.ts"

const maxRemembered = 4096
const maxFilters = 64

const cancelled = status("CANCELLED", "code-mode wait was cancelled")

const checkName = Effect.fnUntraced(function*({ name, namespace }: Service.ToolName) {
  yield* checkId("tool name", name)
  if (namespace !== undefined) {
    yield* checkId("tool namespace", namespace)
  }
})

const toTool = Effect.fnUntraced(function*(tool: Service.ToolDefinition) {
  yield* checkId("tool definition name", tool.name)
  if (tool.tool_name === undefined) {
    return yield* invalid("tool definition is missing its tool name")
  }
  yield* checkName(tool.tool_name)
  const kind = Service.ToolKind[tool.kind]
  if (kind !== "function" && kind !== "freeform") {
    return yield* invalid("tool definition has an invalid kind")
  }
  if (tool.input_schema_json !== undefined) {
    yield* parseJson("tool input schema", tool.input_schema_json)
  }
  if (tool.output_schema_json !== undefined) {
    yield* parseJson("tool output schema", tool.output_schema_json)
  }
  return {
    name: tool.name,
    toolName: { name: tool.tool_name.name, namespace: tool.tool_name.namespace ?? null },
    description: tool.description,
    kind
  }
})

/** Requests of one kind, by the ids that their client gave them. */
class Observations {
  private readonly what: string
  private readonly running = new Map<string, Observation>()
  private readonly ended = new Remembered<string>(maxRemembered)
  private readonly yields = new Remembered<string>(maxRemembered)

  constructor(what: string) {
    this.what = what
  }

  has(id: string): boolean {
    return this.running.has(id) || this.ended.has(id)
  }

  begin(id: string, make: (yieldRequested: boolean) => Observation): Effect.Effect<Observation, Status> {
    if (this.has(id)) {
      return Effect.fail(status("ALREADY_EXISTS", `code-mode ${this.what} ID \`${id}\` was reused`))
    }
    const observation = make(this.yields.has(id))
    this.running.set(id, observation)
    return Effect.succeed(observation)
  }

  end(id: string): void {
    this.running.delete(id)
    this.yields.delete(id)
    this.ended.set(id, true)
  }

  /** Also before it begins. */
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
  private readonly openExecutions = new Set<Feed<Protobuf.Input<Service.ExecuteEvent>, Status>>()
  private readonly openWaits = new Map<string, Deferred.Deferred<never, Status>>()
  private readonly cancelledWaits = new Remembered<string>(maxRemembered)
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
  get stream(): Stream.Stream<Event> {
    return this.events.stream
  }

  /** Ends what is under way, without an outcome, and the session. Waits until all of its cells are closed. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.isClosed) {
      this.isClosed = true
      this.openExecutions.forEach((execution) => execution.end())
      this.openWaits.forEach((wait) => Deferred.doneUnsafe(wait, Effect.fail(cancelled)))
      this.calls.end()
      this.events.end()
    }
    return this.session.shutdown
  })

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  execute(request: Service.ExecuteRequest): Stream.Stream<Protobuf.Input<Service.ExecuteEvent>, Status> {
    return Stream.unwrap(this.begin(request))
  }

  private readonly begin = Effect.fnUntraced(function*(this: HostedSession, request: Service.ExecuteRequest) {
    const { execution_id: id } = request
    yield* checkId("execution ID", id)
    yield* checkId("tool call ID", request.tool_call_id)
    const tools = yield* Effect.forEach(request.enabled_tools, toTool)
    const events = new Feed<Protobuf.Input<Service.ExecuteEvent>, Status>()
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
    // It goes on when its client is gone, until its cell is: that would belong to nobody.
    const fiber = yield* Effect.forkDetach(
      this.session.execute(observation, {
        cell: { callId: request.tool_call_id, source: request.source, tools },
        yieldMillis: request.yield_time_ms,
        budget: request.max_output_tokens
      }).pipe(Effect.catch((error) => Effect.sync(() => events.fail(toStatus(error))))),
      { startImmediately: true }
    )
    fiber.addObserver(() => {
      this.executions.end(id)
      events.end()
    })
    return events.stream
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
    yield* checkId("cell ID", cellId)
    yield* checkId("wait ID", id)
    const observation = yield* this.waits.begin(
      id,
      (yieldRequested) => new Observation(this.clock, { yieldRequested })
    )
    const taken = Deferred.makeUnsafe<never, Status>()
    this.openWaits.set(id, taken)
    if (this.cancelledWaits.has(id)) {
      Deferred.doneUnsafe(taken, Effect.fail(cancelled))
    }
    yield* this.session.wait(observation, {
      cellId,
      yieldMillis: request.yield_time_ms,
      budget: request.max_output_tokens
    }).pipe(
      Effect.mapError(toStatus),
      (waiting) => Effect.raceFirst(Deferred.await(taken), waiting),
      Effect.ensuring(Effect.sync(() => {
        this.openWaits.delete(id)
        this.waits.end(id)
      }))
    )
    if (observation.outcome?.state === "Completed") {
      call.addHeader("codex-code-mode-result-buffered-for-ns", String(observation.outcome.bufferedNanos))
    }
    return answer(observation)
  })

  readonly cancelWait = Effect.fnUntraced(function*(this: HostedSession, { wait_id: id }: Service.CancelWaitRequest) {
    yield* checkId("wait ID", id)
    const wait = this.openWaits.get(id)
    if (wait !== undefined) {
      Deferred.doneUnsafe(wait, Effect.fail(cancelled))
    } else if (!this.waits.has(id)) {
      this.cancelledWaits.set(id, true)
    }
    return {}
  })

  readonly yieldObservation = Effect.fnUntraced(
    function*(this: HostedSession, request: Service.YieldObservationRequest) {
      if (request.execution_id !== undefined) {
        yield* checkId("execution ID", request.execution_id)
        yield* this.executions.requestYield(request.execution_id)
      } else if (request.wait_id !== undefined) {
        yield* checkId("wait ID", request.wait_id)
        yield* this.waits.requestYield(request.wait_id)
      } else {
        return yield* invalid("missing code-mode observation ID")
      }
      return {}
    }
  )

  readonly terminate = Effect.fnUntraced(function*(this: HostedSession, request: Service.TerminateRequest) {
    yield* checkId("cell ID", request.cell_id)
    const observation = new Observation(this.clock)
    yield* Effect.mapError(
      this.session.terminate(observation, { cellId: request.cell_id, budget: request.max_output_tokens }),
      toStatus
    )
    return answer(observation)
  })

  // ---------------------------------------------------------------------------
  // Tool calls
  // ---------------------------------------------------------------------------

  readonly subscribe = Effect.fnUntraced(
    function*(this: HostedSession, { tool_names }: Service.SubscribeToToolCallsRequest, call: Call) {
      if (tool_names.length > maxFilters) {
        return yield* invalid(`code-mode tool subscription exceeds ${maxFilters} filters`)
      }
      yield* Effect.forEach(tool_names, checkName, { discard: true })
      const subscription = this.calls.subscribe(tool_names)
      if (subscription === undefined) {
        return yield* status("RESOURCE_EXHAUSTED", "code-mode session has too many tool subscriptions")
      }
      // Calls that nobody will answer end the session: its client is not what it was.
      yield* Effect.addFinalizer(() =>
        this.calls.unsubscribe(subscription)
          ? Effect.asVoid(Effect.forkDetach(this.close, { startImmediately: true }))
          : Effect.void
      )
      yield* call.begin
      return subscription.calls.stream
    }
  )

  readonly complete = Effect.fnUntraced(function*(this: HostedSession, request: Service.CompleteToolCallRequest) {
    const id = yield* checkUuid("tool invocation ID", request.invocation_id)
    const { failed, succeeded } = request
    if (failed === undefined && succeeded === undefined) {
      return yield* invalid("tool completion is missing its outcome")
    }
    const result = succeeded === undefined
      ? Effect.fail(new ToolError({ text: failed!.message }))
      : Effect.succeed(yield* parseJson("code-mode tool output JSON", succeeded.output_json))
    if (!this.calls.complete(id, result)) {
      return yield* status("NOT_FOUND", `unknown code-mode tool invocation ${request.invocation_id}`)
    }
    return {}
  })
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
    return yield* invalid("unknown code-mode output truncation mode")
  }
  const maxPending = request.max_pending_delegate_calls
  if (maxPending === 0) {
    return yield* invalid("callback capacity must be positive")
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
  }).pipe(Effect.mapError(toStatus))
  events.offer({ opened: { session_id: id, output_truncation: truncates ? mode : 0 } })
  return new HostedSession(id, yield* Clock.Clock, session, events, calls)
})
