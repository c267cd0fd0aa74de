import { type Key, keyText } from '../../core/subject.js'
import type { StorageChange } from '../../storage/contract/changes.js'
import type { Storage } from '../../storage/contract/storage.js'
import { eventually, same } from '../expecting.js'
import { ALICE, BOB, type Case, limited, planOf, type Stand } from '../stand.js'

/** Collects notifications as short texts, without `gap`, which may come at any time. */
class Told {
  readonly changes: string[] = []

  readonly listen = (change: StorageChange): void => {
    if (change.kind === 'gap') return
    const whom = (keys: readonly Key[]): string => keys.map(keyText).sort().join(' ')
    const { bot } = change
    this.changes.push(
      change.kind === 'marks'
        ? `${bot} marks ${change.name}: ${whom(change.keys)}`
        : `${bot} reset ${whom([change.key])}${change.slot === undefined ? '' : ` ${change.slot}`}`,
    )
  }

  /** Waits until all expected changes were reported; others may have been reported, too. */
  async of(...expected: string[]): Promise<void> {
    await eventually(
      () => expected.every((each) => this.changes.includes(each)),
      `told of ${expected.join(', ')}`,
    )
  }
}

async function changes(stand: Stand, by: Storage, told: Told): Promise<void> {
  const mark = { since: stand.now }
  await by.marks.put(
    1,
    'blocked',
    [ALICE, BOB].map((key) => ({ key, mark })),
  )
  await told.of('1 marks blocked: u1 u2')
  await by.marks.remove(1, 'blocked', ['u2'])
  await told.of('1 marks blocked: u2')
  await by.marks.put(2, 'role:vip', [{ key: 'u2', mark }])
  await told.of('2 marks role:vip: u2')
  await by.reset(1, 'u1')
  await told.of('1 reset u1')
  await by.reset(2, BOB, 'log')
  await told.of('2 reset u2 log')
}

/** Notifications of changes made by this process or another. */
export const watchCases: readonly Case[] = [
  {
    name: 'reports marks that are put and removed, and subjects that are reset',
    async run(stand) {
      const told = new Told()
      await stand.storage.watch(told.listen)
      await changes(stand, stand.storage, told)
    },
  },
  {
    name: 'reports many keys, in however many parts, each once and in one form',
    async run(stand) {
      const keys = Array.from({ length: 2000 }, (_, index) => `u${1_000_000_000 + index}`)
      const seen = new Map<Key, number>()
      await stand.storage.watch((change) => {
        if (change.kind !== 'marks') return
        for (const key of change.keys) seen.set(key, (seen.get(key) ?? 0) + 1)
      })
      await stand.storage.marks.put(
        1,
        'blocked',
        keys.map((key) => ({ key, mark: { since: stand.now } })),
      )
      await eventually(() => seen.size >= keys.length, 'told of 2,000 marks')
      same(
        [...seen.values()].every((times) => times === 1),
        true,
        'whether each was told once',
      )
      same(
        [...seen.keys()].every((key) => typeof key === 'number'),
        true,
        'whether keys were told as numbers',
      )
    },
  },
  {
    name: 'reports to every listener until it is stopped',
    async run(stand) {
      const [first, second] = [new Told(), new Told()]
      const stop = await stand.storage.watch(first.listen)
      await stand.storage.watch(second.listen)
      await stand.storage.marks.put(1, 'a', [{ key: ALICE, mark: { since: stand.now } }])
      await first.of('1 marks a: u1')
      await second.of('1 marks a: u1')
      stop()
      stop()
      await stand.storage.marks.put(1, 'b', [{ key: ALICE, mark: { since: stand.now } }])
      await second.of('1 marks b: u1')
      same(first.changes, ['1 marks a: u1'])
    },
  },
  {
    name: 'reports to each of two workers what the other changes',
    workers: true,
    async run(stand) {
      const other = await stand.another()
      const told = new Told()
      await other.watch(told.listen)
      await changes(stand, stand.storage, told)
    },
  },
  {
    name: 'reports nothing that is only counted',
    async run(stand) {
      const told = new Told()
      await stand.storage.watch(told.listen)
      const judge = await stand.storage.prepare(planOf([limited('log', { amount: 1, per: 1000 })]))
      for (let i = 0; i < 3; i++) await stand.ask(judge)
      await stand.storage.reset(1, BOB)
      await told.of('1 reset u2')
      same(told.changes, ['1 reset u2'])
    },
  },
]
