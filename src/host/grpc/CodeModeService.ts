/**
 * `codex.code_mode.v1`, whose sessions belong to the host, and not to the connection over which they were opened.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Isolate } from "../../Isolate.ts"
import * as ProcessMetrics from "../../system/ProcessMetrics.ts"
import * as Calls from "../../wire/grpc/Calls.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"
import type { SharedByClients } from "../../wire/Serving.ts"
import * as HostedSession from "./HostedSession.ts"
import { checkUuid } from "./Refusal.ts"

type Session = HostedSession.HostedSession

/** Makes the methods of a host. */
export const make = (host: SharedByClients): Calls.Methods<Isolate> => {
  const sessions = new Map<string, Session>()

  const find = ({ session_id }: { readonly session_id: string }): Effect.Effect<Session, Status> =>
    Effect.flatMap(checkUuid("session ID", session_id), (id) => {
      const session = sessions.get(id)
      return session === undefined
        ? Effect.fail(status("NOT_FOUND", `unknown code-mode session ${session_id}`))
        : Effect.succeed(session)
    })

  /** Ends the session, which no later request is to find. */
  const close = (session: Session) =>
    Effect.suspend(() => {
      sessions.delete(session.id)
      return session.close
    })

  const open = (request: Service.OpenSessionRequest, call: Calls.Call) =>
    Effect.acquireRelease(
      Effect.tap(HostedSession.open(host, request, call), (session) =>
        Effect.sync(() => sessions.set(session.id, session))),
      close
    ).pipe(
      Effect.map(({ stream }) =>
        stream
      ),
      Stream.unwrap
    )

  return new Map(
    Object.entries<Calls.Method<Isolate>>({
      OpenSession: Calls.streaming(Service.OpenSessionRequest, Service.SessionEvent, open),
      CloseSession: Calls.unary(
        Service.CloseSessionRequest,
        Service.Empty,
        (request) => Effect.flatMap(find(request), (session) => Effect.as(close(session), {}))
      ),
      SubscribeToToolCalls: Calls.streaming(
        Service.SubscribeToToolCallsRequest,
        Service.ToolCall,
        (request, call) => Stream.unwrap(Effect.flatMap(find(request), (session) => session.subscribe(request, call)))
      ),
      CompleteToolCall: Calls.unary(
        Service.CompleteToolCallRequest,
        Service.Empty,
        (request) => Effect.flatMap(find(request), (session) => session.complete(request))
      ),
      // A notification is delivered once it was sent.
      AcknowledgeNotification: Calls.unary(
        Service.AcknowledgeNotificationRequest,
        Service.Empty,
        (request) =>
          find(request).pipe(
            Effect.andThen(checkUuid("notification ID", request.notification_id)),
            Effect.as({})
          )
      ),
      Execute: Calls.streaming(
        Service.ExecuteRequest,
        Service.ExecuteEvent,
        (request) => Stream.unwrap(Effect.map(find(request), (session) => session.execute(request)))
      ),
      Wait: Calls.unary(
        Service.WaitRequest,
        Service.WaitResponse,
        (request, call) => Effect.flatMap(find(request), (session) => session.wait(request, call))
      ),
      YieldObservation: Calls.unary(
        Service.YieldObservationRequest,
        Service.Empty,
        (request) => Effect.flatMap(find(request), (session) => session.yieldObservation(request))
      ),
      CancelWait: Calls.unary(
        Service.CancelWaitRequest,
        Service.Empty,
        (request) => Effect.flatMap(find(request), (session) => session.cancelWait(request))
      ),
      Terminate: Calls.unary(
        Service.TerminateRequest,
        Service.WaitResponse,
        (request) => Effect.flatMap(find(request), (session) => session.terminate(request))
      ),
      GetProcessMetrics: Calls.unary(Service.Empty, Service.GetProcessMetricsResponse, () => ProcessMetrics.read)
    }).map(([name, method]) => [`/codex.code_mode.v1.CodeModeHost/${name}`, method])
  )
}
