// Removes from the built files what only editors need: descriptions of options, and annotations for the JSON Schema. All of them are
// in options.schema.json by then. They are a thirtieth of the code that every bot would load. Defaults stay: the code reads them.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseSync } from '@swc/core'

/**
 * Removes the descriptions of options from the files of a build; returns how many were removed.
 *
 * @param files Paths of all files.
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
    for (const [start, end, instead = ''] of cuts) {
      kept.push(bytes.subarray(from, start), Buffer.from(instead))
      from = end
    }
    kept.push(bytes.subarray(from))
    writeFileSync(file, Buffer.concat(kept))
  }
  return found
}

/** Returns the byte ranges of descriptions in order, and what replaces them: `.meta(…)` of a schema, the second argument of `option()`. */
function descriptionsIn(text) {
  const { body, span } = parseSync(text, { syntax: 'ecmascript', target: 'es2023' })
  // swc counts in bytes from the start of the program, and its span excludes what precedes the first statement.
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
        const [{ expression: schema }, { expression: description }, usual] = given
        visit(schema)
        // A default is the third argument, so an empty text takes the place of the description before it.
        if (usual === undefined) cuts.push([schema.span.end - offset, node.span.end - 1 - offset])
        else cuts.push([description.span.start - offset, description.span.end - offset, "''"])
        return
      }
    }
    for (const [key, child] of Object.entries(node)) if (key !== 'span') visit(child)
  }
  visit(body)
  return cuts.sort(([one], [other]) => one - other)
}

/** Whether a statement imports or declares `option()`. */
function isOption({ type, source, specifiers, declaration }) {
  if (type === 'ExportDeclaration') return declaration.identifier?.value === 'option'
  return (
    type === 'ImportDeclaration' &&
    source.value.endsWith('/schema.js') &&
    specifiers.some(({ local }) => local.value === 'option')
  )
}
