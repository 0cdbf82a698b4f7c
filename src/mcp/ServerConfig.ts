/**
 * How an MCP server is reached.
 *
 * @internal
 */
import * as Schema from "effect/Schema"

const common = {
  name: Schema.optionalKey(Schema.String),
  secrets: Schema.optionalKey(Schema.Array(Schema.String)),
  timeout: Schema.optionalKey(Schema.Number),
  allowTools: Schema.optionalKey(Schema.Array(Schema.String)),
  denyTools: Schema.optionalKey(Schema.Array(Schema.String)),
  optional: Schema.optionalKey(Schema.Boolean)
}

/**
 * A server that is started as a child process. Of our environment it gets what a program needs to find its way (`PATH`,
 * `HOME` and the like), or all of it with `inheritEnv`, and `env` on top.
 *
 * **Details**
 *
 * These hold for every server: what `secrets` lists is left out of every error and warning about it. A call that takes
 * longer than `timeout`, in milliseconds, fails. Of its tools there are only those that one of the globs of `allowTools`
 * matches, where it is given, and none of `denyTools`; they match the names that the server gives. With `optional`, a
 * server that cannot be used is a warning.
 *
 * @category models
 * @since 0.1.0
 */
export const StdioServer = Schema.Struct({
  ...common,
  command: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.Array(Schema.String)),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  inheritEnv: Schema.optionalKey(Schema.Boolean),
  cwd: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type StdioServer = typeof StdioServer.Type

/**
 * A server that runs already, and is reached by streamable HTTP. `headers` go with every request. Their values and the
 * query of the address are left out of every error and warning about the server. The rest is as for `StdioServer`.
 *
 * @category models
 * @since 0.1.0
 */
export const HttpServer = Schema.Struct({
  ...common,
  url: Schema.String,
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

/**
 * @category models
 * @since 0.1.0
 */
export type HttpServer = typeof HttpServer.Type

/**
 * How a server is reached. Its tools are named after `name`, or without one after the name that the server gives itself.
 *
 * @category models
 * @since 0.1.0
 */
export const ServerConfig = Schema.Union([StdioServer, HttpServer])

/**
 * @category models
 * @since 0.1.0
 */
export type ServerConfig = typeof ServerConfig.Type
