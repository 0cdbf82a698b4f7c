/**
 * Who may ask a server that speaks HTTP: not every page that a browser happens to show, and who knows the secret.
 *
 * @internal
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { isIP } from "node:net"

/** The names of this machine for itself. A name that another site owns could lead a browser here. */
export const loopbackNames: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** Whether only processes of this machine can reach an address. */
export const isLoopback = (address: string): boolean =>
  address === "localhost" || address === "::1" || (isIP(address) === 4 && address.startsWith("127."))

/** A host without its port. */
const nameOf = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

/** Whether a host, with or without a port, goes by one of these names. */
export const isNamed = (host: string, names: ReadonlyArray<string> | "any"): boolean =>
  names === "any" || names.includes(nameOf(host))

/** Whether a page of this origin comes from where this host is. */
export const isSame = (origin: string, host: string): boolean =>
  origin === `http://${host}` || origin === `https://${host}`

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Compares secrets in a time that says nothing of them. */
export const isEqual = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))
