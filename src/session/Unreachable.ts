/**
 * A cell in another process that is missing for a reason of its own.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { MissingCell } from "../Protocol.ts"

export class Unreachable extends MissingCell.extend<Unreachable>("effect-code-mode/session/Unreachable")({
  text: Schema.String
}) {
  override get message() {
    return this.text
  }
}
