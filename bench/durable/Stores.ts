/** The stores of the proof, by name: `sqlite:FILE` or `postgres:SOCKET`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Store from "../../dist/Store.js"

/** Loaded where it is needed: a host is to be there soon. */
const database = Effect.promise(() => import("../../test/postgres/Database.ts"))

/** Starts a database, and gives its name. It is gone with this process. */
export const postgres = (): Promise<string> =>
  Effect.runPromise(
    database.pipe(
      Effect.flatMap((Database) => Database.socket),
      Effect.map((socket) => `postgres:${socket}`)
    )
  )

const pathOf = (name: string) => name.slice(name.indexOf(":") + 1)

/** A client of the database of a store that has one. */
export const clientOf = (name: string) =>
  Layer.unwrap(Effect.map(database, (Database) => Database.clientOf(pathOf(name))))

export const layer = (name: string): Layer.Layer<Store.Store, unknown> => {
  return name.startsWith("sqlite:")
    ? Store.layerSqlite({ filename: pathOf(name), busyTimeout: "60 seconds" })
    : Store.layerPostgres().pipe(Layer.provide(clientOf(name)))
}
