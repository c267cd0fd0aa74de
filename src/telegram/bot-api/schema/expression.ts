/** A type in the generated files, which use this subset of TypeScript's notation. */
export type Expression =
  | { readonly kind: 'string' | 'number' | 'boolean' | 'file' | 'never' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly of: Expression }
  | { readonly kind: 'union' | 'both'; readonly of: readonly Expression[] }
  | { readonly kind: 'object'; readonly fields: readonly Field[] }

export interface Field {
  readonly name: string
  readonly optional: boolean
  readonly type: Expression
}

const TOKEN = /\s*(?:('(?:[^'])*')|([\w.]+)|([{}()[\]|&:;?]))/gy
const SIMPLE = new Map<string, Expression>([
  ['string', { kind: 'string' }],
  ['number', { kind: 'number' }],
  ['boolean', { kind: 'boolean' }],
  ['never', { kind: 'never' }],
  ['InputFile', { kind: 'file' }],
  ['true', { kind: 'literal', value: true }],
  ['false', { kind: 'literal', value: false }],
])

/** Parses a generated type, such as `User & { is_bot: true; names?: string[] }`. */
export function parseExpression(text: string): Expression {
  const tokens = [...text.matchAll(TOKEN)].map(([token]) => token.trim())
  let at = 0
  const take = (): string => tokens[at++] ?? ''
  const skip = (token: string): boolean => {
    if (tokens[at] !== token) return false
    at++
    return true
  }

  const severalOf = (kind: 'union' | 'both', separator: string, one: () => Expression): Expression => {
    const parts = [one()]
    while (skip(separator)) parts.push(one())
    return parts.length === 1 ? (parts[0] as Expression) : { kind, of: parts }
  }
  const union = (): Expression => severalOf('union', '|', both)
  const both = (): Expression => severalOf('both', '&', list)
  const list = (): Expression => {
    let expression = single()
    while (skip('[')) {
      skip(']')
      expression = { kind: 'list', of: expression }
    }
    return expression
  }
  const single = (): Expression => {
    const token = take()
    if (token === '{') return { kind: 'object', fields: fields() }
    if (token === '(') {
      const inner = union()
      skip(')')
      return inner
    }
    const simple = SIMPLE.get(token)
    if (simple !== undefined) return simple
    if (token.startsWith("'")) return { kind: 'literal', value: token.slice(1, -1) }
    return /^\d/.test(token) ? { kind: 'literal', value: Number(token) } : { kind: 'name', name: token }
  }
  const fields = (): Field[] => {
    const found: Field[] = []
    while (!skip('}')) {
      const name = take()
      const optional = skip('?')
      skip(':')
      found.push({ name, optional, type: union() })
      skip(';')
    }
    return found
  }

  const expression = union()
  if (at < tokens.length || tokens.join('') !== text.replace(/\s+/g, ''))
    throw new Error(`the generated type cannot be read: ${text.slice(0, 100)}`)
  return expression
}
