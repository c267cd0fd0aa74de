import fc from 'fast-check'
import { layer, type SentinelOptions } from '../../src/options/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { refusal, wrong } from './refusal.js'

describe('layer', () => {
  test('lets the later options win, key by key', () => {
    expect(
      layer(
        { throttle: '20/1m', exempt: { users: [1, 2], chatAdmins: true } },
        { throttle: { scope: 'chat' }, exempt: { users: [3] } },
        { throttle: { limit: '5/1s', scope: undefined as unknown as 'user' } },
      ),
    ).toEqual({ throttle: { limit: '5/1s', scope: 'chat' }, exempt: { users: [3], chatAdmins: true } })
  })

  test('replaces limits and subjects as a whole, and options that were turned off', () => {
    expect(
      layer({ throttle: { amount: 9, per: '1m', burst: 3 } }, { throttle: { amount: 5, per: 1 } }),
    ).toEqual({
      throttle: { limit: { amount: 5, per: 1 } },
    })
    const chat = { kind: 'chat', id: -100, name: '' } as const
    const member = { kind: 'member', id: -100, name: '', actor: { kind: 'user', id: 1, name: '' } } as const
    expect(layer({ exempt: { owner: member } }, { exempt: { owner: chat } }).exempt?.owner).toEqual(chat)
    const off: SentinelOptions = { throttle: false }
    const on: SentinelOptions = { throttle: { scope: 'chat' } }
    expect(layer({ throttle: '1/1s' }, off, on)).toEqual({ throttle: { scope: 'chat' } })
    expect(layer({ throttle: '1/1s' }, layer(off, on))).toEqual({ throttle: { scope: 'chat' } })
  })

  test('does not change its arguments, and passes a storage on unchanged', () => {
    const storage = { ...memory() }
    const under = Object.freeze({ throttle: Object.freeze({ scope: 'chat' as const }), storage: memory() })
    expect(layer(under, { throttle: '1/1s', storage }).storage).toBe(storage)
    expect(refusal(() => layer(null as unknown as SentinelOptions))).toMatch(
      /^option\.invalid options: null is wrong/,
    )
  })

  const names = ['throttle', 'debounce', 'limit', 'per', 'kind', 'x', '__proto__', 'constructor', 'prototype']
  const { tree } = fc.letrec<{ tree: object; value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(false, undefined, null, 1, '20/1m'),
      fc.array(fc.integer(), { maxLength: 2 }),
      tie('tree'),
    ),
    tree: fc
      .array(fc.tuple(fc.constantFrom(...names), tie('value')), { maxLength: 5 })
      .map((entries): object => Object.fromEntries(entries)),
  }))
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, held: unknown) =>
      typeof held === 'object' && held !== null && !Array.isArray(held)
        ? Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1))
        : held,
    )

  test('is associative', () => {
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        const all = text(layer(a, b, c))
        expect(text(layer(layer(a, b), c))).toBe(all)
        expect(text(layer(a, layer(b, c)))).toBe(all)
      }),
      { numRuns: 2000 },
    )
  })

  test('does not pollute prototypes', () => {
    const clean = (): boolean =>
      Object.keys(Object.prototype).length === 0 &&
      !('x' in {}) &&
      Object.keys(Object).length === 0 &&
      Object.getPrototypeOf(layer()) === Object.prototype
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const layered = layer(a, b)
        return Object.getPrototypeOf(layered) === Object.prototype && clean()
      }),
    )
    const file: unknown = JSON.parse('{ "__proto__": { "shadow": true }, "constructor": { "x": 1 } }')
    expect(wrong(file)).toMatch(/^option\.unknown /)
    expect(layer(file as SentinelOptions).shadow).toBeUndefined()
    expect(clean()).toBe(true)
  })
})
