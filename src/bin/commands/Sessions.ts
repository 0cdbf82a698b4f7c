/**
 * `effect-code-mode sessions`: what a store has, and what can be done with it.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DurationFlag from "./DurationFlag.ts"
import * as StoreFlag from "./StoreFlag.ts"
import * as ToolFlags from "./ToolFlags.ts"

/** Other commands do without it. */
const load = Effect.promise(() => import("./KeptSessions.ts"))

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON objects, a line each, for programs"),
  Flag.withDefault(false)
)

const session = Argument.String("session").pipe(Argument.withDescription("The name of a session"))

const list = Command.make(
  "list",
  { ...StoreFlag.flags, json },
  (flags) => Effect.flatMap(load, ({ list }) => list(flags))
).pipe(Command.withDescription("Show the sessions of a store"))

const show = Command.make(
  "show",
  { session, ...StoreFlag.flags, json },
  (flags) => Effect.flatMap(load, ({ show }) => show(flags))
).pipe(Command.withDescription("Show the cells of a session, what came of their calls, and what is stored"))

const resume = Command.make(
  "resume",
  { session, ...StoreFlag.flags, json, ...ToolFlags.flags },
  (flags) => Effect.flatMap(Effect.promise(() => import("./Durable.ts")), ({ resume }) => resume(flags))
).pipe(Command.withDescription("Go on with the cells of a session, and show what they do"))

const remove = Command.make(
  "delete",
  { session: session.pipe(Argument.variadic({ min: 1 })), ...StoreFlag.flags },
  (flags) => Effect.flatMap(load, ({ remove }) => remove(flags))
).pipe(Command.withDescription("Delete sessions: their cells, and what they have stored"))

const time = (name: string, description: string) =>
  DurationFlag.make(name).pipe(Flag.withDescription(description), Flag.optional)

const prune = Command.make(
  "prune",
  {
    ...StoreFlag.flags,
    endedFor: time("ended-for", "Delete cells that have ended so long ago, and whose outcome was read (7d)"),
    unreadFor: time("unread-for", "Delete cells that have ended so long ago, and whose outcome was not read"),
    unusedFor: time("unused-for", "Delete sessions that have no live cells, and have not changed for so long")
  },
  ({ endedFor, unreadFor, unusedFor, ...flags }) =>
    Effect.flatMap(load, ({ prune }) =>
      prune(flags, {
        endedFor: Option.getOrUndefined(endedFor),
        unreadFor: Option.getOrUndefined(unreadFor),
        unusedFor: Option.getOrUndefined(unusedFor)
      }))
).pipe(Command.withDescription("Delete what is over, and was kept for long enough"))

export const command = Command.make("sessions").pipe(
  Command.withDescription("Look into a file of durable sessions, and go on with them"),
  Command.withSubcommands([list, show, resume, remove, prune])
)
