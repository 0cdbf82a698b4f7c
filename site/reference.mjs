// The reference of the public modules, made of their JSDoc and their declarations: a page of Markdown for each.
//
// A signature is shown as it is written in the source. TypeDoc spells out types that have names, and those of services and
// schemas are too long to be read.
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import ts from "typescript"

const root = join(import.meta.dirname, "..")
const name = "effect-code-mode"

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const modules = Object.keys(exports).filter((path) => /^\.\/[A-Z]/.test(path)).map((path) => path.slice(2)).sort()

// Declarations say which type a value has, sources how a class is made.
const declarations = ts.createProgram(globSync(join(root, "dist/**/*.d.ts")), {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2024,
  types: []
})
const checker = declarations.getTypeChecker()

const declared = (path) => {
  const file = declarations.getSourceFile(join(root, path))
  if (file === undefined) {
    throw new Error(`${path} is missing: npm run build`)
  }
  return file
}

const source = (path) => ts.createSourceFile(path, readFileSync(join(root, path), "utf8"), ts.ScriptTarget.ES2024, true)

// =============================================================================
// One export
// =============================================================================

const plain = (text) => text.replace(/\{@link (\S+?)\}/g, "`$1`").trim()

/** The text of a comment, and its tags. */
const readComment = (node) => {
  const comment = ts.getJSDocCommentsAndTags(node).findLast(ts.isJSDoc)
  const text = comment === undefined ? "" : plain(ts.getTextOfJSDocComment(comment.comment) ?? "")
  const tag = (name) => {
    const found = ts.getJSDocTags(node).find(({ tagName }) => tagName.text === name)
    return found === undefined ? undefined : ts.getTextOfJSDocComment(found.comment) ?? ""
  }
  return { text, category: tag("category"), since: tag("since"), isInternal: tag("internal") !== undefined }
}

const sourceOf = (declaration) =>
  declaration.getSourceFile().fileName.replace(`${root}/dist/`, "src/").replace(/\.d\.ts$/, ".ts")

const classInSource = (declaration) =>
  source(sourceOf(declaration)).statements.find((statement) => statement.name?.text === declaration.name.text)

/** What a constant is made of. What it has from another module is looked for there. */
const initializer = (path, name) => {
  const { statements } = source(path)
  const found = statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) => declarationList.declarations)
    .find((declaration) => declaration.name.text === name)?.initializer
  if (found === undefined || !ts.isPropertyAccessExpression(found) || !ts.isIdentifier(found.expression)) {
    return found
  }
  const from = statements.filter(ts.isImportDeclaration)
    .find(({ importClause }) => importClause?.namedBindings?.name?.text === found.expression.text)
    ?.moduleSpecifier.text
  return from?.startsWith(".") === true ? initializer(join(dirname(path), from), found.name.text) : found
}

/** What is longer, in characters, is shown by what it is made of, if that is no function. */
const longest = 600

/** Types of modules that a declaration does not import are named as if it did. */
const named = (text) =>
  text.replace(/import\("([^"]+)"\)\./g, (_, path) => path.startsWith("node:") ? "" : `${basename(path, ".ts")}.`)

const collapsed = (text) => text.replace(/\s+/g, " ")

/** The shape of each service that is declared beside a value, which a value's type may spell out. */
const shapes = (file) =>
  file.statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) => declarationList.declarations)
    .filter(({ name }) => name.text.endsWith("_base"))
    .flatMap(({ name, type }) =>
      (type?.typeArguments ?? []).filter(ts.isTypeLiteralNode).map((shape) => ({
        name: name.text.replace(/_base$/, ""),
        text: collapsed(shape.getText())
      }))
    )

const constant = (declaration) => {
  const text = shapes(declaration.getSourceFile()).reduce(
    (text, shape) => text.includes(shape.text) ? text.replace(shape.text, `${shape.name}["Service"]`) : text,
    collapsed(declaration.getText())
  )
  const made = text.length > longest ? initializer(sourceOf(declaration), declaration.name.text) : undefined
  const isFunction = made !== undefined && (ts.isArrowFunction(made) || ts.isFunctionExpression(made))
  return made === undefined || isFunction
    ? `const ${text.length > longest ? declaration.getText() : text}`
    : `const ${declaration.name.text} = ${made.getText()}`
}

const withoutExport = (text) => text.replace(/^export /, "").replace(/^declare /, "")

/** What is written of a declaration, under the name that it is exported by. */
const signature = (declaration, name) => {
  if (ts.isClassDeclaration(declaration)) {
    const written = classInSource(declaration)
    const isBare = written?.members.length === 0
    return isBare
      ? withoutExport(written.getText()).replace(/\s*\{\s*\}$/, " {}")
      : withoutExport(declaration.getText())
  }
  if (ts.isTypeAliasDeclaration(declaration)) {
    const target = ts.isTypeReferenceNode(declaration.type) && declaration.type.typeArguments === undefined
      ? followed(checker.getSymbolAtLocation(declaration.type.typeName))
      : undefined
    const isInner = target !== undefined && !modules.some((module) => isAt(target, `dist/${module}.d.ts`)) &&
      target.getSourceFile().fileName.startsWith(`${root}/dist/`)
    return isInner && (ts.isInterfaceDeclaration(target) || ts.isTypeAliasDeclaration(target))
      ? signature(target, name)
      : renamed(declaration, name)
  }
  return ts.isVariableDeclaration(declaration)
    ? constant(declaration)
    : renamed(declaration, name)
}

