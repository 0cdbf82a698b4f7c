/**
 * `--store FILE`: the store that a command looks into, and `--store-keys FILE` where it is encrypted.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import type * as Option from "effect/Option"
import * as PathFlag from "./PathFlag.ts"

export const keysFlag = PathFlag.make("store-keys").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription(
    "Encrypt what is kept with the first key of this file: a name and 32 bytes in base64 a line. Older keys follow"
  ),
  Flag.optional
)

export const flags = {
  store: PathFlag.make("store").pipe(Flag.withMetavar("FILE"), Flag.withDescription("The file that has the sessions")),
  storeKeys: keysFlag
}

export interface Flags {
  readonly store: string
  readonly storeKeys: Option.Option<string>
}
