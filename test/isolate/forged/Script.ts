/** What a forged lane does, as data: it is told by the source of the cell that is started on it. */
import { Kind } from "effect-code-mode/isolate/Frames"

export { Kind }

export type Step =
  /** Sends a frame, `times` times; `own` is the cell that was started. */
  | { readonly kind: number; readonly cell: number | "own"; readonly payload: string; readonly times?: number }
  /** Sends bytes that need not be a frame, in hexadecimal. */
  | { readonly bytes: string }
  /** Sends a header alone. */
  | { readonly kind: number; readonly cell: number | "own"; readonly length: number }
  /** Waits until the host has sent so many frames of a kind. */
  | { readonly awaits: number; readonly times: number }
  /** Writes so many bytes to its standard error. */
  | { readonly stderr: number }
  | { readonly exit: true }

export type Script = ReadonlyArray<Step>

export const frame = (kind: number, payload = "", cell: number | "own" = "own"): Step => ({ kind, cell, payload })

/** An event as a lane writes it: the input of a call, a text, is written as it is. */
export const write = (event: unknown): string => {
  const inputs: Array<string> = []
  const json = JSON.stringify(
    event,
    (key, value: unknown) => key === "input" && typeof value === "string" ? `@${inputs.push(value)}@` : value
  )
  return json.replaceAll(/"@(\d+)@"/g, (_, place) => inputs[place - 1]!)
}

/** An event of the cell, as JSON or as something that is none. */
export const event = (value: unknown): Step => frame(Kind.Event, typeof value === "string" ? value : write(value))

export const ready = frame(Kind.Ready, "", 0)

/** Bytes of a frame. */
export const encode = (kind: number, cell: number, payload: Buffer, length = payload.length): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUInt32LE(length)
  header.writeUInt32LE(cell, 4)
  header[8] = kind
  return Buffer.concat([header, payload])
}
