/**
 * TypeScript types as text.
 *
 * @internal
 */

export const generic = "{ [key: string]: unknown; }"

/** The types that a union consists of. */
const alternatives = (type: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let depth = 0
  let start = 0
  for (const { 0: token, index } of type.matchAll(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|[{}()[\]<>|]/g)) {
    depth += "{([<".includes(token) ? 1 : "})]>".includes(token) ? -1 : 0
    if (token === "|" && depth === 0) {
      found.push(type.slice(start, index).trim())
      start = index + 1
    }
  }
  return [...found, type.slice(start).trim()]
}

export const union = (types: ReadonlyArray<string>): string => {
  const members = Array.from(new Set(types.flatMap(alternatives))).filter((type) => type !== "never")
  return members.includes("unknown") ? "unknown" : members.length === 0 ? "never" : members.join(" | ")
}

export const intersection = (types: ReadonlyArray<string>): string => {
  const members = Array.from(new Set(types)).filter((type) => type !== "unknown")
  return members.includes("never")
    ? "never"
    : members.length === 0
    ? "unknown"
    : members.length === 1
    ? members[0]!
    : members.map((type) => alternatives(type).length > 1 ? `(${type})` : type).join(" & ")
}

const identifierName = /^[A-Za-z_$][A-Za-z0-9_$]*$/

export const propertyName = (name: string) => identifierName.test(name) ? name : JSON.stringify(name)

/** A member of an object type. */
export interface Member {
  readonly comment: ReadonlyArray<string>
  readonly name: string
  readonly isRequired: boolean
  readonly type: string
}

const indented = (text: string) => text.replaceAll("\n", "\n  ")

export const memberText = ({ isRequired, name, type }: Member) => `${name}${isRequired ? "" : "?"}: ${type};`

export const objectText = (members: ReadonlyArray<Member>, more: ReadonlyArray<string> = []): string => {
  const all = [
    ...members.map((member) => ({ comment: member.comment, text: memberText(member) })),
    ...more.map((text) => ({ comment: [], text }))
  ]
  return all.length === 0
    ? "{}"
    : all.every(({ comment }) => comment.length === 0)
    ? `{ ${all.map(({ text }) => text).join(" ")} }`
    : [
      "{",
      ...all.flatMap(({ comment, text }) => [...comment.map((line) => `  // ${line}`), `  ${indented(text)}`]),
      "}"
    ].join("\n")
}
