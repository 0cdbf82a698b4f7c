/** What a host makes of requests that are well formed, and make sense or not. */
import { assert, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Remote from "effect-code-mode/Remote"
import * as Rpcs from "effect-code-mode/remote/Rpcs"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type Dice, makeDice } from "../host/Dice.ts"
import * as BuiltHost from "./BuiltHost.ts"

const sources = [
  "text(1)",
  "throw 1",
  "while (true) {}",
  "await new Promise(() => {})",
  "text(1); yield_control(); store('k', 1); text(2)",
  "notify('n'); await tools.no()",
  "for (let i = 0; i < 2000; i++) text('line ' + i)"
]

/** A request about sessions, cells and tickets that may or may not be there. */
const anyRequest = (
  { below, chance, pick }: Dice,
  { rpc }: Effect.Success<Remote.Connection["Service"]>,
  cells: ReadonlyArray<Protocol.CellId>
): Effect.Effect<unknown, unknown> => {
  const session = pick([1, 2, 3])
  const cellId = pick([Protocol.CellId.make("unknown"), ...cells])
  const ticket = below(100)
  return pick<Effect.Effect<unknown, unknown>>([
    Stream.runDrain(rpc.Open({ session, version: pick([1, 1, 7]), tools: [] })),
    rpc.Create({
      session,
      kind: pick(["continuing", "pausable"]),
      request: {
        callId: "c",
        source: pick(sources),
        ...(chance(0.5) ? { idempotencyKey: pick(["a", "b"]) } : {})
      }
    }),
    rpc.Observe({
      session,
      cellId,
      ticket,
      yieldAfter: pick([Duration.zero, Duration.millis(5), Duration.infinity]),
      ...(chance(0.3) ? { idempotencyKey: "o" } : {})
    }),
    rpc.AwaitFrontier({ session, cellId, ticket }),
    rpc.Terminate({ session, cellId, ticket }),
    rpc.Received({ session, ticket, heard: chance(0.5) }),
    rpc.Received({ session, ticket, heard: chance(0.5) }),
    rpc.Resume({ session, cellId, generation: Protocol.Generation.make(below(3)) }),
    rpc.YieldNow({ session, cellId }),
    rpc.Find({ session, cellId, kind: "pausable" }),
    rpc.Cells({ session }),
    rpc.AwaitSettled({ session, cellId }),
    rpc.StoredValues({ session }),
    Stream.runDrain(rpc.Output({ session, cellId })),
    ...(chance(0.1) ? [rpc.Shutdown({ session })] : [])
  ])
}

it.live("a host survives requests in any order", () =>
  Effect.gen(function*() {
    const { child, ended, path } = yield* BuiltHost.listenSomewhere()
    const connect = Layer.build(Layer.fresh(Remote.layerUnix(path)))
    const steady = yield* Effect.flatMap(connect, (connection) =>
      Effect.provideContext(
        Remote.make(),
        Context.merge(
          connection,
          Context.make(Delegate.Delegate, {
            tools: [],
            invokeTool: () => Effect.never,
            notify: () => Effect.void
          })
        )
      ))
    for (let seed = 1; seed <= 6; seed++) {
      yield* Effect.gen(function*() {
        const dice = makeDice(seed)
        const connection = yield* Context.get(yield* connect, Remote.Connection)
        const cells: Array<Protocol.CellId> = []
        yield* Effect.forkScoped(
          Stream.runForEach(connection.rpc.Open({ session: 1, version: Rpcs.version, tools: [] }), (event) =>
            Effect.sync(() => event._tag === "Admitted" && cells.push(event.cellId)))
        )
        const asked: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let count = 0; count < 200; count++) {
          asked.push(
            yield* Effect.forkScoped(Effect.exit(anyRequest(dice, connection, cells)), { startImmediately: true })
          )
          if (dice.chance(0.2)) {
            yield* Fiber.interrupt(dice.pick(asked))
          }
          if (dice.chance(0.1)) {
            yield* Effect.exit(connection.rpc.Cells({ session: 1 }))
          }
        }
      }).pipe(Effect.scoped)
      const { initial } = yield* steady.execute({ callId: "c", source: "text('alive')" })
      assert.deepInclude(yield* initial, { items: [{ type: "input_text", text: "alive" }] }, `seed ${seed}`)
    }
    assert.lengthOf(yield* steady.cells, 0)
    child.kill("SIGTERM")
    const { status, stderr } = yield* ended
    assert.strictEqual(status, 0)
    assert.strictEqual(stderr, "")
  }).pipe(Effect.timeout("60 seconds")), 70_000)
