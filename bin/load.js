// Loads a program of dist/bundle, with V8's code for it as earlier processes have left it.
//
// Node keeps code as it is before it has run, without the functions that V8 compiles when they are called first. Each
// process would compile them anew, which takes a third of the time until the program is there. So code is kept here, at
// the end of a process that has compiled more than is kept.
"use strict"

const fs = require("node:fs")
const path = require("node:path")
const { Script } = require("node:vm")
const { crc32 } = require("node:zlib")

/** More than a garbage collection makes of a difference between processes that do the same. */
const worthKeeping = 1.02

const nothing = { bytecode: 0, chunks: new Map() }

const aligned = (length) => Math.ceil(length / 8) * 8

const padded = (bytes) => Buffer.concat([bytes], aligned(bytes.length))

/**
 * What the file has that is of this build: the code of its chunks. V8 refuses what another version of it has left, and does
 * not look whether the rest is as it was written: from what a disk has lost it would make any code.
 */
const read = (file, build) => {
  try {
    const bytes = fs.readFileSync(file)
    const headerEnd = bytes.indexOf("\n")
    const header = JSON.parse(bytes.toString("latin1", 0, headerEnd))
    let from = aligned(headerEnd + 1)
    if (header.build === build && header.check === crc32(bytes.subarray(from))) {
      const chunks = new Map(header.chunks.map(([id, length]) => {
        const code = bytes.subarray(from, from + length)
        from += aligned(length)
        return [id, code]
      }))
      return { bytecode: header.bytecode, chunks }
    }
  } catch {
    // There is none, or it is not one.
  }
  return nothing
}

/** Writes what `make` gives, where that can be written. Its name is there once all of it is. */
const write = (file, make) => {
  const part = `${file}.${process.pid}`
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(part, "", { flag: "wx" })
  } catch {
    return
  }
  try {
    const { chunks, ...header } = make()
    const sizes = Array.from(chunks, ([id, code]) => [id, code.length])
    const code = Buffer.concat(Array.from(chunks.values(), padded))
    const first = `${JSON.stringify({ ...header, chunks: sizes, check: crc32(code) })}\n`
    fs.writeFileSync(part, Buffer.concat([padded(Buffer.from(first, "latin1")), code]))
    fs.renameSync(part, file)
  } catch {
    fs.rmSync(part, { force: true })
  }
}

const bytecodeNow = () => require("node:v8").getHeapCodeStatistics().bytecode_and_metadata_size

/**
 * Runs `main`, a file of the folder `bundle`, and what it requires there. The code of that is kept in `file`, if this is given.
 * `main` itself is short, and starts another process before anything else is read.
 */
module.exports = (bundle, main, file) => {
  const sourceOf = (id) => fs.readFileSync(path.join(bundle, id), "utf8")
  const mainSource = sourceOf(main)
  // Its first line is a digest of all chunks.
  const build = mainSource.slice(0, mainSource.indexOf("\n"))
  const scripts = new Map()
  const modules = new Map()
  let kept
  let isComplete = true

  const run = (id, source, cachedData) => {
    const filename = path.join(bundle, id)
    const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
      filename,
      cachedData
    })
    const module = { exports: {} }
    modules.set(id, module)
    script.runInThisContext()(module.exports, requireFrom, module, filename, bundle)
    return script
  }

  const load = (id) => {
    kept ??= file === undefined ? nothing : read(file, build)
    const cachedData = kept.chunks.get(id)
    const script = run(id, sourceOf(id), cachedData)
    isComplete &&= cachedData !== undefined && !script.cachedDataRejected
    scripts.set(id, script)
  }

  const requireFrom = (id) => {
    if (!id.startsWith("./")) {
      return require(id)
    }
    const chunk = id.slice(2)
    if (!modules.has(chunk)) {
      load(chunk)
    }
    return modules.get(chunk).exports
  }

  const keep = () => {
    if (kept === undefined) {
      return
    }
    const bytecode = bytecodeNow()
    if (!isComplete || bytecode > worthKeeping * kept.bytecode) {
      write(file, () => ({
        build,
        bytecode: Math.max(bytecode, kept.bytecode),
        chunks: new Map([...kept.chunks, ...Array.from(scripts, ([id, script]) => [id, script.createCachedData()])])
      }))
    }
  }

  if (file !== undefined) {
    process.on("exit", keep)
  }
  run(main, mainSource)
}
