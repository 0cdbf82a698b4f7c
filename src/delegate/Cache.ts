/**
 * Results that are given again, and calls that share one.
 *
 * **Details**
 *
 * A call that may have an effect makes what is known stale: it is forgotten when the call begins, and again when it ends,
 * and what was asked before or meanwhile is not kept.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import { attempt } from "../data/Attempt.ts"
import { Remembered } from "../data/Remembered.ts"
import * as Shared from "../data/Shared.ts"
import type { NestedToolCall, ToolDefinition, ToolError } from "../Protocol.ts"
import * as Monotonic from "../system/Monotonic.ts"
import { isList, isObject } from "../text/JsonValue.ts"
import * as Utf8 from "../text/Utf8.ts"
import * as Owner from "./Owner.ts"
import { isRepeatable, type Shape, withInvoke } from "./Shape.ts"

export interface Options {
  readonly timeToLive?: Duration.Input | undefined
  readonly maxEntries?: number | undefined
  readonly maxBytes?: number | undefined
  readonly of?: "session" | "all" | undefined
  readonly isKept?: ((tool: ToolDefinition) => boolean) | undefined
}

/** A result, for so long. */
interface Entry {
  readonly value: Schema.Json
  readonly until: number
  readonly bytes: number
}

/** JSON in one way of writing it. Some is nested too deep to be written. */
const canonical = (value: Schema.Json): string =>
  isList(value)
    ? `[${value.map(canonical).join()}]`
    : isObject(value)
    ? `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`).join()}}`
    : JSON.stringify(value)

/** Whether a result may stand for that of another call, unless something else is said. */
const isSafe = (tool: ToolDefinition): boolean => isRepeatable(tool) && tool.annotations?.needsApproval !== true

/** What calls have in common that may share a result. */
const keyOf = ({ input, tool }: NestedToolCall): string | undefined =>
  attempt(() => `${JSON.stringify(tool)} ${input === undefined ? "" : canonical(input)}`)

/** What is known, and what is being asked. */
class Results {
  readonly asking = new Map<string, Effect.Effect<Schema.Json, ToolError>>()
  private known: Remembered<string, Entry>
  private readonly fresh: () => Remembered<string, Entry>
  /** How often everything was forgotten. */
  age = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.fresh = () => new Remembered(maxEntries, { max: maxBytes, of: ({ bytes }) => bytes })
    this.known = this.fresh()
  }

  /** Asks once for all who ask for the same until there is an answer. */
  share(
    key: string,
    ask: Effect.Effect<Schema.Json, ToolError>,
    fork: Shared.Fork
  ): Effect.Effect<Schema.Json, ToolError> {
    const asking = Shared.make(
      Effect.onExit(ask, () =>
        Effect.sync(() => {
          if (this.asking.get(key) === asking) {
            this.asking.delete(key)
          }
        })),
      fork
    )
    this.asking.set(key, asking)
    return asking
  }

  forget(): void {
    this.age++
    this.asking.clear()
    this.known = this.fresh()
  }

  get(key: string, now: number): Entry | undefined {
    const entry = this.known.get(key)
    if (entry !== undefined && entry.until <= now) {
      this.known.delete(key)
      return undefined
    }
    return entry
  }

  set(key: string, value: Schema.Json, until: number): void {
    const text = attempt(() => JSON.stringify(value))
    if (text !== undefined) {
      this.known.set(key, { value, until, bytes: Utf8.byteLength(text) + Utf8.byteLength(key) })
    }
  }
}

export const withCache = (self: Shape, options: Options = {}): Shape => {
  const { isKept = isSafe, maxBytes = 2 ** 24, maxEntries = 1000, of = "session" } = options
  const timeToLive = Duration.toMillis(options.timeToLive ?? "5 minutes")
  const perOwner = Owner.perOwner(() => new Results(maxEntries, maxBytes))
  const resolve = Owner.resolver()
  const everyone = {}

  return withInvoke(self, (call, definition) =>
    Effect.withFiber((fiber) => {
      const owner = of === "all" ? everyone : resolve(fiber.getRef(Owner.Owner), call).session
      const results = perOwner(owner)
      const clock = fiber.getRef(Clock.Clock)
      const hasEffect = definition?.annotations?.readOnly !== true
      const key = definition === undefined || !isKept(definition) ? undefined : keyOf(call)
      const known = key === undefined ? undefined : results.get(key, Monotonic.millisUnsafe(clock))
      if (known !== undefined) {
        return Effect.succeed(known.value)
      }
      const asked = key === undefined ? undefined : results.asking.get(key)
      if (asked !== undefined) {
        return asked
      }
      if (hasEffect) {
        results.forget()
      }
      const { age } = results
      const ended = (exit: Exit.Exit<Schema.Json, ToolError>) => {
        const isCurrent = results.age === age
        if (hasEffect) {
          results.forget()
        }
        if (key !== undefined && isCurrent && Exit.isSuccess(exit)) {
          results.set(key, exit.value, Monotonic.millisUnsafe(clock) + timeToLive)
        }
      }
      const asking = Effect.onExit(self.invokeTool(call), (exit) => Effect.sync(() => ended(exit)))
      return key === undefined ? asking : results.share(key, Effect.scoped(asking), Effect.runForkWith(fiber.context))
    }))
}
