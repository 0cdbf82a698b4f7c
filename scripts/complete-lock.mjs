// Adds to package-lock.json the optional platform packages that npm left out of it, because the registry it was made
// with does not have them. `npm ci` refuses a lock that lacks one. Run it after any `npm install`.
import { readFileSync, writeFileSync } from "node:fs"

const file = new URL("../package-lock.json", import.meta.url)
const lock = JSON.parse(readFileSync(file, "utf8"))
const packages = lock.packages

const platform = (name) => {
  const os = /(android|darwin|linux|freebsd|openharmony|win32)/.exec(name)?.[1]
  const cpu = /-(arm64|x64|loong64|ppc64|riscv64|s390x|ia32|arm)(-|$)/.exec(name)?.[1]
  const libc = /-musl/.test(name) ? "musl" : /-(gnu|glibc)/.test(name) ? "glibc" : undefined
  if (os === undefined || cpu === undefined) {
    throw new Error(`${name} does not say which platform it is for`)
  }
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) }
}

let added = 0
for (const [path, { dev, license, optionalDependencies = {}, peer }] of Object.entries(packages)) {
  for (const [name, version] of path === "" ? [] : Object.entries(optionalDependencies)) {
    if (`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages) {
      continue
    }
    const { cpu, libc, os } = platform(name)
    packages[`node_modules/${name}`] = {
      version,
      cpu,
      ...(dev === undefined ? {} : { dev }),
      ...(libc === undefined ? {} : { libc }),
      ...(license === undefined ? {} : { license }),
      optional: true,
      os,
      ...(peer === undefined ? {} : { peer })
    }
    added++
  }
}

const [root, ...rest] = Object.entries(packages)
lock.packages = Object.fromEntries([root, ...rest.sort(([a], [b]) => a.localeCompare(b, "en"))])
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`added ${added} packages`)
