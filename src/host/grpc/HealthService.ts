/**
 * `grpc.health.v1`: a host that answers is well.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Calls from "../../wire/grpc/Calls.ts"
import * as Service from "../../wire/grpc/Service.ts"
import { status } from "../../wire/grpc/Status.ts"

/** The host as a whole, and its one service. */
const services: ReadonlySet<string> = new Set(["", "codex.code_mode.v1.CodeModeHost"])

export const methods: Calls.Methods<never> = new Map([
  [
    "/grpc.health.v1.Health/Check",
    Calls.unary(
      Service.HealthCheckRequest,
      Service.HealthCheckResponse,
      ({ service }) =>
        services.has(service)
          ? Effect.succeed({ status: Service.HealthStatus.serving })
          : Effect.fail(status("NOT_FOUND", `unknown service ${service}`))
    )
  ],
  [
    "/grpc.health.v1.Health/Watch",
    Calls.streaming(
      Service.HealthCheckRequest,
      Service.HealthCheckResponse,
      ({ service }) =>
        Effect.succeed({
          giveTo: (take) =>
            Effect.andThen(
              take({ status: services.has(service) ? Service.HealthStatus.serving : Service.HealthStatus.unknown })
                ?? Effect.void,
              Effect.never
            )
        })
    )
  ]
])
