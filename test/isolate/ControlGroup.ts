import * as Cgroup from "effect-code-mode/isolate/Cgroup"

/** Whether lanes get a control group here. */
export const isWritable = (): boolean => Cgroup.make(2 ** 40)?.remove() === true
