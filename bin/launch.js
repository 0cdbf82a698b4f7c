// Runs an entry point of this package with a node that is new enough: the one that started us, or the one that npm
// installed beside the package. Plain old JavaScript, because any node may be the one that reads it.
/* oxlint-disable unicorn/prefer-node-protocol -- a node that is old enough does not know it */
"use strict"

const childProcess = require("child_process")
const fs = require("fs")
const { enableCompileCache } = require("module")
const path = require("path")

const minimum = 24
const packageFolder = path.dirname(fs.realpathSync(__dirname))

const isNewEnough = (version) => parseInt(version, 10) >= minimum

/** The binary of the `node` package, which may be hoisted to any folder above ours. */
const findNode = () => {
  for (let folder = packageFolder;; folder = path.dirname(folder)) {
    const candidate = path.join(folder, "node_modules", "node")
    const binary = path.join(candidate, "bin", "node")
    const manifest = path.join(candidate, "package.json")
    if (fs.existsSync(binary) && isNewEnough(JSON.parse(fs.readFileSync(manifest, "utf8")).version)) {
      return binary
    }
    if (folder === path.dirname(folder)) {
      return undefined
    }
  }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]

/** Runs the same command with another node: same arguments, same pipes, same signals, same end. */
const runWith = (node, fail) => {
  const child = childProcess.spawn(node, process.argv.slice(1), { stdio: "inherit" })
  for (const signal of signals) {
    process.on(signal, () => child.kill(signal))
  }
  child.on("error", (error) => fail(`cannot run ${node}: ${error.message}`))
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exit(code)
    }
    signals.forEach((each) => process.removeAllListeners(each))
    process.kill(process.pid, signal)
  })
}

/** What steers a terminal, or is not seen there, as its escapes. The rest of the package knows more of it. */
const visible = (text) =>
  text.replace(
    // oxlint-disable-next-line no-control-regex -- it is what this is about
    /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udfff]/g,
    (found) => found.split("").map((unit) => `\\u${`000${unit.charCodeAt(0).toString(16)}`.slice(-4)}`).join("")
  )

/** Runs `name`. What its `commands` need is loaded and kept for each by itself. */
module.exports = (name, commands) => {
  const fail = (message) => {
    process.stderr.write(`${name}: ${visible(message)}\n`)
    process.exit(2)
  }
  if (!isNewEnough(process.versions.node)) {
    const node = findNode()
    return node === undefined
      ? fail(`Node.js ${minimum} or newer is needed, and this is ${process.version}`)
      : runWith(node, fail)
  }
  const bundle = path.join(packageFolder, "dist", "bundle")
  const entry = `${name}.cjs`
  if (!fs.existsSync(path.join(bundle, entry))) {
    return fail(`${path.join(bundle, entry)} is missing: run npm run build`)
  }
  // Not in the folder for temporary files, where others may have left code for us.
  const cache = process.env.NODE_COMPILE_CACHE || path.join(bundle, "cache")
  enableCompileCache(cache)
  const program = commands.includes(process.argv[2]) ? `${name}-${process.argv[2]}` : name
  const file = path.join(cache, `${process.version}-${process.arch}-${program}`)
  return require("./load.js")(bundle, entry, process.env.NODE_DISABLE_COMPILE_CACHE === "1" ? undefined : file)
}
