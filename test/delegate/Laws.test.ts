import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import { type ToolAnnotations, ToolError } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { toolCall } from "../toolCall.ts"
import * as Noting from "./Noting.ts"

type Self = Delegate.Delegate["Service"]

const runs = (runs: number) => ({ arbitrary: { runs } })

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const listOf = <A>(item: Schema.Codec<A>, minimum: number, maximum: number) =>
  Schema.Array(item).check(Schema.isMinLength(minimum), Schema.isMaxLength(maximum))

// =============================================================================
// Which tools there are
// =============================================================================

const letters = ["a", "b", "c", "d", "e"] as const
const Letter = Schema.Literals(letters)

/** A delegate whose tools say whose they are. */
const named = (owner: string, names: ReadonlyArray<string>): Self =>
  Noting.make((call) => Effect.succeed(`${owner}: ${call.tool}`), {}, Array.from(new Set(names))).self

/** Everything there is to see of a delegate: its tools, and what becomes of a call of each name there could be. */
const shown = Effect.fnUntraced(function*(self: Self, universe: ReadonlyArray<string>) {
  const calls = yield* Effect.forEach(universe, (name) => Effect.exit(self.invokeTool(toolCall({ name }))))
  return {
    tools: self.tools.map(({ name }) => name),
    calls: calls.map((exit, index) => [universe[index], Exit.isSuccess(exit) ? exit.value : "refused"])
  }
})

const assertAlike = Effect.fnUntraced(function*(one: Self, other: Self, universe: ReadonlyArray<string>) {
  assert.deepStrictEqual(yield* shown(one, universe), yield* shown(other, universe))
})

const sets = { one: Schema.Array(Letter), two: Schema.Array(Letter), three: Schema.Array(Letter) }

/** The tools of three delegates, whose names do not clash. */
const delegates = ({ one, three, two }: Record<keyof typeof sets, ReadonlyArray<string>>) =>
  [
    named("one", one.map((name) => `x_${name}`)),
    named("two", two.map((name) => `y_${name}`)),
    named("three", three.map((name) => `z_${name}`))
  ] as const

const universe = ["x_", "y_", "z_"].flatMap((prefix) => letters.map((letter) => prefix + letter))

describe("the tools of delegates", () => {
  it.effect.prop(
    "filtered twice are those that are kept both times",
    { ...sets, more: Schema.Array(Letter) },
    (given) => {
      const self = named("one", given.one)
      const keeps = (names: ReadonlyArray<string>) => ({ name }: { readonly name: string }) => names.includes(name)
      return assertAlike(
        Delegate.filter(Delegate.filter(self, keeps(given.two)), keeps(given.more)),
        Delegate.filter(self, (tool) => keeps(given.two)(tool) && keeps(given.more)(tool)),
        letters
      )
    },
    runs(100)
  )

  it.effect.prop(
    "are the same filtered before they are merged and after",
    { ...sets, kept: Schema.Array(Letter) },
    (given) =>
      Effect.gen(function*() {
        const all = delegates(given)
        const keep = ({ name }: { readonly name: string }) => given.kept.some((letter) => name.endsWith(letter))
        yield* assertAlike(
          Delegate.filter(yield* Delegate.merge(...all), keep),
          yield* Delegate.merge(...all.map((self) => Delegate.filter(self, keep))),
          universe
        )
      }),
    runs(100)
  )

  it.effect.prop("are the same in whichever way three delegates are merged", sets, (given) =>
    Effect.gen(function*() {
      const [one, two, three] = delegates(given)
      const flat = yield* Delegate.merge(one, two, three)
      assert.deepStrictEqual(flat.tools, [...one.tools, ...two.tools, ...three.tools])
      yield* assertAlike(flat, yield* Delegate.merge(one, yield* Delegate.merge(two, three)), universe)
      yield* assertAlike(flat, yield* Delegate.merge(yield* Delegate.merge(one, two), three), universe)
    }), runs(100))

  it.effect.prop(
    "renamed twice have the last names, and are called by them",
    sets,
    ({ one, two }) =>
      Effect.gen(function*() {
        const self = named("one", one)
        const names = [...letters, ...letters.map((name) => `q${name}`), ...letters.map((name) => `pq${name}`)]
        const twice = yield* Delegate.rename(
          yield* Delegate.rename(self, ({ name }) => `q${name}`),
          ({ name }) => `p${name}`
        )
        const once = yield* Delegate.rename(self, ({ name }) => `pq${name}`)
        yield* assertAlike(
          Delegate.filter(twice, () => true),
          Delegate.filter(once, () => true),
          names
        )
        // A filter and new names go past each other.
        const keeps = (name: string) => two.some((letter) => name.endsWith(letter))
        yield* assertAlike(
          Delegate.filter(once, ({ name }) => keeps(name)),
          Delegate.filter(
            yield* Delegate.rename(Delegate.filter(self, ({ name }) => keeps(name)), ({ name }) => `pq${name}`),
            () => true
          ),
          names
        )
      }),
    runs(100)
  )
})

