/**
 * Where an inspector's page is to be: `PORT`, or `ADDRESS:PORT`.
 *
 * @internal
 */
import { isIP } from "node:net"

export interface InspectAddress {
  readonly port: number
  /** That of this machine alone, unless it is told. */
  readonly host: string | undefined
}

export const expected = "a port from 0 to 65535, with an address before it where others are to reach it: 0.0.0.0:7600"

/** Nothing where it is no such address. */
export const parse = (text: string): InspectAddress | undefined => {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  return digits === undefined || port > 65_535 || (host !== undefined && host !== "localhost" && isIP(host) === 0)
    ? undefined
    : { port, host }
}
