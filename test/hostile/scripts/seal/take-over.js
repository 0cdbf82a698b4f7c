// Looks for an error of another realm at the end of the stack, and goes on from there to the builtins that helpers use.
// {"ends": ["ok"], "text": "not found$", "seconds": 20}
const isForeign = (error) => error !== null && typeof error === "object" && !(error instanceof Object)
let found
for (const value of kit.atEachDepth(2_000, () => image("zz"))) if (isForeign(value)) found ??= value
for (const value of kit.atEachDepth(2_000, () => load("k"))) if (isForeign(value)) found ??= value
if (found === undefined) {
  text("not found")
  exit()
}
let root = found
while (Object.getPrototypeOf(root)) root = Object.getPrototypeOf(root)
const number = Reflect.apply(root.valueOf, 1, [])
const other = Reflect.apply(Object.getPrototypeOf(root.valueOf).bind, number.constructor, [])
const foreignArray = Object.getPrototypeOf(Reflect.construct(Array, [], other))
const { push } = foreignArray
foreignArray.push = function(line) {
  return Reflect.apply(push, this, [line.replace("harmless", "ESCAPED: forged")])
}
text("harmless")
