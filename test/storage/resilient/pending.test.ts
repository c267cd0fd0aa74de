import fc from 'fast-check'
import { SentinelError } from '../../../src/core/errors.js'
import type { Mark } from '../../../src/storage/contract/storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { QueuedMarks, type Write } from '../../../src/storage/resilient/queued-marks.js'
import { ALICE, BOT } from '../outage.js'

/** The result of a write: it reaches the storage, is kept for later, is given up, or is invalid. */
type End = 'through' | 'kept' | 'given up' | 'wrong'

/** Starts writes of one mark in this order, each of which ends at its time; returns the mark that the replay leaves. */
async function whatIsLeft(writes: readonly { readonly end: End; readonly at: number }[]): Promise<unknown> {
  const queued = new QueuedMarks(() => undefined)
  const storage = memory()
  const markOf = (index: number): Mark => ({ since: 1, reason: `${index}` })
  // Kept from an earlier failure.
  keep(queued, { bot: BOT, name: 'blocked', key: ALICE, mark: markOf(-1), at: 1 })
  const ending = writes.map(({ end, at }, index) => {
    const ticket = queued.begin(BOT, 'blocked', [ALICE])
    const write: Write = { bot: BOT, name: 'blocked', key: ALICE, mark: markOf(index), at: 1 }
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve, reject) => {
      answer = () => {
        if (end === 'through') resolve()
        else
          reject(end === 'wrong' ? new SentinelError('value.invalid', 'that is not a mark') : new Error(end))
      }
    })
    const done = Promise.resolve(queued.direct(ticket, () => answered)).catch(() => {
      if (end === 'kept') queued.keep(ticket, [write])
      else queued.end(ticket)
    })
    return { at, index, end: () => done.then(() => undefined), answer }
  })
  for (const { answer, end } of ending.sort((one, other) => one.at - other.at || one.index - other.index)) {
    answer()
    await end()
  }
  expect(queued.any).toBe(queued.size > 0)
  await queued.replay({
    marks: storage.marks,
    bounded: async (work) => work(),
    written: () => undefined,
    refused: (error) => {
      throw error
    },
  })
  return (await storage.marks.get(BOT, ALICE, 'blocked'))?.reason
}

function keep(queued: QueuedMarks, write: Write): void {
  queued.keep(queued.begin(write.bot, write.name, [write.key]), [write])
}

test('a write in progress does not slow updates, unless it replaces a queued write', async () => {
  const queued = new QueuedMarks(() => undefined)
  const write: Write = { bot: BOT, name: 'blocked', key: ALICE, mark: { since: 1 }, at: 1 }
  const first = queued.begin(BOT, 'blocked', [ALICE])
  expect(queued.any).toBe(false)
  queued.keep(first, [write])
  expect(queued.any).toBe(true)
  const again = queued.begin(BOT, 'blocked', [ALICE])
  let done = (): void => undefined
  const written = queued.direct(
    again,
    () =>
      new Promise<void>((resolve) => {
        done = resolve
      }),
  )
  expect([queued.size, queued.any]).toEqual([0, true])
  expect(queued.get(BOT, 'blocked', ALICE)).toBe(write)
  done()
  await written
  expect(queued.any).toBe(false)
})

test('of overlapping writes, the last that had an effect is kept, unless it has reached the storage', async () => {
  const ends = fc.constantFrom<End>('through', 'kept', 'given up', 'wrong')
  const write = fc.record({ end: ends, at: fc.integer({ min: 0, max: 5 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 6 }), async (writes) => {
      const last = writes.findLastIndex(({ end }) => end === 'through' || end === 'kept')
      const expected = writes[last]?.end === 'through' ? undefined : `${last}`
      expect(await whatIsLeft(writes)).toBe(expected)
    }),
    { numRuns: 500 },
  )
})
