/**
 * The name of this process as the owner of sessions, by which a later process of this machine can tell that it is gone.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import * as Proc from "../system/Proc.ts"

const Holder = Schema.fromJsonString(Schema.Struct({
  host: Schema.String,
  /** The machine's current run. */
  boot: Schema.String,
  pid: Schema.Int,
  /** When the process began, in the kernel's ticks: a process id is given again. */
  began: Schema.String,
  /** Several sessions of one process. */
  own: Schema.String
}))

type Holder = typeof Holder.Type

const decode = Schema.decodeOption(Holder)
const encode = Schema.encodeSync(Holder)

/** Nothing where the system does not tell. */
const boot = () => Proc.read("sys/kernel/random/boot_id").trim()

/** When a process began, if it runs. Its name, which stands before, may hold anything. */
const beganAt = (pid: number): string => {
  const stat = Proc.read(`${pid}/stat`)
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

/** A name that no other owner has. */
export const make = (): string =>
  encode({
    host: hostname(),
    boot: boot(),
    pid: process.pid,
    began: beganAt(process.pid),
    own: randomUUID()
  })

const isGone = ({ began, boot: theirs, host, pid }: Holder): boolean => {
  const ours = boot()
  return ours !== "" && host === hostname() && (theirs !== ours || beganAt(pid) !== began)
}

/** Whether the owner of that name was a process of this machine that has ended. */
export const hasEnded = (owner: string): boolean => Option.exists(decode(owner), isGone)

/** The owner of that name, for people. */
export const describe = (owner: string): string =>
  Option.match(decode(owner), {
    onNone: () => owner,
    onSome: ({ host, pid }) => `process ${pid} on ${host}`
  })
