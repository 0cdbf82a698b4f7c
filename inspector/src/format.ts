/** How numbers and foreign texts are shown. */
import * as Visible from "../../src/text/Visible.ts"

export const duration = (millis: number): string => {
  if (millis < 1) {
    return `${millis.toFixed(millis < 0.1 ? 2 : 1)} ms`
  }
  if (millis < 1000) {
    return `${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`
  }
  const seconds = millis / 1000
  if (seconds < 60) {
    return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  }
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export const bytes = (size: number): string =>
  size < 1024
    ? `${size} B`
    : size < 1024 ** 2
    ? `${(size / 1024).toFixed(0)} kB`
    : size < 1024 ** 3
    ? `${(size / 1024 ** 2).toFixed(size < 10 * 1024 ** 2 ? 1 : 0)} MB`
    : `${(size / 1024 ** 3).toFixed(1)} GB`

export const count = (number: number): string => number.toLocaleString("en-US")

export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

export const cores = (share: number): string => `${Math.round(share * 100)} %`

export const clock = (at: number): string => {
  const date = new Date(at)
  const two = (part: number) => String(part).padStart(2, "0")
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** Text of others, with what cannot be seen in it written out. */
export const seen = (text: string): string => Visible.lines(text.replaceAll("\r\n", "\n"))

/** JSON, laid out, as far as it is whole. */
export const pretty = (json: string): string => {
  try {
    return seen(JSON.stringify(JSON.parse(json), null, 2))
  } catch {
    return seen(json)
  }
}