// =============================================================================
// How calls are made
// =============================================================================

const pause = (times: number) => Effect.forEach(Array.from({ length: times }), () => Effect.yieldNow, { discard: true })

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("withConcurrency", () => {
  const Call = Schema.Struct({
    tool: Schema.Literals(["a", "b"]),
    /** When it begins, how long it takes, and when it is interrupted: in steps of the scheduler. */
    after: int(0, 10),
    takes: int(0, 10),
    interruptedAfter: Schema.NullOr(int(0, 20)),
    fails: Schema.Boolean
  })

  it.effect.prop(
    "never runs more calls than it may, and gives every place back",
    { permits: int(1, 3), of: Schema.Literals(["tool", "all"]), calls: listOf(Call, 1, 12) },
    ({ calls, of, permits }) =>
      Effect.gen(function*() {
        const running = new Map<string, number>()
        const countOf = (tool: string) => of === "all" ? "" : tool
        let most = 0
        const { self } = Noting.make(({ input, tool }) => {
          const { fails, takes } = input as typeof Call.Type
          const key = countOf(tool)
          return Effect.acquireUseRelease(
            Effect.sync(() => {
              const now = (running.get(key) ?? 0) + 1
              running.set(key, now)
              most = Math.max(most, now)
            }),
            () =>
              Effect.andThen(pause(takes), fails ? Effect.fail(new ToolError({ text: "no" })) : Effect.succeed(null)),
            () => Effect.sync(() => running.set(key, running.get(key)! - 1))
          )
        })
        const bounded = Delegate.withConcurrency(self, permits, of)
        yield* Effect.forEach(calls, (call) =>
          Effect.gen(function*() {
            yield* pause(call.after)
            const fiber = yield* background(bounded.invokeTool(toolCall({ name: call.tool, input: call })))
            if (call.interruptedAfter !== null) {
              yield* pause(call.interruptedAfter)
              yield* Fiber.interrupt(fiber)
            }
            yield* Fiber.await(fiber)
          }), { concurrency: "unbounded", discard: true })
        assert.isAtMost(most, permits)
        assert.isTrue(Array.from(running.values()).every((count) => count === 0))
        // As many as may run do so at once.
        most = 0
        const probe = { tool: "a" as const, after: 0, takes: 1, interruptedAfter: null, fails: false }
        const probes = yield* Effect.forEach(
          Array.from({ length: permits }),
          () => background(bounded.invokeTool(toolCall({ name: "a", input: probe })))
        )
        assert.strictEqual(most, permits)
        yield* Fiber.joinAll(probes)
      }),
    runs(150)
  )
})

describe("withRetry", () => {
  const maybe = Schema.optionalKey(Schema.Boolean)

  it.effect.prop(
    "calls again what may be repeated until it succeeds, and nothing else",
    {
      annotations: Schema.Struct({ readOnly: maybe, idempotent: maybe, destructive: maybe }),
      failures: int(0, 5),
      times: int(0, 4)
    },
    ({ annotations, failures, times }) =>
      Effect.gen(function*() {
        let count = 0
        const { got, self } = Noting.make(
          () => ++count > failures ? Effect.succeed("done") : Effect.fail(new ToolError({ text: "down" })),
          annotations
        )
        const exit = yield* Effect.exit(
          Delegate.withRetry(self, Schedule.recurs(times)).invokeTool(toolCall({ name: "a" }))
        )
        const mayRepeat = annotations.readOnly === true || annotations.idempotent === true
        const attempts = mayRepeat ? Math.min(failures, times) + 1 : 1
        assert.deepStrictEqual(
          got.map(({ attempt }) => attempt),
          Array.from({ length: attempts }, (_, index) => index + 1)
        )
        assert.strictEqual(new Set(got.map(({ idempotencyKey }) => idempotencyKey)).size, 1)
        assert.strictEqual(Exit.isSuccess(exit), failures < attempts)
      }),
    runs(200)
  )
})