const renamed = (declaration, name) =>
  withoutExport(declaration.getText()).replace(new RegExp(`\\b${declaration.name.text}\\b`), name)

const followed = (symbol) => {
  const target = symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0
    ? checker.getAliasedSymbol(symbol)
    : symbol
  return target?.declarations?.[0]
}

const isAt = (declaration, path) => declaration.getSourceFile().fileName === join(root, path)

const entries = (module) => {
  const file = declared(`dist/${module}.d.ts`)
  return checker.getExportsOfModule(checker.getSymbolAtLocation(file)).flatMap((symbol) => {
    const local = symbol.declarations[0]
    const found = (symbol.flags & ts.SymbolFlags.Alias) === 0
      ? symbol.declarations
      : checker.getAliasedSymbol(symbol).declarations
    const holder = ts.isVariableDeclaration(local) ? local.parent.parent : local
    const comment = readComment(holder)
    const from = comment.category === undefined
      ? readComment(ts.isVariableDeclaration(found[0]) ? found[0].parent.parent : found[0])
      : comment
    return from.isInternal
      ? []
      : [{
        ...from,
        name: symbol.name,
        at: local.getStart(),
        written: found.map((each) => signature(each, symbol.name))
      }]
  }).sort((a, b) => a.at - b.at)
}

// =============================================================================
// The pages
// =============================================================================

/** Formats all pieces of code at once: to start a formatter takes longer than its work. */
const formatted = (folder, pieces) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const path = (index) => join(folder, `${index}.ts`)
  pieces.forEach((code, index) => writeFileSync(path(index), code))
  const settings = {
    ...JSON.parse(readFileSync(join(root, "dprint.json"), "utf8")),
    lineWidth: 84,
    includes: ["*.ts"],
    excludes: []
  }
  settings.plugins = settings.plugins.map((plugin) => join(root, plugin))
  writeFileSync(join(folder, "dprint.json"), JSON.stringify(settings))
  execFileSync(join(root, "node_modules/.bin/dprint"), ["fmt", "--log-level", "error"], { cwd: folder })
  return pieces.map((_, index) => readFileSync(path(index), "utf8").trim().replace(/^declare /, ""))
}

const page = (module, all) => {
  const source = readFileSync(join(root, `src/${module}.ts`), "utf8")
  const [, head = ""] = /^\/\*\*\n([^]*?)\*\//.exec(source) ?? []
  const about = plain(head.replace(/^ \* ?/gm, "").replace(/^@\w.*$/gm, ""))
  const categories = Map.groupBy(all, ({ category }) => category ?? "other")
  const sections = Array.from(categories, ([category, entries]) => {
    const parts = entries.map(({ code, name, since, text }) =>
      [`### ${name}`, text, "```ts", code, "```", since === undefined ? "" : `Since ${since}`].join("\n\n").replace(
        "```ts\n\n",
        "```ts\n"
      ).replace("\n\n```\n", "\n```\n")
    )
    return [`## ${category.slice(0, 1).toUpperCase()}${category.slice(1)}`, ...parts].join("\n\n")
  })
  return [
    `---\noutline: [2, 3]\n---\n\n# ${module}`,
    `\`\`\`ts\nimport * as ${module} from "${name}/${module}"\n\`\`\``,
    about,
    ...sections
  ].join("\n\n") + "\n"
}

/** Writes the pages, and gives the names of the modules. */
export const write = (folder) => {
  const all = modules.flatMap((module) => entries(module).map((entry) => ({ ...entry, module })))
  const pieces = all.map(({ written }) =>
    written.map(named).map((code) => /^(interface|type) |^const \w+ = /.test(code) ? code : `declare ${code}`).join(
      "\n"
    )
  )
  const codes = formatted(join(folder, ".signatures"), pieces)
  rmSync(join(folder, ".signatures"), { recursive: true })
  const coded = all.map((entry, index) => ({ ...entry, code: codes[index] }))
  for (const module of modules) {
    writeFileSync(join(folder, `${module}.md`), page(module, coded.filter((entry) => entry.module === module)))
  }
  const line = (module) => {
    const [first] = page(module, []).split("```\n\n").slice(1)
    return `- [${module}](${module}.md): ${first.split("\n\n")[0].replaceAll("\n", " ").trim()}`
  }
  writeFileSync(
    join(folder, "index.md"),
    [
      "# Reference",
      "Every public module, from its JSDoc. `effect-code-mode` itself exports the first ones by their names; each is at a path of its own, too.",
      modules.map(line).join("\n")
    ].join("\n\n") + "\n"
  )
  return modules
}
