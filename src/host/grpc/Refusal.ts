/**
 * What is wrong with the fields of a request, and what becomes of the failures of a session.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { isUtf8 } from "node:buffer"
import type { AlreadyTerminating, BusyObserver, IdempotencyConflict, MissingCell } from "../../Protocol.ts"
import type { CreateError } from "../../Runtime.ts"
import * as Utf8 from "../../text/Utf8.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"

const maxIdBytes = 256
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const invalid = (text: string): Status => status("INVALID_ARGUMENT", text)

/** Fails with what is wrong, if something is. */
export const unlessFine = (problem: Status | undefined): Effect.Effect<void, Status> =>
  problem === undefined ? Effect.void : Effect.fail(problem)

export const ofId = (what: string, id: string): Status | undefined =>
  id === ""
    ? invalid(`code-mode ${what} must not be empty`)
    : Utf8.byteLength(id) > maxIdBytes
    ? invalid(`code-mode ${what} exceeds ${maxIdBytes} bytes`)
    : undefined

export const ofUuid = (what: string, id: string): Status | undefined =>
  uuid.test(id) ? undefined : ofId(what, id) ?? invalid(`code-mode ${what} must be a UUID`)

/** The JSON in a field of bytes. */
export const parseJson = (what: string, bytes: Uint8Array): Result.Result<Schema.Json, Status> =>
  isUtf8(bytes)
    ? Result.try({
      try: () => JSON.parse(Utf8.view(bytes).toString()),
      catch: (error) => invalid(`invalid ${what}: ${(error as Error).message}`)
    })
    : Result.fail(invalid(`invalid ${what}: it is not UTF-8`))

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
