/**
 * `codex.code_mode.v1`, whose sessions belong to the host, and not to the connection over which they were opened.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Isolate } from "../../Isolate.ts"
import * as ProcessMetrics from "../../system/ProcessMetrics.ts"
import * as Calls from "../../wire/grpc/Calls.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { status } from "../../wire/grpc/Status.ts"
import type { SharedByClients } from "../../wire/Serving.ts"
import * as HostedSession from "./HostedSession.ts"
import * as Refusal from "./Refusal.ts"

type Session = HostedSession.HostedSession

/** Makes the methods of a host. */
export const make = (host: SharedByClients): Calls.Methods<Isolate> => {
  const sessions = new Map<string, Session>()

  const find = (id: string) => sessions.get(id) ?? sessions.get(id.toLowerCase())

  const noSession = (id: string) =>
    Refusal.ofUuid("session ID", id) ?? status("NOT_FOUND", `unknown code-mode session ${id}`)

  /** Does with a session what is asked of it. */
  const of =
    <A extends { readonly session_id: string }, B>(run: (session: Session, request: A, call: Calls.Call) => B) =>
    (request: A, call: Calls.Call) => {
      const session = find(request.session_id)
      return session === undefined ? Effect.fail(noSession(request.session_id)) : run(session, request, call)
    }

  /** The same at once: `run` gives what is wrong, if something is. */
  const atOnce =
    <A extends { readonly session_id: string }, B>(run: (session: Session, request: A) => B) => (request: A) => {
      const session = find(request.session_id)
      return session === undefined ? noSession(request.session_id) : run(session, request)
    }

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
    ).pipe(Effect.map(({ told }) =>
      told
    ))

  return new Map(
    Object.entries<Calls.Method<Isolate>>({
      OpenSession: Calls.feed(Service.OpenSessionRequest, Service.SessionEvent, open),
      CloseSession: Calls.unary(
        Service.CloseSessionRequest,
        Service.Empty,
        of((session) => Effect.as(close(session), {}))
      ),
      SubscribeToToolCalls: Calls.feed(
        Service.SubscribeToToolCallsRequest,
        Service.ToolCall,
        of((session, request, call) => session.subscribe(request, call))
      ),
      CompleteToolCall: Calls.acknowledged(
        Service.CompleteToolCallRequest,
        Service.Empty,
        atOnce((session, request) => session.complete(request))
      ),
      // A notification is delivered once it was sent.
      AcknowledgeNotification: Calls.acknowledged(
        Service.AcknowledgeNotificationRequest,
        Service.Empty,
        atOnce((_session, { notification_id }) => Refusal.ofUuid("notification ID", notification_id))
      ),
      Execute: Calls.streaming(
        Service.ExecuteRequest,
        Service.ExecuteEvent,
        of((session, request) => session.execute(request))
      ),
      Wait: Calls.unary(
        Service.WaitRequest,
        Service.WaitResponse,
        of((session, request, call) => session.wait(request, call))
      ),
      YieldObservation: Calls.unary(
        Service.YieldObservationRequest,
        Service.Empty,
        of((session, request) => Effect.as(session.yieldObservation(request), {}))
      ),
      CancelWait: Calls.unary(
        Service.CancelWaitRequest,
        Service.Empty,
        of((session, request) => Effect.as(session.cancelWait(request), {}))
      ),
      Terminate: Calls.unary(
        Service.TerminateRequest,
        Service.WaitResponse,
        of((session, request) => session.terminate(request))
      ),
      GetProcessMetrics: Calls.unary(Service.Empty, Service.GetProcessMetricsResponse, () => ProcessMetrics.read)
    }).map(([name, method]) => [`/codex.code_mode.v1.CodeModeHost/${name}`, method])
  )
}
