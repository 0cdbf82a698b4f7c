/**
 * The first lane of a command. It starts while the command's own code is loaded: each takes half of the time until the
 * first cell runs.
 *
 * It is confined as every lane is, and runs nothing before a pool has taken it. No Effect here, which would have to be
 * loaded first.
 *
 * @since 0.1.0
 */
import * as Confinement from "./Confinement.ts"
import * as LaneChild from "./LaneChild.ts"

/**
 * What a lane is, unless an engine is told otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export const defaults = { warmIsolates: 3, codeGeneration: true }

interface FirstLane {
  readonly child: LaneChild.LaneChild
  readonly setpriv: Confinement.Setpriv | undefined
}

let first: FirstLane & { readonly args: string } | undefined

/**
 * It was started with the strictest confinement without a trial, which this process would have had to wait for. That it has
 * said something shows that it works.
 */
const isKnownToWork = ({ child, setpriv }: FirstLane, program: LaneChild.Program): boolean =>
  setpriv === undefined || child.socket.readableLength > 0 || Confinement.canStart(setpriv, program.files)

const toKey = ({ args }: LaneChild.Program) => args.join("\n")

/**
 * Starts it. Where that fails, the pool fails in the same way later, and says why.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (): void => {
  try {
    LaneChild.requireDescriptors()
    const program = LaneChild.findProgram(defaults)
    const [setpriv] = Confinement.candidates()
    const child = LaneChild.start(program, Confinement.make(setpriv, undefined))
    const forget = () => {
      if (first?.child === child) {
        first = undefined
      }
    }
    child.onEnd(forget, forget)
    child.hold(false)
    first = { child, setpriv, args: toKey(program) }
  } catch {
    // As above.
  }
}

/**
 * The lane that was started, if it is still there, works, and runs the same program.
 *
 * @category constructors
 * @since 0.1.0
 */
export const take = (program: LaneChild.Program): FirstLane | undefined => {
  const taken = first
  first = undefined
  if (taken !== undefined && (taken.args !== toKey(program) || !isKnownToWork(taken, program))) {
    taken.child.kill()
    return undefined
  }
  return taken
}
