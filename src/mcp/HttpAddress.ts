/**
 * Where an MCP server is reached by HTTP, and with which headers.
 *
 * @internal
 */
import * as JsonRpc from "./JsonRpc.ts"

/** An address as errors may show it: without what may be a secret. */
export const shown = (url: URL) => `${url.origin}${url.pathname}`

/** What a user and a password in an address stand for. */
export const credentials = ({ password, username }: URL): Record<string, string> =>
  username === "" && password === ""
    ? {}
    : {
      authorization: `Basic ${Buffer.from(`${unescaped(username)}:${unescaped(password)}`).toString("base64")}`
    }

/** Decodes what is encoded, and leaves what is not. */
const unescaped = (text: string) => new URLSearchParams(`text=${text.replaceAll("+", "%2B")}`).get("text")!

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** The value is not told: it may be a secret. */
export const checkHeaders = (headers: Readonly<Record<string, string>>): string | undefined => {
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name)) {
      return `${JSON.stringify(JsonRpc.excerpt(name))} is not the name of a header`
    }
    if (!headerValue.test(value.trim())) {
      return `the value of the header ${name} has characters that no header can have, such as a line break`
    }
  }
}
