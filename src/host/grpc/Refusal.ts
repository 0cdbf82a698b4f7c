/**
 * What is wrong with the fields of a request, and what becomes of the failures of a session.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { AlreadyTerminating, BusyObserver, IdempotencyConflict, MissingCell } from "../../Protocol.ts"
import type { CreateError } from "../../Runtime.ts"
import * as Utf8 from "../../text/Utf8.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"

const maxIdBytes = 256
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const invalid = (text: string) => Effect.fail(status("INVALID_ARGUMENT", text))

export const checkId = (what: string, id: string): Effect.Effect<void, Status> =>
  id === ""
    ? invalid(`code-mode ${what} must not be empty`)
    : Utf8.byteLength(id) > maxIdBytes
    ? invalid(`code-mode ${what} exceeds ${maxIdBytes} bytes`)
    : Effect.void

/** Gives it as hosts write it. */
export const checkUuid = (what: string, id: string): Effect.Effect<string, Status> =>
  Effect.andThen(
    checkId(what, id),
    uuid.test(id) ? Effect.succeed(id.toLowerCase()) : invalid(`code-mode ${what} must be a UUID`)
  )

/** JSON in a field of bytes. */
export const parseJson = (what: string, bytes: Uint8Array): Effect.Effect<Schema.Json, Status> =>
  Effect.try({
    try: () => JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
    catch: (error) => status("INVALID_ARGUMENT", `invalid ${what}: ${(error as Error).message}`)
  })

const codes = {
  AlreadyTerminating: "FAILED_PRECONDITION",
  BusyObserver: "FAILED_PRECONDITION",
  CapacityExceeded: "RESOURCE_EXHAUSTED",
  IdempotencyConflict: "INTERNAL",
  IsolateFailure: "INTERNAL",
  MissingCell: "NOT_FOUND",
  ShuttingDown: "UNAVAILABLE",
  WrongCellKind: "INTERNAL"
} as const

export const toStatus = (
  error: CreateError | AlreadyTerminating | BusyObserver | IdempotencyConflict | MissingCell
): Status => status(codes[error._tag], error.message)
