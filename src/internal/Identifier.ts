/**
 * The name under which a cell sees a tool.
 *
 * @internal
 */

/** What cannot stand in an identifier becomes `_`. */
export const fromName = (name: string): string => name.replace(/^[^A-Za-z_$]|[^A-Za-z0-9_$]/gu, "_") || "_"
