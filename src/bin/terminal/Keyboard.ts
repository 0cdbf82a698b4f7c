/**
 * Standard input where a person types, or pastes what others have written.
 *
 * @internal
 */
import { Transform } from "node:stream"
import { StringDecoder } from "node:string_decoder"
import * as Visible from "../../text/Visible.ts"

const { stdin } = process

/** Those that there are; the last one has the keys. */
const keyboards: Array<Transform> = []

/**
 * The keys, until it is released; another one has to wait meanwhile. Invisible characters become their escapes: as
 * what was typed, too, so that what is run is what is shown.
 */
export const make = (): Transform => {
  const decoder = new StringDecoder("utf8")
  const keyboard = new Transform({
    transform: (bytes: Buffer, _, done) => done(null, Visible.typed(decoder.write(bytes))),
    flush: (done) => done(null, decoder.end())
  })
  const other = keyboards.at(-1)
  if (other !== undefined) {
    stdin.unpipe(other)
  }
  keyboards.push(keyboard)
  return stdin.pipe(Object.assign(keyboard, {
    // The other one needs them one by one, too.
    setRawMode: (isRaw: boolean) => isRaw || keyboards.length === 1 ? stdin.setRawMode(isRaw) : stdin
  }))
}

/** Leaves the keys to the one before, or to others. */
export const release = (keyboard: Transform): void => {
  stdin.unpipe(keyboard)
  keyboards.splice(keyboards.indexOf(keyboard), 1)
  const other = keyboards.at(-1)
  if (other === undefined) {
    stdin.pause()
  } else {
    stdin.pipe(other)
  }
}
