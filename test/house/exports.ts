import { posix } from 'node:path'
import {
  childrenOf,
  isNode,
  literal,
  type Parsed,
  parse,
  type SourceFile,
  type SyntaxNode,
} from './source.js'

/** What a file exports, and what it takes from other files. */
interface Module {
  readonly exported: ReadonlyMap<string, number>
  /** Names it imports or re-exports, by the file that has them. */
  readonly taken: ReadonlyMap<string, ReadonlySet<string>>
  /** Files that it loads as a whole, by `import()` or `import * as`. Their exports are used by name. */
  readonly whole: ReadonlySet<string>
  /** Files of which it re-exports everything. */
  readonly passedOn: ReadonlySet<string>
  /** Every identifier in the file. */
  readonly words: ReadonlySet<string>
}

/**
 * Exports of `src/` that nothing uses: no other file of `src/`, none of the `users`, such as tests, and no entry of the package.
 * One line each.
 */
export function unusedExports(
  sources: readonly SourceFile[],
  users: readonly SourceFile[],
  entries: readonly string[],
): string[] {
  const modules = new Map([...sources, ...users].map((file) => [file.path, moduleOf(file)] as const))
  const used = new Map(sources.map(({ path }) => [path, new Set<string>()]))
  const all = (path: string): void => {
    const { exported, passedOn } = modules.get(path) ?? { exported: new Map(), passedOn: [] }
    for (const name of exported.keys()) used.get(path)?.add(name)
    for (const other of passedOn) all(other)
  }
  for (const path of entries) {
    if (!used.has(path)) throw new Error(`${path}: an entry of the package, but no file`)
    all(path)
  }
  for (const { taken, whole, words } of modules.values()) {
    for (const [path, names] of taken) for (const name of names) used.get(path)?.add(name)
    for (const path of whole)
      for (const name of modules.get(path)?.exported.keys() ?? [])
        if (words.has(name)) used.get(path)?.add(name)
  }
  return sources.flatMap(({ path }) =>
    [...(modules.get(path)?.exported ?? [])]
      .filter(([name]) => used.get(path)?.has(name) !== true)
      .map(
        ([name, line]) => `${path}:${line}: exports ${name}, which nothing uses; remove it, or its export`,
      ),
  )
}

function moduleOf(file: SourceFile): Module {
  const parsed = parse(file)
  const exported = new Map<string, number>()
  const taken = new Map<string, Set<string>>()
  const whole = new Set<string>()
  const passedOn = new Set<string>()
  const words = new Set<string>()
  const take = (source: unknown, name: unknown): void => {
    const path = pathOf(file, source)
    if (path !== undefined) taken.set(path, (taken.get(path) ?? new Set()).add(nameOf(name)))
  }
  for (const node of parsed.body) {
    for (const name of namesExportedBy(node)) exported.set(name, parsed.lineOf(node))
    const specifiers = (node.specifiers ?? []) as SyntaxNode[]
    if (node.type === 'ExportAllDeclaration') add(passedOn, pathOf(file, node.source))
    if (
      node.type === 'ImportDeclaration' ||
      (node.type === 'ExportNamedDeclaration' && isNode(node.source))
    ) {
      for (const each of specifiers) {
        if (/Namespace/.test(each.type)) add(whole, pathOf(file, node.source))
        else if (each.type === 'ImportDefaultSpecifier') take(node.source, 'default')
        else take(node.source, each.orig ?? each.imported ?? each.local)
      }
    }
  }
  // Only files with such imports are searched as a whole, which takes most of the time.
  if (!/\bimport\s*(\(|\*)/.test(file.text)) return { exported, taken, whole, passedOn, words }
  visit(parsed, (node) => {
    if (node.type === 'Identifier') words.add(node.value as string)
    if (node.type === 'TsImportType' && isNode(node.qualifier)) take(node.argument, leftmost(node.qualifier))
    else if (node.type === 'TsImportType') add(whole, pathOf(file, node.argument))
    const callee = node.type === 'CallExpression' ? (node.callee as SyntaxNode) : undefined
    if (callee?.type === 'Import')
      add(whole, pathOf(file, (node.arguments as { expression: unknown }[])[0]?.expression))
  })
  return { exported, taken, whole, passedOn, words }
}

function namesExportedBy(node: SyntaxNode): string[] {
  if (node.type === 'ExportDefaultDeclaration' || node.type === 'ExportDefaultExpression') return ['default']
  if (node.type === 'ExportNamedDeclaration')
    return (node.specifiers as SyntaxNode[]).map((each) => nameOf(each.exported ?? each.orig ?? each.name))
  if (node.type !== 'ExportDeclaration') return []
  const { declaration } = node as { declaration?: SyntaxNode }
  if (declaration?.type !== 'VariableDeclaration') return [nameOf(declaration?.identifier ?? declaration?.id)]
  return (declaration.declarations as { id: SyntaxNode }[]).flatMap(({ id }) => boundBy(id))
}

/** The names that a pattern binds: `a`, or `a` and `b` of `{ a, b }`. */
function boundBy(pattern: SyntaxNode): string[] {
  if (pattern.type === 'Identifier') return [pattern.value as string]
  return [...childrenOf(pattern)].filter(([field]) => field !== 'init').flatMap(([, child]) => boundBy(child))
}

function nameOf(name: unknown): string {
  return typeof name === 'string' ? name : ((name as SyntaxNode).value as string)
}

function leftmost(name: SyntaxNode): string {
  return isNode(name.left) ? leftmost(name.left) : nameOf(name)
}

/** The file that a relative import means: for a built file of `dist/`, its source. */
function pathOf({ path }: SourceFile, source: unknown): string | undefined {
  const specifier = literal(source)
  if (specifier?.startsWith('.') !== true) return undefined
  const target = posix.join(posix.dirname(path), specifier)
  return target.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts')
}

function add(set: Set<string>, path: string | undefined): void {
  if (path !== undefined) set.add(path)
}

function visit({ body }: Parsed, see: (node: SyntaxNode) => void): void {
  const walk = (node: SyntaxNode): void => {
    see(node)
    for (const [, child] of childrenOf(node)) walk(child)
  }
  body.forEach(walk)
}
