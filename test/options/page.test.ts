import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { ACTIVITIES } from '../../src/core/kinds.js'
import { fromEnv, optionsSchema } from '../../src/options/index.js'

/* The options page is generated from the schema, so that it stays up to date. */

const PAGE = 'docs/options.md'
const BEGIN =
  '<!-- Written by test/options/page.test.ts. To write it anew: UPDATE=1 npm run unit -- options/page -->'
const END = '<!-- End of what was written. -->'

interface Json {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly string[]
  readonly examples?: readonly string[]
  readonly not?: object
  readonly anyOf?: readonly Json[]
  readonly items?: Json
  readonly properties?: Readonly<Record<string, Json>>
  readonly additionalProperties?: Json | boolean
}

interface Row {
  readonly path: readonly string[]
  readonly option: Json
}

const schema = z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' }) as Json

function formsOf(option: Json): readonly Json[] {
  return option.anyOf === undefined ? [option] : option.anyOf.flatMap(formsOf)
}

/** An option that is written as a text, though it may be an object too. */
function partOf(option: Json): string | undefined {
  const forms = formsOf(option)
  if (forms.some(({ examples }) => examples?.includes('20/1m'))) return 'limit'
  if (forms.some(({ examples }) => examples?.includes('10s'))) return 'duration'
  return forms.some(({ properties }) => properties?.actor !== undefined) ? 'subject' : undefined
}

function objectsOf(option: Json): readonly Readonly<Record<string, Json>>[] {
  // The object of a limit is not an object of options.
  const maps = formsOf(option).map(({ properties }) => properties)
  return maps.filter(
    (map) => map !== undefined && map.amount === undefined && map.actor === undefined,
  ) as Readonly<Record<string, Json>>[]
}

function rowsOf(option: Json, path: readonly string[]): Row[] {
  const [own] = objectsOf(option)
  return Object.entries(own ?? {}).flatMap(([name, inner]) => {
    const row = { path: [...path, name], option: inner }
    return [row, ...(path.length > 0 ? rowsOf(inner, row.path) : [])]
  })
}

function takes(option: Json): string {
  const forms = formsOf(option)
  const part = partOf(option)
  const words = forms.flatMap((form): string[] => {
    if (form.not !== undefined) return ['function']
    if (form.const !== undefined) return [`\`${JSON.stringify(form.const)}\``]
    if (form.enum?.length === ACTIVITIES.length) return ['activity']
    if (form.enum !== undefined) return form.enum.map((word) => `\`${JSON.stringify(word)}\``)
    if (form.type === 'array') return [`list of ${plural(takes(form.items ?? {}))}`]
    if (form.type === 'boolean') return ['`true`', '`false`']
    if (form.properties !== undefined && partOf(form) === undefined && form.properties.amount === undefined)
      return ['options']
    if (form.type === 'object' && typeof form.additionalProperties === 'object') {
      const held = takes(form.additionalProperties)
      return [`${plural(held)} by name`]
    }
    return part === undefined ? [form.type === 'string' ? 'text' : (form.type ?? 'anything')] : [part]
  })
  const others = words.filter((word) => word !== 'function')
  return [...new Set([...others, ...words])].join(', ')
}

function plural(word: string): string {
  return /^[a-z]+[^s]$/.test(word) ? `${word}s`.replace(/ys$/, 'ies') : word
}

function variableOf(path: readonly string[]): string {
  const names = path.map((name) => name.replace(/[A-Z]/g, '_$&').toUpperCase())
  return ['SENTINEL', ...names].join('__')
}

function isCodeOnly(option: Json): boolean {
  return formsOf(option).every(({ not }) => not !== undefined)
}

function table(rows: readonly Row[], depth: number): string {
  const cells = rows.map(({ path, option }) => [
    `\`${path.slice(depth).join('.')}\``,
    isCodeOnly(option) ? 'in code only' : takes(option),
    option.default === undefined ? '' : `\`${JSON.stringify(option.default)}\``,
    isCodeOnly(option) ? '' : `\`${variableOf(path)}\``,
    (option.description ?? '').replaceAll('|', '\\|'),
  ])
  const head = ['Option', 'Takes', 'Default', 'Variable', 'Meaning']
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => (row[column] as string).length)),
  )
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...cells.map(line)].join(
    '\n',
  )
}

/** All options that have an environment variable, and those that have none. */
const all = rowsOf(schema, []).filter(({ path }) => path[0] !== '$schema')

function written(): string {
  const groups = all.filter(({ option }) => objectsOf(option).length > 0)
  return [
    table(all, 0),
    ...groups.map(({ path, option }) => `## ${path[0]}\n\n${table(rowsOf(option, path), 1)}`),
  ].join('\n\n')
}

describe('the options page', () => {
  test('matches the schema', () => {
    const page = readFileSync(PAGE, 'utf8')
    const [before, rest] = page.split(`${BEGIN}\n`)
    const after = rest?.split(END)[1]
    if (before === undefined || after === undefined)
      throw new Error(`${PAGE} has lost its marks: ${BEGIN} … ${END}`)
    const fresh = `${before}${BEGIN}\n\n${written()}\n\n${END}${after}`
    if (process.env.UPDATE === '1') writeFileSync(PAGE, fresh)
    else expect(page).toBe(fresh)
  })

  test('describes every option', () => {
    const rows = all.flatMap((row) => [row, ...rowsOf(row.option, row.path)])
    const silent = rows.filter(
      ({ path, option }) => path[1] !== 'texts' && !/\.$/.test(option.description ?? ''),
    )
    expect(silent.map(({ path }) => path.join('.'))).toEqual([])
    expect(rows.length).toBeGreaterThan(60)
  })

  test('names environment variables that accept the documented defaults', () => {
    const rows = all.flatMap((row) => [row, ...rowsOf(row.option, row.path)])
    const plain = rows.filter(({ option }) => ['string', 'number', 'boolean'].includes(typeof option.default))
    expect(plain.length).toBeGreaterThan(20)
    for (const { path, option } of plain) {
      const options: unknown = fromEnv({ [variableOf(path)]: String(option.default) })
      const held = path.reduce<unknown>((from, name) => Reflect.get(Object(from), name), options)
      expect([path.join('.'), held]).toEqual([path.join('.'), option.default])
    }
  })
})
