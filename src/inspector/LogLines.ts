/**
 * What is logged, as lines of the page.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type * as Model from "./Model.ts"

const toText = (part: unknown): string => {
  if (typeof part === "string") {
    return part
  }
  try {
    return JSON.stringify(part) ?? String(part)
  } catch {
    return String(part)
  }
}

export const make = (model: Model.Model): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const { cellId, sessionId } = fiber.getRef(References.CurrentLogAnnotations)
    const parts = Array.isArray(message) ? message : [message]
    const said = parts.map(toText).join(" ")
    model.logged({
      at: date.getTime(),
      level: logLevel,
      text: cause.reasons.length === 0 ? said : `${said}\n${Cause.pretty(cause)}`,
      ...(typeof sessionId === "string" ? { session: sessionId } : {}),
      ...(typeof cellId === "string" ? { cell: cellId } : {})
    })
  })
