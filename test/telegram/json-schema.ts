import type { JsonSchema } from '../../src/telegram/bot-api/schema/openapi.js'

/** Returns every `$ref` in a document. */
export function refsIn(value: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return found
  for (const [key, inner] of Object.entries(value))
    if (key === '$ref' && typeof inner === 'string') found.add(inner)
    else refsIn(inner, found)
  return found
}

/** Returns the problems of a value, by the part of JSON Schema that our documents use; unknown keywords are problems. */
export function problemsOf(
  value: unknown,
  schema: JsonSchema,
  schemas: Readonly<Record<string, JsonSchema>>,
  at = '$',
): string[] {
  const problems: string[] = []
  for (const [keyword, wanted] of Object.entries(schema)) {
    switch (keyword) {
      case '$ref': {
        const named = schemas[String(wanted).replace('#/components/schemas/', '')]
        problems.push(
          ...(named === undefined ? [`${at}: no ${wanted}`] : problemsOf(value, named, schemas, at)),
        )
        break
      }
      case 'type':
        if (!isOf(String(wanted), value)) problems.push(`${at} is not a ${wanted}`)
        break
      case 'const':
        if (value !== wanted) problems.push(`${at} is not ${JSON.stringify(wanted)}`)
        break
      case 'enum':
        if (!(wanted as unknown[]).includes(value)) problems.push(`${at} is none of ${wanted}`)
        break
      case 'anyOf':
        if (!(wanted as JsonSchema[]).some((one) => problemsOf(value, one, schemas, at).length === 0))
          problems.push(`${at} fits nothing`)
        break
      case 'not':
        if (problemsOf(value, wanted as JsonSchema, schemas, at).length === 0) problems.push(`${at} is there`)
        break
      case 'items':
        if (Array.isArray(value))
          for (const [index, item] of value.entries())
            problems.push(...problemsOf(item, wanted as JsonSchema, schemas, `${at}[${index}]`))
        break
      case 'required':
        for (const name of wanted as string[])
          if (Reflect.get(Object(value), name) === undefined) problems.push(`${at}.${name} is missing`)
        break
      case 'properties':
        for (const [name, inner] of Object.entries(wanted as Record<string, JsonSchema>)) {
          const given: unknown = Reflect.get(Object(value), name)
          if (given !== undefined) problems.push(...problemsOf(given, inner, schemas, `${at}.${name}`))
        }
        break
      case 'description':
        break
      default:
        problems.push(`${at}: unknown keyword ${keyword}`)
    }
  }
  return problems
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}
