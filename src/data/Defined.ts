/**
 * Members of an object that are there only where they have a value.
 *
 * @internal
 */

/** The members that are not `undefined`: `{ ...defined({ error, ledger }) }`. */
export const defined = <const A extends object>(
  members: A
): { readonly [Key in keyof A]?: Exclude<A[Key], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    readonly [Key in keyof A]?: Exclude<A[Key], undefined>
  }
