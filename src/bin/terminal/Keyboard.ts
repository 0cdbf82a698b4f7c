/**
 * Standard input where somebody types, or pastes what others have written.
 *
 * @internal
 */
import { Transform } from "node:stream"
import { StringDecoder } from "node:string_decoder"
import * as Visible from "../../text/Visible.ts"

/**
 * Keys stay what they are. Characters that nobody sees become their escapes: as what was typed, too, so that what is run
 * is what is shown.
 */
export const make = (): Transform => {
  const { stdin } = process
  const decoder = new StringDecoder("utf8")
  const keyboard = new Transform({
    transform: (bytes: Buffer, _, done) => done(null, Visible.typed(decoder.write(bytes))),
    flush: (done) => done(null, decoder.end())
  })
  return stdin.pipe(Object.assign(keyboard, {
    setRawMode: (isRaw: boolean) => stdin.setRawMode(isRaw)
  }))
}

/** Leaves the keys to others. */
export const release = (keyboard: Transform): void => {
  process.stdin.unpipe(keyboard)
  process.stdin.pause()
}
