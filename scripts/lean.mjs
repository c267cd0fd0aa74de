// Takes out of the built files what only editors read: what options are for, which is in options.schema.json by then. It is a thirtieth of
// what every bot would load.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'

/** Where `option()` is made, and so what its second argument is. */
const MADE_IN = 'middleware/schema.js'

/**
 * Empties the descriptions of options in the files that a build wrote; how many there were.
 *
 * @param dist The folder they are in.
 * @param files Paths of all of them.
 */
export function leaveOutDescriptions(dist, files) {
  let found = 0
  for (const file of files) {
    if (!file.endsWith('.js') || file === join(dist, MADE_IN)) continue
    const text = readFileSync(file, 'utf8')
    if (!text.includes('schema.js') || !text.includes('option(')) continue
    const cuts = descriptionsIn(text)
    if (cuts.length === 0) continue
    found += cuts.length
    const bytes = Buffer.from(text)
    const kept = []
    let from = 0
    for (const [start, end] of cuts) {
      kept.push(bytes.subarray(from, start), Buffer.from("''"))
      from = end
    }
    kept.push(bytes.subarray(from))
    writeFileSync(file, Buffer.concat(kept))
  }
  return found
}

/** Where the second arguments of `option()` are that are texts, in bytes, in order. */
function descriptionsIn(text) {
  const { body, span } = parseSync(text, { syntax: 'ecmascript', target: 'es2023' })
  const bound = body.some(
    (node) =>
      node.type === 'ImportDeclaration' &&
      node.source.value.endsWith('/schema.js') &&
      node.specifiers.some(({ local }) => local.value === 'option'),
  )
  if (!bound) return []
  // swc counts from where the program begins, in bytes; what stands before the first statement is not in its span.
  const offset = span.start - (Buffer.byteLength(text) - Buffer.byteLength(text.trimStart()))
  const cuts = []
  const visit = (node) => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      for (const each of node) visit(each)
      return
    }
    if (
      node.type === 'CallExpression' &&
      node.callee.type === 'Identifier' &&
      node.callee.value === 'option'
    ) {
      const described = node.arguments[1]?.expression
      if (described?.type === 'StringLiteral') {
        cuts.push([described.span.start - offset, described.span.end - offset])
      }
    }
    for (const [key, child] of Object.entries(node)) if (key !== 'span') visit(child)
  }
  visit(body)
  return cuts.sort(([one], [other]) => one - other)
}
