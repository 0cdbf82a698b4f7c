/**
 * The names under which a cell sees the tools of MCP servers: `mcp__SERVER__TOOL`.
 *
 * @internal
 */
import * as Identifier from "../text/Identifier.ts"

/** What is left of a name where only the characters of an identifier may stand. */
export const identifier = (name: string): string => name.replace(/[^A-Za-z0-9_$]/gu, "_")

/** The namespace of a server's tools. A tool's full name is this, followed by its own. */
export const namespace = (server: string): string => `mcp__${identifier(server)}__`

/** Tells names apart once only the characters of an identifier are left of them. */
export const distinct = (names: ReadonlyArray<string>): ReadonlyArray<string> => Identifier.distinct(names, identifier)
