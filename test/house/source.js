import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { parseSync } from '@swc/core'
/** Every file below a folder whose name ends in `ending`, sorted; none if there is no such folder. */
export function readSources(root, folder, ending) {
  let names
  try {
    names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}
export function parse(file) {
  // A statement of our own in front: spans count bytes from an origin that moves with every parse, and the
  // first node is where a file begins only if no comment precedes it. A `#!` line must not stand second.
  const text = `;${file.text.replace(/^#!/, '//')}`
  const bytes = Buffer.from(text)
  const tree = parseSync(text, { syntax: 'typescript', decorators: true, target: 'es2023' })
  const body = tree.body
  const origin = startOf(body[0])
  const before = (node) => bytes.subarray(1, startOf(node) - origin).toString()
  return { file, body: body.slice(1), before, lineOf: (node) => before(node).split('\n').length }
}
function startOf(node) {
  return node.span.start
}
export function isNode(value) {
  return typeof value === 'object' && value !== null && typeof value.type === 'string'
}
/** All direct children of a node, with the name of the field they stand in. */
export function* childrenOf(node) {
  for (const [field, value] of Object.entries(node)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (isNode(item)) yield [field, item]
      // Arguments and a few others are wrapped in objects without a type.
      else if (typeof item === 'object' && item !== null) yield* childrenOf(item)
    }
  }
}
/** The text of a string literal, also one written as a template without holes. */
export function literal(node) {
  if (!isNode(node)) return undefined
  if (node.type === 'StringLiteral') return node.value
  if (node.type === 'TsLiteralType') return literal(node.literal)
  const quasis = node.type === 'TemplateLiteral' ? node.quasis : []
  return quasis.length === 1 ? quasis[0]?.cooked : undefined
}
