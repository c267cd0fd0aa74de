import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { parseSync } from '@swc/core'

/** A file under test: its path from the root of the repository, with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** A node of the syntax tree, as swc gives it. */
export type SyntaxNode = { readonly type: string } & Readonly<Record<string, unknown>>

/** A file, parsed. `lineOf` and `before` take nodes of this tree. */
export interface Parsed {
  readonly file: SourceFile
  readonly body: readonly SyntaxNode[]
  lineOf(node: unknown): number
  /** The text that stands before a node. */
  before(node: unknown): string
}

/** Every file below a folder whose name ends in `ending`, sorted; none if there is no such folder. */
export function readSources(root: string, folder: string, ending: string): SourceFile[] {
  let names: string[]
  try {
    names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

export function parse(file: SourceFile): Parsed {
  // An additional statement in front marks the start of the file: positions of swc have an offset that changes with every
  // call, and the first node may be preceded by a comment. A `#!` line is only valid at the very start.
  const text = `;${file.text.replace(/^#!/, '//')}`
  const bytes = Buffer.from(text)
  const tree = parseSync(text, { syntax: 'typescript', decorators: true, target: 'es2023' })
  const body = tree.body as unknown as SyntaxNode[]
  const origin = startOf(body[0])
  const before = (node: unknown): string => bytes.subarray(1, startOf(node) - origin).toString()
  return { file, body: body.slice(1), before, lineOf: (node) => before(node).split('\n').length }
}

function startOf(node: unknown): number {
  return (node as { span: { start: number } }).span.start
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'
}

/** All direct children of a node, with the name of the field they stand in. */
export function* childrenOf(node: object): Generator<[field: string, child: SyntaxNode]> {
  for (const [field, value] of Object.entries(node)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (isNode(item)) yield [field, item]
      // Arguments and a few others are wrapped in objects without a type.
      else if (typeof item === 'object' && item !== null) yield* childrenOf(item)
    }
  }
}

/** The text of a string literal, also one written as a template without holes. */
export function literal(node: unknown): string | undefined {
  if (!isNode(node)) return undefined
  if (node.type === 'StringLiteral') return node.value as string
  if (node.type === 'TsLiteralType') return literal(node.literal)
  const quasis = node.type === 'TemplateLiteral' ? (node.quasis as { cooked: string }[]) : []
  return quasis.length === 1 ? quasis[0]?.cooked : undefined
}