describe("a call through several combinators", () => {
  const Combinator = Schema.Literals([
    "concurrency",
    "concurrency of the tool",
    "timeout",
    "retry",
    "cache",
    "policy",
    "approval",
    "redaction"
  ])

  const around = (self: Self, combinator: typeof Combinator.Type): Effect.Effect<Self, never, Approver.Approver> => {
    switch (combinator) {
      case "concurrency":
        return Effect.succeed(Delegate.withConcurrency(self, 1))
      case "concurrency of the tool":
        return Effect.succeed(Delegate.withConcurrency(self, 1, "tool"))
      case "timeout":
        return Effect.succeed(Delegate.withTimeout(self, "1 minute"))
      case "retry":
        return Effect.succeed(Delegate.withRetry(self, Schedule.recurs(2)))
      case "cache":
        return Effect.succeed(Delegate.withCache(self))
      case "policy":
        return Delegate.withPolicy(self, () => "ask")
      case "approval":
        return Delegate.withApproval(self, () => true)
      case "redaction":
        return Effect.orDie(Delegate.withRedaction(self, []))
    }
  }

  it.effect.prop(
    "may be interrupted at any point, and leaves nothing taken, waiting or running",
    { combinators: listOf(Combinator, 1, 6), steps: int(0, 30), isShared: Schema.Boolean },
    ({ combinators, isShared, steps }) =>
      Effect.gen(function*() {
        let running = 0
        let waiting = 0
        const { self } = Noting.make(
          ({ input }) =>
            input === "probe" ? Effect.succeed("probed") : Effect.acquireUseRelease(
              Effect.sync(() => running++),
              () => Effect.andThen(pause(5), Effect.fail(new ToolError({ text: "down" }))),
              () => Effect.sync(() => running--)
            ),
          { readOnly: true }
        )
        const all = yield* Effect.reduce(combinators, () => self, around)
        const call = all.invokeTool(toolCall({ name: "a", input: 1 })).pipe(
          Effect.provideService(Delegate.ApprovalWait, {
            began: () => {
              waiting++
            },
            ended: () => {
              waiting--
            }
          })
        )
        const fiber = yield* background(call)
        const other = isShared ? yield* background(call) : fiber
        yield* pause(steps)
        yield* Fiber.interruptAll([fiber, other])
        assert.deepStrictEqual([running, waiting], [0, 0])
        // Another call finds everything free.
        const probe = yield* background(all.invokeTool(toolCall({ name: "a", input: "probe" })))
        yield* pause(60)
        assert.deepStrictEqual(probe.pollUnsafe(), Exit.succeed("probed"))
      }).pipe(Effect.provide(Approver.layerCallback(() => Effect.as(pause(3), Approver.approved())))),
    runs(300)
  )

  it.effect.prop(
    "is not made before each that asks has its answer, and not at all after a denial",
    { combinators: listOf(Combinator, 0, 5), isApproved: Schema.Boolean, isPolicy: Schema.Boolean },
    ({ combinators, isApproved, isPolicy }) =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const answer = yield* Deferred.make<Approver.Decision>()
        const { got, self } = Noting.make(undefined, { readOnly: true })
        const approver = Approver.layerCallback(() =>
          Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answer))
        )
        const all = yield* Effect.reduce(
          [...combinators, isPolicy ? "policy" as const : "approval" as const],
          () => self,
          around
        ).pipe(
          Effect.provide(approver)
        )
        const call = yield* background(all.invokeTool(toolCall({ name: "a" })))
        yield* Deferred.await(asked)
        yield* pause(20)
        assert.lengthOf(got, 0)
        yield* Deferred.succeed(answer, isApproved ? Approver.approved() : Approver.denied("no"))
        const exit = yield* Fiber.await(call)
        assert.strictEqual(Exit.isSuccess(exit), isApproved)
        assert.lengthOf(got, isApproved ? 1 : 0)
      }),
    runs(150)
  )
})

describe("withCache", () => {
  const Step = Schema.Union([
    Schema.Struct({ read: Schema.Literals(["x", "y"]) }),
    Schema.Struct({ write: Schema.Literals(["x", "y"]), value: int(0, 3), takes: int(0, 3) }),
    Schema.Struct({ pause: int(0, 3) })
  ])

  it.effect.prop(
    "is not to be noticed: what is read is never older than the last write before",
    { steps: listOf(Step, 1, 20) },
    ({ steps }) =>
      Effect.gen(function*() {
        const values = new Map<string, number>()
        const make = (name: string, annotations: ToolAnnotations, run: (input: any) => Effect.Effect<Schema.Json>) =>
          Noting.make(({ input }) => run(input), annotations, [name]).self
        const store = yield* Delegate.merge(
          make("read", { readOnly: true }, (key) => Effect.suspend(() => Effect.succeed(values.get(key) ?? null))),
          make("write", {}, ({ takes, value, write }) =>
            Effect.andThen(
              pause(takes),
              Effect.sync(() => {
                values.set(write, value)
                return null
              })
            ))
        )
        const cached = Delegate.withCache(store)
        const writing: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const step of steps) {
          if ("read" in step) {
            const read = yield* cached.invokeTool(toolCall({ name: "read", input: step.read }))
            assert.strictEqual(read, values.get(step.read) ?? null)
          } else if ("write" in step) {
            writing.push(yield* background(cached.invokeTool(toolCall({ name: "write", input: step }))))
          } else {
            yield* pause(step.pause)
          }
        }
        yield* Fiber.joinAll(writing)
      }),
    runs(200)
  )
})
