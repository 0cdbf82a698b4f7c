/**
 * A latch that takes next to nothing while none waits at it. There are several to each cell.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Gate {
  private isOpen: boolean
  private latch: Latch.Latch | undefined

  constructor(isOpen = false) {
    this.isOpen = isOpen
  }

  /** Waits until it is open. */
  get await(): Effect.Effect<void> {
    return Effect.suspend(() => this.isOpen ? Effect.void : (this.latch ??= Latch.makeUnsafe()).await)
  }

  open(): void {
    this.isOpen = true
    this.latch?.openUnsafe()
    // Those who wait are let through in a while, and hold on to theirs.
    this.latch = undefined
  }

  close(): void {
    this.isOpen = false
  }
}
