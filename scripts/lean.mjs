// Takes out of the built files what only editors read: what options are for, what is usual, and how a schema of a file puts it. All of it
// is in options.schema.json by then. It is a thirtieth of what every bot would load.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseSync } from '@swc/core'

/**
 * Takes the descriptions of options out of the files that a build wrote; how many there were.
 *
 * @param files Paths of all of them.
 */
export function leaveOutDescriptions(files) {
  let found = 0
  for (const file of files) {
    if (!file.endsWith('.js')) continue
    const text = readFileSync(file, 'utf8')
    if (!/from '(zod|.*\/schema\.js)'/.test(text)) continue
    const cuts = descriptionsIn(text)
    if (cuts.length === 0) continue
    found += cuts.length
    const bytes = Buffer.from(text)
    const kept = []
    let from = 0
    for (const [start, end] of cuts) {
      kept.push(bytes.subarray(from, start))
      from = end
    }
    kept.push(bytes.subarray(from))
    writeFileSync(file, Buffer.concat(kept))
  }
  return found
}

/** Where they are, in bytes, in order: `.meta(…)` of a schema, and all but the first of what `option()` is given. */
function descriptionsIn(text) {
  const { body, span } = parseSync(text, { syntax: 'ecmascript', target: 'es2023' })
  // swc counts from where the program begins, in bytes; what stands before the first statement is not in its span.
  const offset = span.start - (Buffer.byteLength(text) - Buffer.byteLength(text.trimStart()))
  const options = body.some(isOption)
  const cuts = []
  const visit = (node) => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      for (const each of node) visit(each)
      return
    }
    if (node.type === 'CallExpression') {
      const { callee, arguments: given } = node
      if (callee.type === 'MemberExpression' && callee.property.value === 'meta') {
        visit(callee.object)
        cuts.push([callee.object.span.end - offset, node.span.end - offset])
        return
      }
      if (options && callee.value === 'option' && given.length > 1) {
        visit(given[0])
        cuts.push([given[0].expression.span.end - offset, node.span.end - 1 - offset])
        return
      }
    }
    for (const [key, child] of Object.entries(node)) if (key !== 'span') visit(child)
  }
  visit(body)
  return cuts.sort(([one], [other]) => one - other)
}

/** Whether a statement brings or makes `option()`. */
function isOption({ type, source, specifiers, declaration }) {
  if (type === 'ExportDeclaration') return declaration.identifier?.value === 'option'
  return (
    type === 'ImportDeclaration' &&
    source.value.endsWith('/schema.js') &&
    specifiers.some(({ local }) => local.value === 'option')
  )
}
