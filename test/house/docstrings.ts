import { posix } from 'node:path'
import { isNode, literal, type Parsed, parse, type SourceFile, type SyntaxNode } from './source.js'

/** A symbol that an entry point exports, and where it is declared. */
export interface Exported {
  readonly name: string
  readonly path: string
  readonly line: number
  /** The docstring without its stars; undefined if there is none. */
  readonly doc: string | undefined
}

/** A block of TypeScript in a docstring or a page. */
export interface Snippet {
  readonly path: string
  /** The line its code begins on. */
  readonly line: number
  readonly code: string
  /** Why the block is not compiled; only pages may say so. */
  readonly unchecked?: string
}

/** Everything an entry point exports under our own name, through any number of re-exports. */
export function exportsOf(entry: string, files: readonly SourceFile[]): Exported[] {
  const parsed = new Map<string, Parsed>()
  const load = (path: string): Parsed => {
    const file = files.find((candidate) => candidate.path === path)
    if (file === undefined) throw new Error(`${path}: exported from ${entry}, but there is no such file`)
    const tree = parsed.get(path) ?? parse(file)
    parsed.set(path, tree)
    return tree
  }
  return [...new Map(collect(entry, load).map((symbol) => [symbol.name, symbol])).values()]
}

/** What is missing in the documentation of a symbol; undefined if it is complete. */
export function lackOf({ name, path, line, doc }: Exported): string | undefined {
  if (doc === undefined) return `${path}:${line}: ${name} has no docstring`
  const examples = doc.split(/^\s*@example\b/m).slice(1)
  if (examples.length === 0) return `${path}:${line}: ${name} has no @example`
  // An example ends at the next tag.
  const shown = examples.some((text) => /^\s*```ts\s*$/m.test(text.split(/^\s*@(?!example)[a-z]+/m)[0] ?? ''))
  return shown ? undefined : `${path}:${line}: the @example of ${name} has no \`\`\`ts block`
}

function collect(path: string, load: (path: string) => Parsed): Exported[] {
  const tree = load(path)
  const resolve = (specifier: string): string | undefined =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts') : undefined
  const found: Exported[] = []
  for (const node of tree.body) {
    const target = isNode(node.source) ? resolve(literal(node.source) as string) : undefined
    if (node.type === 'ExportAllDeclaration') {
      if (target !== undefined) found.push(...collect(target, load).filter(({ name }) => name !== 'default'))
    } else if (node.type === 'ExportNamedDeclaration') {
      for (const specifier of node.specifiers as SyntaxNode[]) {
        if (specifier.type === 'ExportNamespaceSpecifier') {
          found.push(documented(nameOf(specifier.name), [node], tree))
          continue
        }
        const own = nameOf(specifier.orig)
        const name = isNode(specifier.exported) ? nameOf(specifier.exported) : own
        if (!isNode(node.source)) found.push(...local(own, name, tree, resolve, load))
        else if (target !== undefined) found.push(...renamed(collect(target, load), own, name, target))
      }
    } else if (node.type === 'ExportDeclaration') {
      for (const name of declaredBy(node.declaration as SyntaxNode)) {
        found.push(documented(name, overloads(name, tree), tree))
      }
    } else if (node.type === 'ExportDefaultDeclaration' || node.type === 'ExportDefaultExpression') {
      found.push(documented('default', [node], tree))
    }
  }
  return found
}

/** `export { own as name }`: declared here, or imported. */
function local(
  own: string,
  name: string,
  tree: Parsed,
  resolve: (specifier: string) => string | undefined,
  load: (path: string) => Parsed,
): Exported[] {
  for (const node of tree.body.filter(({ type }) => type === 'ImportDeclaration')) {
    for (const specifier of node.specifiers as SyntaxNode[]) {
      if (nameOf(specifier.local) !== own) continue
      const target = resolve(literal(node.source) as string)
      if (target === undefined) return []
      const original = isNode(specifier.imported) ? nameOf(specifier.imported) : own
      const wanted = specifier.type === 'ImportDefaultSpecifier' ? 'default' : original
      return renamed(collect(target, load), wanted, name, target)
    }
  }
  return [documented(name, overloads(own, tree), tree)]
}

function renamed(symbols: readonly Exported[], own: string, name: string, path: string): Exported[] {
  const symbol = symbols.find((candidate) => candidate.name === own)
  return [symbol === undefined ? { name, path, line: 1, doc: undefined } : { ...symbol, name }]
}

function nameOf(node: unknown): string {
  return String((node as SyntaxNode).value)
}

/** The names that a declaration declares; more than one only for variables. */
function declaredBy(node: SyntaxNode): string[] {
  if (node.type === 'VariableDeclaration') {
    return (node.declarations as { id: SyntaxNode }[]).map(({ id }) => {
      if (id.type !== 'Identifier') throw new Error('a pattern is exported; name each variable')
      return nameOf(id)
    })
  }
  const id = node.identifier ?? node.id
  return isNode(id) ? [nameOf(id)] : []
}

/** All declarations of a name: overloads, and a type beside a value. One docstring serves them. */
function overloads(name: string, tree: Parsed): SyntaxNode[] {
  return tree.body.filter((node) =>
    declaredBy(node.type === 'ExportDeclaration' ? (node.declaration as SyntaxNode) : node).includes(name),
  )
}

function documented(name: string, nodes: readonly SyntaxNode[], tree: Parsed): Exported {
  const docs = nodes.map((node) => docOf(node, tree)).filter((doc) => doc !== undefined)
  const line = nodes[0] === undefined ? 1 : tree.lineOf(nodes[0])
  return { name, path: tree.file.path, line, doc: docs.length === 0 ? undefined : docs.join('\n') }
}

function docOf(node: SyntaxNode, tree: Parsed): string | undefined {
  // Decorators stand between the docstring and what swc counts as the declaration.
  const declaration = node.declaration as SyntaxNode | undefined
  const decorators = declaration?.decorators as SyntaxNode[] | undefined
  const match = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(tree.before(decorators?.[0] ?? node))
  return match?.[1]?.replace(/^[ \t]*\*[ \t]?/gm, '')
}

const FENCE = /^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n`]*)$/

/** Every block of TypeScript in a text, with the lines it stands on. */
function blocksOf(path: string, lines: readonly string[], firstLine: number): Snippet[] {
  const found: Snippet[] = []
  let open: { indent: number; fence: string; info: string; line: number; code: string[] } | undefined
  lines.forEach((text, i) => {
    const match = FENCE.exec(text)
    if (open === undefined) {
      if (match === null) return
      const [, indent = '', fence = '', info = ''] = match
      open = { indent: indent.length, fence, info: info.trim(), line: firstLine + i + 1, code: [] }
    } else if (match?.[2]?.startsWith(open.fence) && match[3]?.trim() === '') {
      const [language, ...rest] = open.info.split(/\s+/)
      if (/^(ts|tsx|mts|typescript)$/i.test(language as string)) {
        const snippet = { path, line: open.line, code: open.code.join('\n') }
        found.push(rest.length === 0 ? snippet : { ...snippet, unchecked: rest.join(' ') })
      }
      open = undefined
    } else {
      const { indent, code } = open
      code.push(text.slice(0, indent).trim() === '' ? text.slice(indent) : text)
    }
  })
  if (open !== undefined) throw new Error(`${path}:${open.line - 1}: a fence is opened and never closed`)
  return found
}

export function snippetsOfPage({ path, text }: SourceFile): Snippet[] {
  return blocksOf(path, text.split('\n'), 1)
}

/** The blocks in all docstrings of a source file, exported or not: all examples have to compile. */
export function snippetsOfSource({ path, text }: SourceFile): Snippet[] {
  return [...text.matchAll(/^[ \t]*\/\*\*((?:(?!\*\/)[\s\S])*)\*\//gm)].flatMap((match) => {
    const firstLine = text.slice(0, match.index).split('\n').length
    const lines = (match[1] as string).split('\n').map((line) => line.replace(/^[ \t]*\*[ \t]?/, ''))
    return blocksOf(path, lines, firstLine)
  })
}

/** The problem with the words after ```ts, if any: only pages may have some, namely `no-check` and a reason. */
export function fenceProblem({ path, line, unchecked }: Snippet): string | undefined {
  if (unchecked === undefined) return undefined
  if (!path.endsWith('.md'))
    return `${path}:${line}: a docstring's example must be compiled: write \`\`\`ts alone`
  if (/^no-check\s+\S{2,}/.test(unchecked)) return undefined
  return `${path}:${line}: "${unchecked}" after \`\`\`ts: write "no-check" and the reason, or nothing`
}
