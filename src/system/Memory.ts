/**
 * @internal
 */
import { totalmem } from "node:os"

/** Memory that this process may have, in bytes: that of the machine, or of the container that it is in. */
export const available = (): number => Math.min(totalmem(), process.constrainedMemory() || Infinity)
