// The licences of what is bundled.
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const packageOf = (folder) =>
  existsSync(join(folder, "package.json")) &&
    "version" in JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    ? folder
    : packageOf(dirname(folder))

/** The licences of the packages that modules are from, which go with a bundle wherever it is passed on. */
export const licencesOf = (modules) => {
  const packages = new Set(
    modules.filter((id) => id.includes("node_modules")).map((id) => packageOf(dirname(id)))
  )
  return Array.from(packages, (folder) => {
    const { license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = [
      ...["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].map((name) => join(folder, name)),
      // Of a package that says it in its sources alone.
      join(import.meta.dirname, "licences", `${name.replace("/", "-")}.txt`)
    ].find(existsSync)
    if (file === undefined) {
      throw new Error(`${name} is bundled and brings no licence`)
    }
    return `${name} ${version} (${license})\n\n${readFileSync(file, "utf8").trim()}\n`
  }).sort().join(`\n${"-".repeat(80)}\n\n`)
}
