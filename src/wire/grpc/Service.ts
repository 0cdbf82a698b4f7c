/**
 * The services of a host, as they are on the wire: `codex.code_mode.v1` and `grpc.health.v1`.
 *
 * @internal
 */
import {
  bytes,
  double,
  enumeration,
  message,
  nested,
  oneof,
  optional,
  repeated,
  string,
  type Type,
  uint32,
  uint64
} from "./Protobuf.ts"

// =============================================================================
// codex.code_mode.v1
// =============================================================================

export const Empty = message("Empty", {})

/** Who fits output into a budget of tokens: the host, or the client, which is also 0. */
export const OutputTruncation = { client: 1, host: 2 }

export const ToolKind = ["unspecified", "function", "freeform"] as const

export const ImageDetail = ["unspecified", "auto", "low", "high", "original"] as const

export const OpenSessionRequest = message("OpenSessionRequest", {
  cell_execution_limits: nested(
    1,
    message("SessionCellExecutionLimits", {
      max_yield_time_ms: optional(uint64(1)),
      max_heap_size_bytes: optional(uint64(2))
    })
  ),
  output_truncation: enumeration(2),
  max_pending_delegate_calls: optional(uint32(3))
})
export type OpenSessionRequest = Type<typeof OpenSessionRequest>

export const SessionEvent = message(
  "SessionEvent",
  oneof("event", {
    opened: nested(1, message("SessionOpened", { session_id: string(1), output_truncation: enumeration(2) })),
    tool_call_cancelled: nested(2, message("ToolCallCancelled", { invocation_id: string(1) })),
    notification: nested(
      3,
      message("Notification", {
        notification_id: string(1),
        execution_id: string(2),
        cell_id: string(3),
        call_id: string(4),
        text: string(5)
      })
    ),
    notification_cancelled: nested(4, message("NotificationCancelled", { notification_id: string(1) })),
    cell_closed: nested(
      5,
      message("CellClosed", { execution_id: string(1), cell_id: string(2), final_tool_call_sequence: uint64(3) })
    )
  })
)
export type SessionEvent = Type<typeof SessionEvent>

export const CloseSessionRequest = message("CloseSessionRequest", { session_id: string(1) })
export type CloseSessionRequest = Type<typeof CloseSessionRequest>

const ToolName = message("ToolName", { name: string(1), namespace: optional(string(2)) })
export type ToolName = Type<typeof ToolName>

export const SubscribeToToolCallsRequest = message("SubscribeToToolCallsRequest", {
  session_id: string(1),
  tool_names: repeated(2, ToolName)
})
export type SubscribeToToolCallsRequest = Type<typeof SubscribeToToolCallsRequest>

export const ToolCall = message("ToolCall", {
  session_id: string(1),
  execution_id: string(2),
  cell_id: string(3),
  invocation_id: string(4),
  runtime_tool_call_id: string(5),
  tool_name: nested(6, ToolName),
  tool_kind: enumeration(7),
  input_json: optional(bytes(8)),
  sequence: uint64(9)
})
export type ToolCall = Type<typeof ToolCall>

export const CompleteToolCallRequest = message("CompleteToolCallRequest", {
  session_id: string(1),
  invocation_id: string(2),
  ...oneof("outcome", {
    succeeded: nested(3, message("ToolCallSucceeded", { output_json: bytes(1) })),
    failed: nested(4, message("ToolCallFailed", { message: string(1) }))
  })
})
export type CompleteToolCallRequest = Type<typeof CompleteToolCallRequest>

export const AcknowledgeNotificationRequest = message("AcknowledgeNotificationRequest", {
  session_id: string(1),
  notification_id: string(2)
})
export type AcknowledgeNotificationRequest = Type<typeof AcknowledgeNotificationRequest>

const ToolDefinition = message("ToolDefinition", {
  name: string(1),
  tool_name: nested(2, ToolName),
  description: string(3),
  kind: enumeration(4),
  input_schema_json: optional(bytes(5)),
  output_schema_json: optional(bytes(6))
})
export type ToolDefinition = Type<typeof ToolDefinition>

export const ExecuteRequest = message("ExecuteRequest", {
  session_id: string(1),
  execution_id: string(2),
  tool_call_id: string(3),
  source: string(4),
  enabled_tools: repeated(5, ToolDefinition),
  yield_time_ms: optional(uint64(6)),
  max_output_tokens: optional(uint64(7))
})
export type ExecuteRequest = Type<typeof ExecuteRequest>

const ContentItem = message(
  "ContentItem",
  oneof("item", {
    text: nested(1, message("TextContent", { text: string(1) })),
    image: nested(2, message("ImageContent", { image_url: string(1), detail: optional(enumeration(2)) })),
    audio: nested(3, message("AudioContent", { audio_url: string(1) }))
  })
)

const ExecutionOutcome = message("ExecutionOutcome", {
  cell_id: string(1),
  content_items: repeated(2, ContentItem),
  ...oneof("outcome", {
    yielded: nested(3, Empty),
    terminated: nested(4, Empty),
    completed: nested(5, message("ExecutionCompleted", { error_text: optional(string(1)) }))
  }),
  code_mode_host_duration_ns: optional(uint64(6))
})
export type ExecutionOutcome = Type<typeof ExecutionOutcome>

export const ExecuteEvent = message(
  "ExecuteEvent",
  oneof("event", {
    started: nested(1, message("ExecutionStarted", { execution_id: string(1), cell_id: string(2) })),
    outcome: nested(2, ExecutionOutcome)
  })
)
export type ExecuteEvent = Type<typeof ExecuteEvent>

export const WaitRequest = message("WaitRequest", {
  session_id: string(1),
  cell_id: string(2),
  wait_id: string(3),
  yield_time_ms: uint64(4),
  max_output_tokens: optional(uint64(5))
})
export type WaitRequest = Type<typeof WaitRequest>

export const WaitResponse = message(
  "WaitResponse",
  oneof("state", { live_cell: nested(1, ExecutionOutcome), missing_cell: nested(2, ExecutionOutcome) })
)
export type WaitResponse = Type<typeof WaitResponse>

export const YieldObservationRequest = message("YieldObservationRequest", {
  session_id: string(1),
  ...oneof("observation", { execution_id: string(2), wait_id: string(3) })
})
export type YieldObservationRequest = Type<typeof YieldObservationRequest>

export const CancelWaitRequest = message("CancelWaitRequest", { session_id: string(1), wait_id: string(2) })
export type CancelWaitRequest = Type<typeof CancelWaitRequest>

export const TerminateRequest = message("TerminateRequest", {
  session_id: string(1),
  cell_id: string(2),
  max_output_tokens: optional(uint64(3))
})
export type TerminateRequest = Type<typeof TerminateRequest>

export const GetProcessMetricsResponse = message("GetProcessMetricsResponse", {
  process_id: uint32(1),
  process_start_time_seconds: double(2),
  cpu_seconds_total: double(3),
  resident_memory_bytes: uint64(4)
})

// =============================================================================
// grpc.health.v1
// =============================================================================

export const HealthCheckRequest = message("HealthCheckRequest", { service: string(1) })

export const HealthStatus = { serving: 1, unknown: 3 }

export const HealthCheckResponse = message("HealthCheckResponse", { status: enumeration(1) })
