/**
 * What throws where it has no value.
 *
 * @internal
 */

/** The value that a function gives, or nothing where it throws. */
export const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}
