import { keyText, textKey } from '../../core/subject.js'
import type { ArchiveContents } from '../contract/archive.js'
import type { Mark, Storage } from '../contract/storage.js'
import type { UserRecord, Users } from '../contract/users.js'
import type { ValueEntry } from '../contract/values.js'
import { CHECKPOINTS } from './checkpoint.js'
import { canonical } from './checksum.js'

/** One item of a step, as it is stored. */
export interface Item {
  readonly key: string
  readonly value: unknown
}

interface Page {
  readonly items: readonly Item[]
  readonly next?: string | undefined
}

/** One kind of data to be moved: a mark of a bot, the users of a bot, or a space of values. */
export interface Step {
  /** Identifies the step in checkpoints and reports, such as `marks 42 blocked`. */
  readonly name: string
  page(storage: Storage, from: string | undefined, size: number): Promise<Page>
  has(storage: Storage, key: string): Promise<boolean>
  put(storage: Storage, items: readonly Item[]): Promise<void>
  remove(storage: Storage, keys: readonly string[]): Promise<void>
  /** The text to compare items by; the same for every storage. */
  textOf(item: Item): string
}

/** Returns all steps for the given contents, in a stable order. */
export function stepsOf({ bots, spaces }: ArchiveContents): readonly Step[] {
  return [
    // Blocks and roles first: while they are missing, blocked users could get in.
    ...bots.flatMap(({ id, marks }) => marks.map((name) => marksStep(id, name))),
    ...bots.flatMap(({ id, users }) => (users ? [usersStep(id)] : [])),
    ...spaces.filter((space) => space !== CHECKPOINTS).map(valuesStep),
  ]
}

/** Returns steps for kinds that the source no longer has but the target may still have. */
export function stepsGone(names: readonly string[], steps: readonly Step[]): readonly Step[] {
  const there = new Set(steps.map(({ name }) => name))
  return names.filter((name) => !there.has(name)).flatMap((name) => stepOf(name) ?? [])
}

function stepOf(name: string): Step | undefined {
  const [, kind, bot, mark = ''] = /^(marks|users) (-?\d+)(?: (.*))?$/s.exec(name) ?? []
  if (kind === 'marks') return marksStep(Number(bot), mark)
  if (kind === 'users') return usersStep(Number(bot))
  return name.startsWith('values ') ? valuesStep(name.slice('values '.length)) : undefined
}

function marksStep(bot: number, name: string): Step {
  return {
    name: `marks ${bot} ${name}`,
    async page({ marks }, from, size) {
      const { entries, next } = await marks.scan(bot, name, from, size)
      return { items: entries.map(({ key, mark }) => ({ key: keyText(key), value: mark })), next }
    },
    has: async ({ marks }, key) => (await marks.get(bot, textKey(key), name)) !== undefined,
    async put({ marks }, items) {
      const entries = items.map(({ key, value }) => ({ key: textKey(key), mark: value as Mark }))
      await marks.put(bot, name, entries)
    },
    async remove({ marks }, keys) {
      await marks.remove(bot, name, keys.map(textKey))
    },
    textOf({ key, value }) {
      const { since, until, reason, value: own } = value as Mark
      return canonical([key, since, until ?? null, reason ?? null, own ?? null])
    },
  }
}

function usersStep(bot: number): Step {
  return {
    name: `users ${bot}`,
    async page({ users }, from, size) {
      const page = await users.scan(bot, from, size)
      return {
        items: page.users.map((record) => ({ key: keyText(record.key), value: record })),
        next: page.next,
      }
    },
    has: async ({ users }, key) => (await users.get(bot, textKey(key))) !== undefined,
    async put({ archive, users }, items) {
      const records = items.map(({ value }) => value as UserRecord)
      if (archive !== undefined) await archive.restore(bot, records)
      else for (const record of records) await restored(users, bot, record)
    },
    async remove({ users }, keys) {
      for (const key of keys) await users.erase(bot, textKey(key))
    },
    textOf({ key, value }) {
      const { firstSeen, lastSeen, counts, data } = value as UserRecord
      return canonical([key, firstSeen, lastSeen, counts, data])
    },
  }
}

function valuesStep(space: string): Step {
  return {
    name: `values ${space}`,
    async page({ values }, from, size) {
      const { entries, next } = await values.scan(space, from, size)
      return { items: entries.map((entry) => ({ key: entry.key, value: entry })), next }
    },
    has: async ({ values }, key) => (await values.get(space, key)) !== undefined,
    async put({ values }, items) {
      await Promise.all(
        items.map(async ({ key, value }) => {
          const entry = value as ValueEntry
          await values.put(space, key, entry.value, entry.until)
        }),
      )
    },
    async remove({ values }, keys) {
      for (const key of keys) await values.remove(space, key)
    },
    textOf({ key, value }) {
      const { value: own, until } = value as ValueEntry
      return canonical([key, own, until ?? null])
    },
  }
}

/** Restores a record exactly, in a storage without an archive: by adding the differences to what is there. */
async function restored(users: Users, bot: number, record: UserRecord): Promise<void> {
  const { key, firstSeen, lastSeen, counts, data } = record
  const there = await users.get(bot, key)
  const missing = new Map(Object.entries(counts))
  for (const [name, total] of Object.entries(there?.counts ?? {})) {
    missing.set(name, (missing.get(name) ?? 0) - total)
  }
  const changed = Object.fromEntries([...missing].filter(([, by]) => by !== 0))
  await users.note(bot, [
    { key, at: firstSeen, counts: changed },
    { key, at: lastSeen },
  ])
  const fields = new Map<string, unknown>(Object.keys(there?.data ?? {}).map((name) => [name, null]))
  for (const [name, value] of Object.entries(data)) fields.set(name, value)
  if (fields.size > 0) await users.patch(bot, key, Object.fromEntries(fields))
}
