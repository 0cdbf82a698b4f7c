/**
 * Where a command may be told to tell of itself.
 *
 * @internal
 */

/** What cannot be used, and why. */
export class Wrong {
  readonly why: string

  constructor(why: string) {
    this.why = why
  }
}

/** The address of a collector. */
export const toUrl = (value: string): string | Wrong =>
  /^https?:$/.test(URL.parse(value)?.protocol ?? "")
    ? value
    : new Wrong("it is the address of a collector, http://HOST:PORT")

export const toPort = (value: string): number | Wrong =>
  /^\d{1,5}$/.test(value) && Number(value) < 65_536 ? Number(value) : new Wrong("a port is from 0 to 65535")
