/**
 * What kind of JSON a value is. A value that was not parsed from JSON may be asked about, too.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"

export const isObject = (value: unknown): value is Schema.JsonObject => Predicate.isObject(value)

export const isList = (value: unknown): value is ReadonlyArray<Schema.Json> => Array.isArray(value)
