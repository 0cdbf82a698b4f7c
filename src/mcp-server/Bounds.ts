/**
 * What a client of the MCP server may make us hold, and how long it may make us wait.
 *
 * @internal
 */

/** The longest message of a client, in bytes: a line, or the body of a request over HTTP. */
export const maxMessageBytes = 16 * 1024 * 1024

/** How many requests of a connection may be in flight. Another one is refused. */
export const maxRequests = 256

/** How long a call may take, unless the options say otherwise: most clients give up after a minute. */
export const maxWait = "50 seconds"

/** How much of the input is read while a message waits, in chunks. */
export const maxChunksAhead = 16

/** How long requests in flight may go on after the end of the input. */
export const drain = "1 second"

/** How long what was written may take to be read, once everything else is over. */
export const farewell = "250 millis"

/** How many logs of servers and steps of calls may be on their way to a client. Further ones are lost. */
export const maxAside = 64

/** How much of the arguments of a call is shown to the one who is to approve it, in characters. */
export const maxShownInput = 2000

/** How many servers are named to a client. */
export const maxNamed = 50

/** How long the declarations may be that `search` answers with, in characters. Other tools are a line each. */
export const maxFound = 20_000

/** How many resources of servers are passed on, and how many templates; and how long a server may take to list them. */
export const maxResources = 5000
export const listing = "20 seconds"

// =============================================================================
// HTTP
// =============================================================================

/** How many sessions there may be. Another client is refused. */
export const maxSessions = 64

/** How long a session may have nothing open before it is ended. */
export const maxIdle = "30 minutes"

/** How many messages wait in a stream that is not read, or for a stream. */
export const maxUnread = 64

/** How often a stream says that it is there: proxies and clients give up what is silent. */
export const keepAlive = "15 seconds"
