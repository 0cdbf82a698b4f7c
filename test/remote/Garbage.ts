/** Bytes that are no messages of a wire, or messages that nothing was asked for. Every one is made of a seed. */
import * as Frame from "effect-code-mode/wire/Frame"
import { anyValue, damage, type Dice, randomBytes } from "../host/Dice.ts"

export const frame = (value: unknown) => Frame.encode(JSON.stringify(value)) as Buffer

/** By what it is; made of `messages` where it is that. */
export const garbage = (
  messages: ReadonlyArray<unknown>
): Readonly<Record<string, (dice: Dice) => Uint8Array>> => {
  const some = (dice: Dice) => Buffer.concat(Array.from({ length: 20 }, () => frame(dice.pick(messages))))
  return {
    "random bytes": (dice) => randomBytes(dice, 4 + dice.below(2000)),
    "random payloads": (dice) => {
      const payload = randomBytes(dice, dice.below(200))
      return Buffer.concat([Buffer.from([payload.length, 0, 0, 0]), payload])
    },
    "random JSON": (dice) => frame(anyValue(dice, 0)),
    "messages in any order": some,
    "damaged messages": (dice) => damage(dice, damage(dice, some(dice)))
  }
}
