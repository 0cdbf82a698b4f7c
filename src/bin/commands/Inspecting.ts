/**
 * The inspector of a command that was asked for one. It is loaded when it is used.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { basename } from "node:path"
import * as Inspector from "../../Inspector.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import type { InspectAddress } from "./InspectAddress.ts"
import * as OpenPages from "./OpenPages.ts"

/** With it, a page goes on when the command is started again. It is no flag, as every process can see flags. */
export const tokenVariable = "EFFECT_CODE_MODE_INSPECT_TOKEN"

const tell = (address: Redacted.Redacted<string>) =>
  Printer.tell(text`inspector: ${foreign("address of the inspector", Redacted.value(address), "word")}`)

/** `name` is that of the command. */
export const layer = ({ host, port }: InspectAddress, name: string) => {
  const token = process.env[tokenVariable] ?? ""
  const folder = process.cwd()
  const title = `${name} in ${basename(folder) || folder}`
  const inspector = Inspector.layer({
    host,
    port,
    title,
    token: token === "" ? undefined : Redacted.make(token),
    onListening: tell
  })
  const announced = Layer.effectDiscard(Effect.flatMap(
    Inspector.Inspector,
    ({ address }) => OpenPages.add({ pid: process.pid, title, folder, address: Redacted.value(address) })
  ))
  return Layer.provideMerge(announced, inspector)
}
