/**
 * A PostgreSQL for tests: in a folder of its own, at a socket in it, and gone when this process is, however it ends.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { accessSync, constants, readdirSync } from "node:fs"
import { Socket } from "node:net"
import { delimiter, join } from "node:path"

/** Where its programs are. Debian does not put them on the path. */
const folders = () => {
  const debian = "/usr/lib/postgresql"
  const versions = (() => {
    try {
      return readdirSync(debian).sort((one, other) => Number(other) - Number(one))
    } catch {
      return []
    }
  })()
  return [...versions.map((version) => join(debian, version, "bin")), ...(process.env.PATH ?? "").split(delimiter)]
}

const programs = folders().find((folder) => {
  try {
    accessSync(join(folder, "initdb"), constants.X_OK)
    return true
  } catch {
    return false
  }
})

/** What is said of the tests that are left out. */
export const missing = programs === undefined ? "no PostgreSQL on this machine (apt-get install postgresql)" : undefined

// It ends when its standard input does, which is when the process that has started it is gone. PostgreSQL refuses to be run
// by root.
const script = `
  folder=$(mktemp -d) || exit 1
  as=
  if [ "$(id -u)" = 0 ]; then
    chown nobody "$folder"
    as="setpriv --reuid=nobody --regid=$(id -g nobody) --clear-groups"
  fi
  cd "$folder"
  $as "$1/initdb" -D data -U tests -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
  $as "$1/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200 >log 2>&1 &
  postgres=$!
  trap 'kill -INT $postgres; wait $postgres; cd /; rm -rf "$folder"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  until "$1/pg_isready" -q -h "$folder"; do
    kill -0 $postgres || { cat log >&2; exit 1; }
    sleep 0.05
  done
  echo "$folder/.s.PGSQL.5432"
  cat >/dev/null
`

let started: Promise<string> | undefined

/** The path of its socket. It is started once for all tests of a process. */
export const socket = Effect.promise(() =>
  started ??= new Promise<string>((resolve, reject) => {
    // A signal to the terminal's processes does not reach it, so that it ends in order.
    const keeper = spawn("sh", ["-c", script, "sh", programs ?? ""], { stdio: "pipe", detached: true })
    let said = ""
    let complaint = ""
    keeper.stdout.setEncoding("utf8").on("data", (text) => {
      said += text
      if (said.endsWith("\n")) {
        resolve(said.trim())
        // It does not keep this process.
        keeper.unref()
        for (const stream of [keeper.stdin, keeper.stdout, keeper.stderr]) {
          if (stream instanceof Socket) {
            stream.unref()
          }
        }
      }
    })
    keeper.stderr.setEncoding("utf8").on("data", (text) => {
      complaint += text
    })
    keeper.on("error", reject).on("exit", () => reject(new Error(`PostgreSQL did not start: ${complaint}`)))
  })
)

let databases = 0

/** A client of a database of its own. */
export const fresh = Effect.gen(function*() {
  const path = yield* socket
  const database = `fresh_${process.pid}_${++databases}`
  yield* Effect.provide(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(`CREATE DATABASE ${database}`)),
    clientOf(path),
    { local: true }
  )
  return clientOf(path, { database })
})

/** A client of the database that has the socket. */
export const clientOf = (path: string, options?: PgClient.PgPoolConfig) =>
  PgClient.layer({ path, username: "tests", database: "postgres", ...options })
