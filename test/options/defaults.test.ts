import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { option, type Schema, within } from '../../src/middleware/options/schema.js'
import { rateLimiterOptions } from '../../src/middleware/rate-limiter.js'
import { demandOptions } from '../../src/middleware/roles/demand.js'
import { healthOptions } from '../../src/observability/health/health.js'
import { loggingOptions } from '../../src/observability/logging/logging.js'
import { metricsOptions } from '../../src/observability/metrics/metrics.js'
import { statsOptions } from '../../src/observability/stats/stats.js'
import { tracingOptions } from '../../src/observability/tracing/tracing.js'
import { optionsSchema } from '../../src/options/index.js'
import { webhookOptions } from '../../src/webhook/options.js'

/* Checked options contain the defaults of their schema; the docstrings of the types repeat them for readers. */

/** Where the type of some options is declared, and their schema. */
const TYPES: readonly (readonly [path: string, name: string, schema: Schema])[] = [
  ['options/schema', 'SentinelOptions', optionsSchema],
  ['middleware/auth', 'AuthOptions', optionsSchema.shape.auth],
  ['middleware/block', 'BlockOptions', optionsSchema.shape.block],
  ['middleware/concurrency', 'ConcurrencyOptions', optionsSchema.shape.concurrency],
  ['middleware/debounce', 'DebounceOptions', optionsSchema.shape.debounce],
  ['middleware/exempt/exemptions', 'ExemptOptions', optionsSchema.shape.exempt],
  ['middleware/membership', 'MembershipOptions', optionsSchema.shape.membership],
  ['middleware/once', 'OnceOptions', optionsSchema.shape.once],
  ['middleware/rate-limiter', 'RateLimiterOptions', rateLimiterOptions],
  ['middleware/refusing/notices', 'NoticeOptions', optionsSchema.shape.notices],
  ['middleware/require', 'RequireOptions', demandOptions],
  ['middleware/throttle', 'ThrottleOptions', optionsSchema.shape.throttle],
  ['middleware/throttle/adapt', 'AdaptOptions', within(optionsSchema.shape.throttle, 'adapt')[0] as Schema],
  ['observability/health/health', 'HealthOptions', healthOptions],
  ['observability/logging/logging', 'LoggingOptions', loggingOptions],
  ['observability/metrics/metrics', 'MetricsOptions', metricsOptions],
  ['observability/stats/stats', 'StatsOptions', statsOptions],
  ['observability/tracing/tracing', 'TracingOptions', tracingOptions],
  ['outgoing/options', 'OutgoingOptions', optionsSchema.shape.outgoing],
  ['policies/policy-options', 'PolicyOptions', within(optionsSchema.shape.policies, 'any')[0] as Schema],
  ['settings/settings-options', 'SettingsOptions', optionsSchema.shape.settings],
  ['webhook/options', 'WebhookOptions', webhookOptions],
]

/** The members of an interface, nested ones too, with the text after `@default`. */
function documented(source: string, name: string): { path: readonly string[]; words: string | undefined }[] {
  const [, body = ''] = new RegExp(`^export interface ${name}\\b([\\s\\S]*?)^}`, 'm').exec(source) ?? []
  const open: { readonly indent: number; readonly name: string }[] = []
  return [...body.matchAll(/^( *)\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+readonly (\$?\w+)/gm)].map((member) => {
    const [, { length: indent } = '', doc = '', own = ''] = member
    while ((open.at(-1)?.indent ?? -1) >= indent) open.pop()
    open.push({ indent, name: own })
    const words = doc.replace(/\s*\n\s*\*\s?/g, ' ').split('@default ')[1]
    return { path: open.map((one) => one.name), words: words?.trim() }
  })
}

/** The value at the beginning of a text; undefined if it begins with words, or if the value depends on something. */
function literalIn(words = ''): unknown {
  const [text] = /^('[^']*'|\[.*\]|\{.*\}|[\d_,.]*\d|true|false)(?!\S*;)/.exec(words) ?? []
  if (text === undefined) return undefined
  const json = text.replaceAll("'", '"').replace(/(\w+):/g, '"$1":')
  return JSON.parse(/^\d/.test(json) ? json.replace(/[_,]/g, '') : json.replace(/,(?=\s*[}\]])/g, ''))
}

function defaultIn(schema: Schema, path: readonly string[]): unknown {
  const schemas = path.reduce<readonly Schema[]>(
    (from, name) => from.flatMap((one) => within(one, name)),
    [schema],
  )
  if (schemas.length === 0) throw new Error(`there is no option ${path.join('.')}`)
  const [own] = schemas.flatMap(({ _zod: { def } }) => ('defaultValue' in def ? [def.defaultValue] : []))
  return own
}

/** What the docstrings of a type say about defaults, and what its schema says, where they differ. */
function differences(source: string, name: string, schema: Schema): string[] {
  const members = documented(source, name)
  if (members.length === 0) throw new Error(`there is no interface ${name}`)
  return members.flatMap(({ path, words }) => {
    const [said, filled] = [literalIn(words), defaultIn(schema, path)].map((value) => JSON.stringify(value))
    // For an option with options, the default says only that each of them has its own.
    return said === filled || (said === undefined && filled === '{}')
      ? []
      : [`${name}.${path.join('.')}: @default ${words}, but its schema says ${filled}`]
  })
}

test.each(TYPES)('the docstrings in %s name the defaults of the schema of %s', (path, name, schema) => {
  expect(differences(readFileSync(`src/${path}.ts`, 'utf8'), name, schema)).toEqual([])
})

test('a docstring that names another default is found', () => {
  const schema = z.strictObject({
    most: option(z.number(), 'Most.', 1000),
    words: option(z.array(z.string()), 'Words.', ['a']),
    inner: option(z.strictObject({ on: option(z.boolean(), 'On.', true) }), 'More.', {}),
    own: option(z.string(), 'Own.'),
  })
  const source = (most: string, words: string, on: string, own: string): string => `
export interface Some {
  /** Most. @default ${most} */
  readonly most?: number
  /**
   * Words.
   * @default ${words}
   */
  readonly words?: readonly string[]
  /** More. */
  readonly inner?:
    | {
        /** On. @default ${on} */
        readonly on?: boolean
      }
    | undefined
  /** Own. @default ${own} */
  readonly own?: string
}
`
  expect(differences(source('1,000', `['a']`, 'true', 'none'), 'Some', schema)).toEqual([])
  expect(differences(source('1_000, many', `['a']`, 'true: on', `'a'; or 'b'`), 'Some', schema)).toEqual([])
  expect(differences(source('100', `['b']`, 'false', `'a'`), 'Some', schema)).toEqual([
    'Some.most: @default 100, but its schema says 1000',
    `Some.words: @default ['b'], but its schema says ["a"]`,
    'Some.inner.on: @default false, but its schema says true',
    `Some.own: @default 'a', but its schema says undefined`,
  ])
  expect(() => differences('', 'Some', schema)).toThrow('no interface Some')
  expect(() => differences(source('1', '', '', ''), 'Some', z.strictObject({}))).toThrow('no option most')
})
