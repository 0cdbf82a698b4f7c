/**
 * What one reader is told, in order: things can be put in from anywhere, and each is known to have been sent.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { type Status, status } from "../../wire/grpc/Status.ts"

interface Item<A> {
  readonly value: A
  readonly onSent: (() => void) | undefined
}

/** Things that are handed on together. */
const batch = 64

/** Things that may wait. A reader that falls so far behind is told no more. */
const mostWaiting = 65_536

type End = Effect.Effect<never, Status | Cause.Done>

export class Feed<A> {
  private readonly waiting = new Set<Item<A>>()
  private sending: ReadonlyArray<Item<A>> = []
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
    this.close(Cause.done())
  }

  fail(error: Status): void {
    this.close(Effect.fail(error))
  }

  private close(ending: End): void {
    this.ending ??= ending
    this.reader?.()
  }

  private take(): ReadonlyArray<Item<A>> {
    const taken: Array<Item<A>> = []
    for (const item of this.waiting) {
      this.waiting.delete(item)
      if (taken.push(item) === batch) {
        break
      }
    }
    return taken
  }

  /** For one reader. To ask for more says that what was given before has been sent. */
  readonly stream: Stream.Stream<A, Status> = Stream.fromPull(Effect.succeed(
    Effect.callback<Arr.NonEmptyReadonlyArray<A>, Status | Cause.Done>((resume) => {
      const sent = this.sending
      this.sending = []
      sent.forEach(({ onSent }) => onSent?.())
      this.reader = () => {
        if (this.waiting.size > 0) {
          this.reader = undefined
          this.sending = this.take()
          resume(Effect.succeed(this.sending.map(({ value }) => value) as unknown as Arr.NonEmptyReadonlyArray<A>))
        } else if (this.ending !== undefined) {
          this.reader = undefined
          resume(this.ending)
        }
      }
      this.reader()
      return Effect.sync(() => {
        this.reader = undefined
      })
    }) as Pull.Pull<Arr.NonEmptyReadonlyArray<A>, Status>
  ))
}
