/**
 * What an MCP server may make us hold, and how long it may make us wait.
 *
 * @internal
 */
import * as JsonText from "../text/JsonText.ts"

// =============================================================================
// Messages
// =============================================================================

/** The longest message from a server, in bytes: a line, the body of an answer over HTTP, an event. */
export const maxMessageBytes = 64 * 1024 * 1024

/** How much of a line that is too long is skipped, in bytes, before the server is given up. */
export const maxSkippedBytes = 1024 * 1024 * 1024

/** How much may wait for a server that does not read, in bytes. A call beyond that fails. */
export const maxQueuedBytes = 64 * 1024 * 1024

/** How much of our answers to a server's own requests may wait for it, in bytes. Others are not sent, with a warning. */
export const maxQueuedReplyBytes = 1024 * 1024

/** How many of a server's own requests are answered at a time, and how many are refused. Others are only warned of. */
export const maxServerRequests = 64

/** The deepest nesting of a result, as of every value of a cell. */
export const maxResultDepth = JsonText.maxDepth

/** The longest text of an error, in characters, and the longest excerpt of something that is not a message. */
export const maxErrorText = 16_384
export const maxExcerpt = 300

/** How much of what a server wrote that was not for us is kept, in characters. */
export const maxLastWords = 4096

// =============================================================================
// Listings
// =============================================================================

/** How many pages of a listing are asked for. What came until then is used. */
export const maxPages = 1000

/** The most tools that a server may list. One with more cannot be used. */
export const maxTools = 10_000

/** The most that the definitions of a server's tools may take together, as JSON, in characters. */
export const maxListingLength = 64 * 1024 * 1024

/** The deepest schema, and the one with most values within it. A tool with more than that is listed without the schema. */
export const maxSchemaDepth = 100
export const maxSchemaNodes = 50_000

/** The longest name of a tool, in characters. A tool with a longer one is left out. */
export const maxNameLength = 512

/** The longest description of a tool, in characters. What is longer is cut. */
export const maxDescriptionLength = 100_000

// =============================================================================
// Time
// =============================================================================

/** How long a server may take from its start to its list of tools. `npx` may have to download it first. */
export const startTimeout = "60 seconds"

/** How long a call still waits for its answer when something came that looks like it, but cannot be attributed. */
export const grace = "2 seconds"

/** How long a call waits for an answer on the stream for everything else, when its own request was answered with nothing. */
export const answerElsewhere = "10 seconds"

/** How long a stream that was taken up again may say nothing. */
export const maxSilence = "1 minute"

/** How often a stream that broke off without a new event is taken up again. */
export const maxResumptions = 3

/** The pause between two listings of tools that a server says have changed. */
export const betweenListings = "1 second"

/** The shortest and the longest pause before a broken stream is taken up again, in milliseconds. */
export const minRetry = 10
export const maxRetry = 30_000

/** How long the server may take to hear that a call is cancelled, or the session over. */
export const farewell = "500 millis"

/** The pause before a server that died is started again, in milliseconds: doubled each time, up to the longest. */
export const minRestart = 250
export const maxRestart = 30_000

/** How long a server has to have lived to be started again at once. */
export const provenAfter = 60_000
