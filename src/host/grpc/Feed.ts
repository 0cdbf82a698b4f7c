/**
 * What one reader is told, in order: things can be put in from anywhere, and each is known to have been sent.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Source } from "../../wire/grpc/Calls.ts"
import { type Status, status } from "../../wire/grpc/Status.ts"

interface Item<A> {
  readonly value: A
  readonly onSent: (() => void) | undefined
}

/** Things that may wait. A reader that falls so far behind is told no more. */
const mostWaiting = 65_536

type End = Effect.Effect<void, Status>

export class Feed<A> implements Source<A> {
  private readonly waiting = new Set<Item<A>>()
  private ending: End | undefined
  private reader: (() => void) | undefined

  /** Puts something in. The result takes it back, if it is not on its way. */
  offer(value: A, onSent?: () => void): () => void {
    const item = { value, onSent }
    if (this.waiting.size >= mostWaiting) {
      this.fail(status("RESOURCE_EXHAUSTED", "code-mode client does not read what it is told"))
    } else if (this.ending === undefined) {
      this.waiting.add(item)
      this.reader?.()
    }
    return () => this.waiting.delete(item)
  }

  /** Nothing comes after what was put in. */
  end(): void {
    this.close(Effect.void)
  }

  fail(error: Status): void {
    this.close(Effect.fail(error))
  }

  private close(ending: End): void {
    this.ending ??= ending
    this.reader?.()
  }

  /** To one reader. What it took is sent, once it does not wait any more. */
  giveTo(take: (value: A) => Effect.Effect<void, Status> | undefined): Effect.Effect<void, Status> {
    return Effect.callback((resume) => {
      const go = () => {
        for (const item of this.waiting) {
          this.waiting.delete(item)
          const wait = take(item.value)
          if (wait !== undefined) {
            this.reader = undefined
            return resume(Effect.andThen(
              wait,
              Effect.suspend(() => {
                item.onSent?.()
                return this.giveTo(take)
              })
            ))
          }
          item.onSent?.()
          // It may have been told more by that, and be waiting by now.
          if (this.reader !== go) {
            return
          }
        }
        if (this.ending !== undefined) {
          this.reader = undefined
          resume(this.ending)
        }
      }
      this.reader = go
      go()
      return Effect.sync(() => {
        this.reader = undefined
      })
    })
  }
}
