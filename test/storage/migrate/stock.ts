import { keyText, subject, subjectKey, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'

export const NOW = Date.UTC(2026, 0, 1)
const INSIDE = subjectKey(subject.member(7, -100))

/** Fills a storage with entries of every kind, including unusual ones. */
export async function stock(storage: Storage): Promise<void> {
  const { marks, users, values } = storage
  await marks.put(42, 'blocked', [
    { key: userKey(7), mark: { since: NOW, reason: 'spam: "ads" \\ 🔑' } },
    { key: subjectKey(subject.sender(-100)), mark: { since: NOW, until: 4_000_000_000_000 } },
    { key: 'kmine:u7 {x}', mark: { since: 0 } },
  ])
  await marks.put(42, 'role:Ünï {x}:y', [{ key: INSIDE, mark: { since: NOW + 0.5 } }])
  await marks.put(43, 'limit', [{ key: userKey(8), mark: { since: NOW, value: { per: 1000, amount: 3 } } }])
  await marks.put(43, 'lapsed', [{ key: userKey(8), mark: { since: 1, until: 2 } }])
  await users.note(42, [
    {
      key: userKey(7),
      at: NOW,
      counts: JSON.parse('{"message": 3, "__proto__": 0.1}') as Record<string, number>,
    },
    { key: userKey(7), at: NOW + 5000.25, counts: { message: 1, denials: 2 } },
    { key: subjectKey(subject.sender(-100)), at: NOW },
  ])
  await users.patch(42, userKey(7), {
    language: 'en',
    deep: { z: [1, null, { b: 1, a: 2 }], a: '' },
    'x.y': 0,
  })
  await values.put('session', '7', { cart: ['tea'], '10': 1, '9': 2 })
  await values.put('session', '{8}: %7b', null, 4_000_000_000_000)
  await values.put('session', 'lapsed', 1, 1)
  await values.put('space: {s}* 100%', 'ключ', [false, 0, ''])
}

/** Adds many users, so that a migration takes a while. */
export async function crowd(storage: Storage, size: number): Promise<void> {
  const ids = Array.from({ length: size }, (_, index) => index + 1)
  await storage.marks.put(
    42,
    'registered',
    ids.map((id) => ({ key: userKey(id), mark: { since: NOW + id } })),
  )
  await storage.users.note(
    42,
    ids.map((id) => ({ key: userKey(id), at: NOW + id, counts: { message: id } })),
  )
}

/** All contents of a storage, as sorted lines, for a comparison of two storages. */
export async function linesOf(storage: Storage): Promise<string[]> {
  const contents = (await storage.archive?.contents()) ?? { bots: [], spaces: [] }
  const lines: string[] = []
  for (const { id, marks, users } of contents.bots) {
    for (const name of marks) {
      for (let from: string | undefined, more = true; more; more = from !== undefined) {
        const page = await storage.marks.scan(id, name, from)
        from = page.next
        for (const { key, mark } of page.entries) lines.push(`${id} ${name} ${keyText(key)} ${text(mark)}`)
      }
    }
    for (let from: string | undefined, more = users; more; more = from !== undefined) {
      const page = await storage.users.scan(id, from)
      from = page.next
      for (const { key, ...record } of page.users) lines.push(`${id} ${keyText(key)} ${text(record)}`)
    }
  }
  for (const space of contents.spaces) {
    if (space === 'grammy-sentinel.migrate') continue
    for (let from: string | undefined, more = true; more; more = from !== undefined) {
      const page = await storage.values.scan(space, from)
      from = page.next
      for (const { key, ...kept } of page.entries) lines.push(`${space} ${key} ${text(kept)}`)
    }
  }
  return lines.sort()
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, held: unknown) =>
    typeof held === 'object' && held !== null && !Array.isArray(held)
      ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)))
      : held,
  )
}
