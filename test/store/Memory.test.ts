import * as Store from "effect-code-mode/Store"
import { contract } from "./Contract.ts"

contract({ name: "in memory", layer: Store.layerMemory })
