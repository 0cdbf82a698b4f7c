/**
 * Keeps what was given to a server in confidence out of what is said about it.
 *
 * @internal
 */
import * as Redaction from "../delegate/Redaction.ts"

export interface Confidence {
  readonly url?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly secrets?: ReadonlyArray<string> | undefined
}

/** What is shorter is no secret, and would be found everywhere. */
const minLength = 4

/** The scheme of an `Authorization` is none of the secret; what comes after it may be echoed alone. */
const minPartLength = 8

const ofUrl = (url: string): ReadonlyArray<string> => {
  if (!URL.canParse(url)) {
    return []
  }
  const { password, search, searchParams, username } = new URL(url)
  return [search.slice(1), username, password, ...searchParams.values()]
}

const secretsOf = ({ headers = {}, secrets = [], url = "" }: Confidence): ReadonlyArray<string> => [
  ...secrets,
  ...Object.values(headers).flatMap((value) => [
    value,
    value.trim(),
    ...value.split(/\s+/).filter((part) => part.length >= minPartLength)
  ]),
  ...ofUrl(url)
]

/** A function that takes the secrets out of a text. */
export const hide = (confidence: Confidence): (text: string) => string =>
  Redaction.texts(secretsOf(confidence).filter((secret) => secret.length >= minLength))
