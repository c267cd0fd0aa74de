import fc from 'fast-check'
import { z } from 'zod'
import { exactDuration } from '../../src/core/duration.js'
import { formatLimit } from '../../src/core/limit.js'
import { DEFAULTS, optionsSchema } from '../../src/options/index.js'

describe('the schema for editors', () => {
  interface Json {
    readonly type?: string
    readonly description?: string
    readonly default?: unknown
    readonly pattern?: string
    readonly not?: object
    readonly anyOf?: readonly Json[]
    readonly properties?: Readonly<Record<string, Json>>
  }
  const schema = z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' }) as Json
  const at = (name: string, from = schema): Json => {
    const forms = [from, ...(from.anyOf ?? [])]
    const found = forms.map((form) => form.properties?.[name]).find((held) => held !== undefined)
    if (found === undefined) throw new Error(`there is no ${name}`)
    return found
  }
  const textOf = (from: Json): RegExp => {
    const forms = [from, ...(from.anyOf ?? []), ...(from.anyOf ?? []).flatMap((form) => form.anyOf ?? [])]
    return new RegExp(forms.find(({ pattern }) => pattern !== undefined)?.pattern ?? '^$')
  }

  test('describes every option and its actual default', () => {
    for (const [name, option] of Object.entries(schema.properties ?? {})) {
      expect(`${name}: ${option.description ?? ''}`).toMatch(/: .+\.$/)
    }
    for (const name of ['block', 'once', 'auth', 'throttle', 'debounce', 'membership', 'shadow'] as const) {
      expect([name, at(name).default]).toEqual([name, DEFAULTS[name]])
    }
    expect(at('noticeEvery', at('throttle').anyOf?.[2]).default).toBe('1m')
  })

  test('accepts every limit and duration that is formatted as a text', () => {
    const limits = textOf(at('otherwise', at('throttle').anyOf?.[2]))
    const durations = textOf(at('for', at('once')))
    for (const text of ['20/1m', '5/s', '60/1m (burst 30)', '1/1h30m']) expect(text).toMatch(limits)
    for (const text of ['20', '20/x', '/1m', 'm/20']) expect(text).not.toMatch(limits)
    for (const text of ['10', '-1s', 's', '1 day']) expect(text).not.toMatch(durations)
    const whole = fc.integer({ min: 1, max: 100_000 })
    fc.assert(
      fc.property(whole, fc.integer({ min: 1, max: 31_622_400_000 }), whole, (amount, per, burst) => {
        expect(formatLimit({ amount, per, burst })).toMatch(limits)
        expect(exactDuration(per)).toMatch(durations)
      }),
    )
  })

  test('rejects options that can only be set in code', () => {
    for (const name of ['storage', 'clock', 'timers']) expect(at(name).not).toEqual({})
    expect(at('key', at('throttle').anyOf?.[2]).not).toEqual({})
  })
})
