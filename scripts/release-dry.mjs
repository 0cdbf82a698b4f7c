// Everything that a release does, short of publishing: `npm run release:dry`. With `--quick`, what CI runs is left out.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const read = (path) => readFileSync(join(root, path), "utf8")
const { name, version } = JSON.parse(read("package.json"))

const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: "inherit" })
const ask = (command, ...args) => execFileSync(command, args, { cwd: root, encoding: "utf8" }).trim()

const demand = (holds, text) => {
  if (!holds) {
    console.error(`not ready: ${text}`)
    process.exit(1)
  }
}

const clean = () => demand(ask("git", "status", "--porcelain") === "", "there are changes that are not committed")

clean()
const changes = new RegExp(`^## ${RegExp.escape(version)} \\((.*)\\)$`, "m").exec(read("CHANGELOG.md"))?.[1]
demand(changes !== undefined, `CHANGELOG.md has no section for ${version}`)
const locked = JSON.parse(read("package-lock.json")).version
demand(locked === version, `package-lock.json is of version ${locked}`)

if (process.argv.includes("--quick")) {
  run("npm", "run", "check")
  run("npm", "run", "test:packed")
} else {
  run(join(root, ".ci", "run"))
}
run("npm", "run", "size")

// It builds anew, as publishing does.
run("npm", "publish", "--dry-run")
clean()
if (!/^\d{4}-\d\d-\d\d$/.test(changes)) {
  console.log(`before it is published: the section of CHANGELOG.md for ${version} needs a date, it says "${changes}"`)
}
console.log(`${name} ${version} could be published`)
