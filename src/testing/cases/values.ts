import { pagesOf } from '../../storage/contract/pages.js'
import { matches, refuses, same } from '../expecting.js'
import type { Case, Stand } from '../stand.js'

async function keysOf({ storage }: Stand, space: string, size?: number): Promise<string[]> {
  const keys: string[] = []
  for await (const { entries } of pagesOf((from) => storage.values.scan(space, from, size))) {
    if (size !== undefined) same(entries.length <= size, true, `whether a page has ${size} at most`)
    keys.push(...entries.map(({ key }) => key))
  }
  return keys.sort()
}

/** Custom values, and sessions stored as values. */
export const valueCases: readonly Case[] = [
  {
    name: 'values are put, replaced, read and removed, by space and key',
    async run({ storage: { values } }) {
      same(await values.get('a', 'k'), undefined)
      await values.put('a', 'k', { first: true, gone: 1 })
      await values.put('a', 'k', { second: [1, 'two'] })
      await values.put('b', 'k', 'other')
      same(await values.get('a', 'k'), { second: [1, 'two'] })
      same(await values.get('b', 'k'), 'other')
      same(await values.get('a', 'K'), undefined)
      same(await values.remove('a', 'k'), true)
      same(await values.remove('a', 'k'), false)
      same(await values.get('a', 'k'), undefined)
      same(await values.get('b', 'k'), 'other')
    },
  },
  {
    name: 'a value is read as JSON represents it, whatever it contains and whatever its key',
    async run(stand) {
      const { values } = stand.storage
      const given: readonly unknown[] = [
        null,
        false,
        0,
        '',
        1.5e300,
        'text',
        '{"a":1}',
        'a\0b \u2028 🔑 \' " \\ \n',
        [],
        {},
        [[[]], [null, { '': { ' ': [] } }]],
        { a: { b: { c: ['d'] } }, ключ: '🔑', $set: 1, 'x.y': 2 },
        JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}'),
        Array.from({ length: 2000 }, (_, index) => ({ index, text: 'x'.repeat(40) })),
      ]
      const keys = [
        'k',
        '-100123',
        'a:b',
        '{a}',
        'q\'uote"',
        'back\\slash',
        '%_*?[a]',
        '🔑',
        'x'.repeat(512),
        ' ',
      ]
      for (const value of given) {
        await values.put('space: {s}*', 'key', value)
        same(await values.get('space: {s}*', 'key'), value)
      }
      for (const key of keys) await values.put('s', key, key)
      for (const key of keys) same(await values.get('s', key), key)
      same(await keysOf(stand, 's'), [...keys].sort())
      for (const key of keys) same(await values.remove('s', key), true)
      same(({} as { polluted?: unknown }).polluted, undefined)
    },
  },
  {
    name: 'changing a value after putting or reading it does not change the stored value',
    async run({ storage: { values } }) {
      const given = { list: [1] }
      await values.put('s', 'k', given)
      given.list.push(2)
      const read = (await values.get('s', 'k')) as { list: number[] }
      same(read, { list: [1] })
      read.list.push(3)
      same(await values.get('s', 'k'), { list: [1] })
    },
  },
  {
    name: 'a value lapses at exactly its end, and a later value does not inherit that end',
    async run(stand) {
      const { values } = stand.storage
      await values.put('s', 'k', 1, stand.now + 1000)
      await values.put('s', 'other', 1, stand.now + 1001)
      stand.now += 999
      same(await values.get('s', 'k'), 1)
      stand.now += 1
      same(await values.get('s', 'k'), undefined)
      same(await keysOf(stand, 's'), ['other'])
      same(await values.remove('s', 'k'), false)
      await values.put('s', 'other', 2)
      stand.now += 1_000_000
      same(await values.get('s', 'other'), 2)
      await values.put('s', 'other', 3, stand.now - 1)
      same(await values.get('s', 'other'), undefined)
    },
  },
  {
    name: 'a value whose end is infinite is kept forever, and read without an end',
    async run(stand) {
      const { values } = stand.storage
      await values.put('s', 'k', 1, Number.POSITIVE_INFINITY)
      stand.now += 1e12
      same(await values.get('s', 'k'), 1)
      same((await values.scan('s')).entries, [{ key: 'k', value: 1 }])
      await values.put('s', 'k', 2, stand.now + 1)
      if (values.touch !== undefined) await values.touch('s', 'k', Number.POSITIVE_INFINITY)
      else await values.put('s', 'k', 2, Number.POSITIVE_INFINITY)
      stand.now += 1
      same((await values.scan('s')).entries, [{ key: 'k', value: 2 }])
    },
  },
  {
    name: 'pages of values contain every value that stays, even while others are removed',
    async run(stand) {
      const { values } = stand.storage
      const keys = Array.from({ length: 25 }, (_, index) => `key ${index}`)
      for (const key of keys) await values.put('s', key, key)
      await values.put('s2', 'not of this space', 1)
      same(await keysOf(stand, 's', 4), [...keys].sort())
      same(await keysOf(stand, 's', 1), [...keys].sort())
      same(await values.scan('none'), { entries: [] })
      const seen: string[] = []
      for await (const { entries } of pagesOf((from) => values.scan('s', from, 7))) {
        for (const { key, value } of entries) {
          same(value, key)
          await values.remove('s', key)
          seen.push(key)
        }
      }
      same(seen.sort(), [...keys].sort())
      same(await values.scan('s'), { entries: [] })
    },
  },
  {
    name: 'names that some storages cannot keep, and values that are not JSON, are refused',
    async run({ storage: { values } }) {
      const circle: { self?: unknown } = {}
      circle.self = circle
      for (const name of ['', 'x'.repeat(65), 'a\0b', '\ud800']) {
        await refuses('value.invalid', async () => values.get(name, 'k'))
        await refuses('value.invalid', async () => values.put(name, 'k', 1))
        await refuses('value.invalid', async () => values.scan(name))
      }
      for (const key of ['', 'x'.repeat(513), 'a\0b', '\udc00', 7 as unknown as string]) {
        await refuses('value.invalid', async () => values.put('s', key, 1))
        await refuses('value.invalid', async () => values.get('s', key))
        await refuses('value.invalid', async () => values.remove('s', key))
      }
      for (const value of [undefined, () => 1, 1n, circle, Number.NaN]) {
        await refuses('value.invalid', async () => values.put('s', 'k', value))
      }
      same(await values.scan('s'), { entries: [] })
    },
  },
  {
    name: 'sessions are read, written, deleted and listed as grammY expects',
    async run(stand) {
      interface Cart {
        items: string[]
      }
      const sessions = stand.storage.sessions<Cart>()
      same(await sessions.read('7'), undefined)
      same(await sessions.has('7'), false)
      await sessions.write('7', { items: ['tea'] })
      await sessions.write('8', { items: [] })
      await sessions.write('7', { items: ['tea', 'cup'] })
      same(await sessions.read('7'), { items: ['tea', 'cup'] })
      same(await sessions.has('7'), true)
      const entries: [string, Cart][] = []
      for await (const entry of sessions.readAllEntries()) entries.push(entry)
      same(
        new Map(entries),
        new Map([
          ['7', { items: ['tea', 'cup'] }],
          ['8', { items: [] }],
        ]),
      )
      const keys: string[] = []
      for await (const key of sessions.readAllKeys()) keys.push(key)
      same(keys.sort(), ['7', '8'])
      const carts: Cart[] = []
      for await (const cart of sessions.readAllValues()) carts.push(cart)
      same(carts.length, 2)
      await sessions.delete('7')
      await sessions.delete('7')
      same(await sessions.read('7'), undefined)
      await sessions.write('8', undefined as unknown as Cart)
      same(await sessions.has('8'), false)
    },
  },
  {
    name: 'sessions of different names are separate, and lapse if they are not written in time',
    async run(stand) {
      const plain = stand.storage.sessions<number>()
      const short = stand.storage.sessions<number>({ name: 'short', ttl: '1m' })
      await plain.write('7', 1)
      await short.write('7', 2)
      same([await plain.read('7'), await short.read('7')], [1, 2])
      same(await stand.storage.values.get('session', '7'), 1)
      stand.now += 59_999
      await short.write('7', 3)
      stand.now += 59_999
      same(await short.read('7'), 3)
      stand.now += 1
      same([await short.read('7'), await short.has('7'), await plain.read('7')], [undefined, false, 1])
      await refuses('duration.invalid', async () => stand.storage.sessions({ ttl: 'soon' as '1m' }))
      await refuses('value.invalid', async () => stand.storage.sessions({ name: '' }))
    },
  },
  {
    name: 'health is reported',
    async run({ storage }) {
      const health = await storage.health()
      matches(health, { ok: true })
      same(typeof health.kind === 'string' && health.kind !== '', true, 'whether its kind is named')
    },
  },
]
